"""Seeing masks: `overlay` paints them over a picture, `show_*` draw on a matplotlib axis.

All of it goes through a label image, one number a pixel, so that 500 masks on a large picture
cost no more memory than one. Where masks overlap the smaller one is on top. matplotlib is only
needed by the ``show_*`` functions, and only when no axis is given. ``display_*`` take what data
sets of images and masks hold, one mask or box at a time, with which tutorials draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.errors import AnymaskError, ImageError
from anymask.masks.mask_set import MaskSet
from anymask.palette import colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Masks = MaskSet | Sequence[Mapping[str, Any]] | np.ndarray

__all__ = [
    "display_box",
    "display_boxes_on_image",
    "display_mask",
    "display_points",
    "overlay",
    "show_box",
    "show_masks",
    "show_points",
]

_POSITIVE, _NEGATIVE = "#2ecc40", "#ff4136"


def overlay(
    image: np.ndarray,
    masks: Masks,
    *,
    alpha: float = 0.45,
    outline: bool = True,
    outline_width: int | None = None,
) -> np.ndarray:
    """Paint masks over an image, each filled with its own colour and outlined.

    Parameters
    ----------
    image : ndarray, uint8, (H, W, 3) or (H, W)
        The picture; it is not changed.
    masks : MaskSet, list of records, or ndarray
        A `MaskSet`; the records of `SamAutomaticMaskGenerator`; a boolean stack (N, H, W) or a
        single boolean mask (H, W); or a label image (H, W) of integers, 0 for background.
    alpha : float
        Opacity of the fill, 0 (none) to 1 (hides the picture).
    outline : bool
        Draw each mask's inner boundary at full opacity.
    outline_width : int, optional
        Width of the outline in pixels, 0 for none; by default 1 for small pictures and more for
        large ones.

    Returns
    -------
    ndarray, uint8, (H, W, 3)
        The painted picture. A mask's colour depends on its id alone: its label, its place in the
        `MaskSet`, or for a boolean stack its index plus 1.

    Raises
    ------
    ImageError
        If the image is not uint8 with one or three channels, or the masks have another size.

    Examples
    --------
    >>> image = np.zeros((4, 6, 3), np.uint8)
    >>> labels = np.zeros((4, 6), np.uint8)
    >>> labels[1:3, 1:3] = 1
    >>> painted = overlay(image, labels)
    >>> painted.shape, bool((painted[labels == 0] == 0).all()), bool((painted[1, 1] > 0).any())
    ((4, 6, 3), True, True)
    """
    picture = _as_rgb(image)
    labels = _as_labels(masks, picture.shape[:2])
    # 8-bit fixed point: the whole blend stays in uint16, four times less than float64.
    weight = np.uint16(round(min(max(alpha, 0.0), 1.0) * 256))
    colours = colours_of(labels)
    blend = picture.astype(np.uint16) * (256 - weight) + colours.astype(np.uint16) * weight
    painted = np.where((labels != 0)[..., None], (blend >> 8).astype(np.uint8), picture)
    if outline:
        width = _default_width(labels.shape) if outline_width is None else outline_width
        edge = _inner_boundary(labels, width)
        # Lightened, so that an outline differs from its own fill at any opacity.
        painted[edge] = ((colours[edge].astype(np.uint16) * 2 + 255) // 3).astype(np.uint8)
    return painted


def show_masks(
    masks: Masks,
    ax: Axes | None = None,
    *,
    scores: Sequence[float] | np.ndarray | None = None,
    alpha: float = 0.45,
    outline: bool = True,
) -> Axes:
    """Draw masks over the picture that an axis shows, and their predicted IoU in its title.

    Parameters
    ----------
    masks : MaskSet, list of records, or ndarray
        As in `overlay`; for instance what ``SamPredictor.predict`` returns first.
    ax : matplotlib Axes, optional
        Where to draw; the current axis by default.
    scores : sequence of float, optional
        Predicted IoU of each mask, for the title; taken from a `MaskSet` or from records if not
        given.
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
    labels = _as_labels(masks, None)
    found = labels != 0
    colours = colours_of(labels)
    opacity = np.where(found, np.uint8(round(alpha * 255)), np.uint8(0))
    if outline:
        edge = _inner_boundary(labels, _default_width(labels.shape))
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
    for chosen, colour, marker in ((positive, _POSITIVE, "*"), (~positive, _NEGATIVE, "X")):
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


