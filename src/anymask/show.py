"""Draw masks on matplotlib axes; `overlay`, which does not need matplotlib, is exported too.

matplotlib is only needed if no axis is given. The ``display_*`` functions take one mask or box at a
time, in the form that data sets of images and masks have and tutorials use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.errors import AnymaskError, ImageError
from anymask.images.normalize import rgb_of
from anymask.masks.mask_set import MaskSet
from anymask.painting import (
    NEGATIVE,
    POSITIVE,
    Masks,
    as_labels,
    default_width,
    draw_prompts,
    inner_boundary,
    overlay,
)
from anymask.palette import colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "display_box",
    "display_boxes_on_image",
    "display_mask",
    "display_points",
    "draw_prompts",
    "overlay",
    "show_box",
    "show_masks",
    "show_points",
]


def show_masks(
    masks: Masks,
    ax: Axes | None = None,
    *,
    scores: Sequence[float] | np.ndarray | None = None,
    alpha: float = 0.45,
    outline: bool = True,
) -> Axes:
    """Draw masks over the image on an axis, and put their predicted IoU into its title.

    Parameters
    ----------
    masks : MaskSet, list of records, or ndarray
        As in `overlay`, for example the first result of ``SamPredictor.predict``.
    ax : matplotlib Axes, optional
        Where to draw; the current axis by default.
    scores : sequence of float, optional
        Predicted IoU of each mask, for the title. By default taken from a `MaskSet` or from
        records.
    alpha, outline
        As in `overlay`.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().add_subplot()
    >>> show_masks(np.eye(8, dtype=bool)[None], ax, scores=[0.9]).get_title()
    'IoU 0.90'
    """
    ax = _axis(ax)
    labels = as_labels(masks, None)
    found = labels != 0
    colours = colours_of(labels)
    opacity = np.where(found, np.uint8(round(alpha * 255)), np.uint8(0))
    if outline:
        edge = inner_boundary(labels, default_width(labels.shape))
        colours[edge] = ((colours[edge].astype(np.uint16) * 2 + 255) // 3).astype(np.uint8)
        opacity[edge] = 255
    ax.imshow(np.dstack([colours, opacity]), interpolation="nearest")
    title = _title(_scores_of(masks) if scores is None else np.asarray(scores, np.float64))
    if title:
        ax.set_title(title)
    return ax


def show_points(
    coords: np.ndarray, labels: np.ndarray, ax: Axes | None = None, *, marker_size: float = 200
) -> Axes:
    """Draw point prompts: green stars for points on the object, red crosses for points off it.

    Parameters
    ----------
    coords : array_like, (N, 2) or any (..., 2)
        Points as (x, y) in pixels.
    labels : array_like, (N,) or (...)
        1 for a point on the object, 0 for a point off it.
    ax : matplotlib Axes, optional
        Where to draw; the current axis by default.
    marker_size : float
        Area of a marker in square points.

    Returns
    -------
    matplotlib Axes
    """
    ax = _axis(ax)
    points = np.asarray(coords, np.float64).reshape(-1, 2)
    positive = np.asarray(labels).reshape(-1) == 1
    for chosen, colour, marker in ((positive, POSITIVE, "*"), (~positive, NEGATIVE, "X")):
        if chosen.any():
            ax.scatter(
                points[chosen, 0],
                points[chosen, 1],
                color=colour,
                marker=marker,
                s=marker_size,
                edgecolor="white",
                linewidth=1.25,
                zorder=3,
            )
    return ax


def show_box(box: np.ndarray, ax: Axes | None = None, *, color: str = POSITIVE) -> Axes:
    """Draw one box (4,) or several (N, 4), XYXY in pixels, as empty rectangles.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = show_box([2, 3, 8, 5], Figure().add_subplot())
    >>> ax.patches[0].get_width(), ax.patches[0].get_height()
    (6.0, 2.0)
    """
    from matplotlib.patches import Rectangle

    ax = _axis(ax)
    for x0, y0, x1, y1 in np.asarray(box, np.float64).reshape(-1, 4).tolist():
        ax.add_patch(
            Rectangle(
                (x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=color, linewidth=2, zorder=3
            )
        )
    return ax


def display_mask(
    mask: np.ndarray, ax: Axes | None = None, *, score: float | None = None, color: int = 1
) -> Axes:
    """Draw one mask over the image on an axis.

    Parameters
    ----------
    mask : array_like, (H, W) or (1, H, W)
        Of any dtype; values above 0 are the object. A mask of 0 and 255 works, and so do the logits
        of ``SamPredictor.predict``.
    ax : matplotlib Axes, optional
        Where to draw; the current axis by default.
    score : float, optional
        IoU, for the title.
    color : int
        Number of the colour in `overlay`, from 1.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImageError
        If it is not one mask.
    """
    array = np.asarray(mask)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2:
        raise ImageError(
            f"One mask has the shape (H, W), but this is {array.shape}; draw several with "
            f"show_masks."
        )
    labels = (array > 0).astype(np.int64) * max(1, int(color))
    return show_masks(labels, ax, scores=None if score is None else [score])


def display_box(box: np.ndarray, ax: Axes | None = None) -> Axes:
    """Draw one box, (4,) XYXY in pixels, as an empty rectangle on a matplotlib axis.

    Raises
    ------
    ImageError
        If it is not four numbers.
    """
    corners = np.asarray(box, np.float64).reshape(-1)
    if corners.shape != (4,):
        raise ImageError(
            f"One box is four numbers, x0, y0, x1, y1, but these are {corners.size}; draw several "
            f"with display_boxes_on_image."
        )
    return show_box(corners, ax)


def display_boxes_on_image(image: Any, boxes: np.ndarray, ax: Axes | None = None) -> Axes:
    """Show an image, (H, W) or (H, W, 3), with boxes, (N, 4) XYXY in pixels.

    Parameters
    ----------
    image : Image or ndarray
        An `Image` is shown as `to_rgb` does by default.
    boxes : array_like
        May be empty.
    ax : matplotlib Axes, optional
        Where to draw; the current axis by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().add_subplot()
    >>> image = np.zeros((9, 9), np.uint8)
    >>> len(display_boxes_on_image(image, [[1, 1, 4, 4], [2, 2, 8, 8]], ax).patches)
    2
    """
    ax = _axis(ax)
    picture = np.asarray(rgb_of(image))
    ax.imshow(picture, cmap="gray" if picture.ndim == 2 else None)
    ax.set_axis_off()
    return show_box(boxes, ax)


def display_points(
    coords: np.ndarray, labels: np.ndarray, ax: Axes | None = None, *, marker_size: float = 200
) -> Axes:
    """Draw point prompts, as `show_points` does."""
    return show_points(coords, labels, ax, marker_size=marker_size)


def _axis(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise AnymaskError(
            "Drawing on an axis needs matplotlib: install it with 'pip install matplotlib', or "
            "use anymask.overlay, which does not need it."
        ) from None
    return plt.gca()


def _scores_of(masks: Masks) -> np.ndarray:
    if isinstance(masks, MaskSet):
        return masks.predicted_iou
    if isinstance(masks, Sequence) and masks and isinstance(masks[0], Mapping):
        return MaskSet.from_records(masks).predicted_iou
    return np.empty(0)


def _title(scores: np.ndarray) -> str:
    """The title of an axis: the IoU of one mask, or the range of several."""
    scores = scores[np.isfinite(scores)]
    if scores.size == 0:
        return ""
    if scores.size == 1:
        return f"IoU {scores[0]:.2f}"
    return f"{scores.size} masks, IoU {scores.min():.2f}–{scores.max():.2f}"