def show_box(box: np.ndarray, ax: Axes | None = None, *, color: str = _POSITIVE) -> Axes:
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
    """Draw one mask over the picture that an axis shows.

    Parameters
    ----------
    mask : array_like, (H, W) or (1, H, W)
        Of any dtype; what is above 0 is the object. A mask file of 0 and 255 will do, and so do
        the logits of ``SamPredictor.predict``.
    ax : matplotlib Axes, optional
        Where to draw; the current axis by default.
    score : float, optional
        IoU, for the title.
    color : int
        Which of the colours of `overlay`, from 1 on.

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
            f"One mask has the shape (H, W), and this is {array.shape}; draw several with "
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
            f"One box is four numbers, x0, y0, x1, y1, and these are {corners.size}; draw several "
            f"with display_boxes_on_image."
        )
    return show_box(corners, ax)


def display_boxes_on_image(image: np.ndarray, boxes: np.ndarray, ax: Axes | None = None) -> Axes:
    """Show a picture, (H, W) or (H, W, 3), with its boxes, (N, 4) XYXY in pixels.

    Parameters
    ----------
    image : ndarray
    boxes : array_like
        None at all will do.
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
    picture = np.asarray(image)
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
            "use anymask.overlay, which needs nothing."
        ) from None
    return plt.gca()


def _as_rgb(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype != np.uint8 or not (
        image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))
    ):
        raise ImageError(
            f"An overlay needs a uint8 picture of shape (H, W, 3) or (H, W), and this is "
            f"{image.dtype} of shape {image.shape}; convert it with anymask.to_rgb first."
        )
    if image.ndim == 2:
        image = image[..., None]
    return np.broadcast_to(image, (*image.shape[:2], 3))


def _as_labels(masks: Masks, shape: tuple[int, int] | None) -> np.ndarray:
    """Bring any accepted form of masks to one label image (H, W)."""
    if isinstance(masks, MaskSet):
        labels = masks.to_labels()
    elif isinstance(masks, Sequence):
        if not masks:
            labels = np.zeros(shape or (1, 1), np.uint8)
        elif isinstance(masks[0], Mapping):
            labels = MaskSet.from_records(masks).to_labels()
        else:
            labels = _labels_of_stack(np.asarray(masks))
    else:
        labels = _labels_of_stack(np.asarray(masks))
    if shape is not None and labels.shape != tuple(shape):
        raise ImageError(
            f"The masks are {labels.shape[1]}×{labels.shape[0]} pixels and the picture is "
            f"{shape[1]}×{shape[0]}; use the masks that were made from this picture."
        )
    return labels


def _labels_of_stack(array: np.ndarray) -> np.ndarray:
    """Label image of a boolean stack (ids are index + 1, small masks on top), or the labels."""
    if array.ndim == 2 and np.issubdtype(array.dtype, np.integer):
        return array
    if array.ndim not in (2, 3) or array.dtype != np.bool_:
        raise ImageError(
            f"Masks must be boolean (N, H, W) or (H, W), or an integer label image (H, W), and "
            f"these are {array.dtype} of shape {array.shape}; threshold logits with '> 0' first."
        )
    stack = array[None] if array.ndim == 2 else array
    areas = np.array([np.count_nonzero(mask) for mask in stack])
    labels = np.zeros(stack.shape[1:], np.uint32)
    for index in np.argsort(-areas, kind="stable"):
        labels[stack[index]] = index + 1
    return labels


def _default_width(shape: tuple[int, ...]) -> int:
    return max(1, round(max(shape[:2]) / 600))


def _inner_boundary(labels: np.ndarray, width: int) -> np.ndarray:
    """Pixels of a mask within `width` of a pixel that is not of it; the image border is none."""
    edge = np.zeros(labels.shape, bool)
    for step in range(1, width + 1):
        for axis in (0, 1):
            if labels.shape[axis] <= step:
                continue
            here = np.moveaxis(labels, axis, 0)
            line = np.moveaxis(edge, axis, 0)
            differs = here[step:] != here[:-step]
            line[step:] |= differs
            line[:-step] |= differs
    return edge & (labels != 0)


def _scores_of(masks: Masks) -> np.ndarray:
    if isinstance(masks, MaskSet):
        return masks.predicted_iou
    if isinstance(masks, Sequence) and masks and isinstance(masks[0], Mapping):
        return MaskSet.from_records(masks).predicted_iou
    return np.empty(0)


def _title(scores: np.ndarray) -> str:
    """Title of an axis: the IoU of one mask, or the range over several."""
    scores = scores[np.isfinite(scores)]
    if scores.size == 0:
        return ""
    if scores.size == 1:
        return f"IoU {scores[0]:.2f}"
    return f"{scores.size} masks, IoU {scores.min():.2f}–{scores.max():.2f}"
