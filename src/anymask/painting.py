"""Draw masks and prompts into image arrays: `overlay` for masks, `draw_prompts` for prompts.

All masks are first turned into a label image, so that 500 masks on a large image need no more
memory than one. Where masks overlap, the smaller one is on top.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from anymask.errors import ImageError
from anymask.images.normalize import rgb_of
from anymask.label_ids import checked_labels
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import objects_of
from anymask.palette import colours_of

Masks = MaskSet | Sequence[Mapping[str, Any]] | np.ndarray
POSITIVE, NEGATIVE = "#2ecc40", "#ff4136"
"""Colours of points on the object (label 1) and of points off it (label 0)."""
_SMALL, _LEAST_SIDE = 128, 512  # overlays of images with smaller sides are enlarged, to about


def overlay(
    image: Any,
    masks: Masks,
    *,
    alpha: float = 0.45,
    outline: bool = True,
    outline_width: int | None = None,
    ids: bool = False,
    scale: int = 1,
) -> np.ndarray:
    """Paint masks over an image, each filled and outlined in its own colour.

    Parameters
    ----------
    image : Image, or ndarray, uint8, (H, W, 3) or (H, W)
        The image, which is not changed; an `Image` is shown as `to_rgb` does by default.
    masks : MaskSet, list of records, or ndarray
        A `MaskSet`; the records of `SamAutomaticMaskGenerator`; a boolean stack (N, H, W) or a
        single boolean mask (H, W); or a label image (H, W) of integers, 0 for background.
    alpha : float
        Opacity of the fill, 0 (none) to 1 (hides the image).
    outline : bool
        Whether to draw each mask's inner boundary at full opacity.
    outline_width : int, optional
        Width of the outline in pixels, 0 for none. By default 1 for small images and more for
        large ones.
    ids : bool
        Whether to write each mask's id where it is widest.
    scale : int
        Enlarge the image by this factor first, so that outlines and ids hide less of small objects.

    Returns
    -------
    ndarray, uint8, (scale·H, scale·W, 3)
        The painted image. A mask's colour depends only on its id: the label in a label image, the
        id in a `MaskSet`, or the index plus 1 in a boolean stack.

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
    rgb = as_rgb(image)
    labels = as_labels(masks, rgb.shape[:2])
    if scale > 1:
        rgb, labels = (each.repeat(scale, 0).repeat(scale, 1) for each in (rgb, labels))
    # 8-bit fixed point: the blend stays in uint16, a quarter of the memory of float64.
    weight = np.uint16(round(min(max(alpha, 0.0), 1.0) * 256))
    colours = colours_of(labels)
    blend = rgb.astype(np.uint16) * (256 - weight) + colours.astype(np.uint16) * weight
    painted = np.where((labels != 0)[..., None], (blend >> 8).astype(np.uint8), rgb)
    if outline:
        width = default_width(labels.shape) if outline_width is None else outline_width
        edge = inner_boundary(labels, width)
        # Lightened, so that an outline stands out from its fill at any opacity.
        painted[edge] = ((colours[edge].astype(np.uint16) * 2 + 255) // 3).astype(np.uint8)
    return _with_ids(painted, labels) if ids else painted


def enlargement(shape: tuple[int, ...]) -> int:
    """By how much the overlay of an image of this shape is enlarged by default.

    Examples
    --------
    >>> enlargement((43, 31)), enlargement((300, 400))
    (11, 1)
    """
    longer = max(shape[:2])
    return _LEAST_SIDE // longer if longer < _SMALL else 1


def draw_scale_bar(
    picture: np.ndarray, pixel_size: tuple[float, float], unit: str, *, scale: int = 1
) -> np.ndarray:
    """Draw a bar of a round length into the lower right corner of an image.

    Parameters
    ----------
    picture : ndarray, uint8, (H, W, 3)
        The image, which is not changed.
    pixel_size : tuple of float
        Height and width of a pixel in `unit`, before it was enlarged.
    unit : str
        For example "µm".
    scale : int
        The factor by which `picture` was enlarged.

    Returns
    -------
    ndarray, uint8, (H, W, 3)

    Examples
    --------
    >>> drawn = draw_scale_bar(np.zeros((60, 400, 3), np.uint8), (0.65, 0.65), "µm")
    >>> int((drawn == 255).all(2).any(0).sum())  # 50 µm
    77
    """
    width = pixel_size[1] / scale
    # The longest of 1, 2, 5, 10, … that is at most a quarter of the image.
    most = picture.shape[1] * width / 4
    power = 10.0 ** math.floor(math.log10(most))
    length = max(step * power for step in (1, 2, 5) if step * power <= most)
    drawn = Image.fromarray(np.array(picture))
    pen, size = ImageDraw.Draw(drawn), _text_size(picture.shape)
    right, bottom = picture.shape[1] - size, picture.shape[0] - size
    left, top = right - round(length / width) + 1, bottom - max(2, size // 4)
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill="black")
    pen.rectangle((left, top, right, bottom), fill="white")
    place = ((left + right) / 2, top - size / 3)
    text = f"{length:g} {unit}".replace("µ", "u")  # which the font lacks
    _write(pen, place, text, size, anchor="md")
    return np.asarray(drawn)


def draw_prompts(
    picture: Any,
    *,
    point_coords: ArrayLike | None = None,
    point_labels: ArrayLike | None = None,
    boxes: ArrayLike | None = None,
    width: int | None = None,
) -> np.ndarray:
    """Draw prompts onto an image: boxes and points on the object in green, points off it in red.

    Parameters
    ----------
    picture : Image, or ndarray, uint8, (H, W, 3) or (H, W)
        The image, which is not changed; an `Image` is shown as `to_rgb` does by default.
    point_coords : array_like, (N, 2), optional
        Points as (x, y) in pixels.
    point_labels : array_like, (N,), optional
        1 for a point on the object, 0 for a point off it; all 1 if not given.
    boxes : array_like, (4,) or (N, 4), optional
        XYXY in pixels.
    width : int, optional
        Width of lines in pixels, by which points grow too. By default 2 for small images and more
        for large ones.

    Returns
    -------
    ndarray, uint8, (H, W, 3)

    Raises
    ------
    ImageError
        If the image is not uint8 with one or three channels.

    Examples
    --------
    >>> drawn = draw_prompts(np.zeros((40, 40), np.uint8), point_coords=[[20, 10]])
    >>> drawn[10, 20].tolist(), drawn[30, 20].tolist()
    ([46, 204, 64], [0, 0, 0])
    """
    rgb = as_rgb(picture)
    drawn = Image.fromarray(np.array(rgb))
    pen = ImageDraw.Draw(drawn)
    width = default_width(rgb.shape) + 1 if width is None else width
    for x0, y0, x1, y1 in np.asarray([] if boxes is None else boxes, float).reshape(-1, 4).tolist():
        corners = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        pen.rectangle(corners, outline=POSITIVE, width=width)
    points = np.asarray([] if point_coords is None else point_coords, float).reshape(-1, 2)
    labels = np.ones(len(points)) if point_labels is None else np.asarray(point_labels).reshape(-1)
    radius = 2 + 1.5 * width
    for (x, y), label in zip(points.tolist(), labels, strict=True):
        corners = (x - radius, y - radius, x + radius, y + radius)
        fill = POSITIVE if label == 1 else NEGATIVE
        pen.ellipse(corners, fill=fill, outline="white", width=max(1, width // 2))
    return np.asarray(drawn)


def _with_ids(painted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Write the id of each mask where it is widest."""
    masks = MaskSet.from_labels(labels)
    drawn = Image.fromarray(painted)
    pen, size = ImageDraw.Draw(drawn), _text_size(labels.shape)
    for index, crop in objects_of(masks):
        row, column = _widest(crop.pixels)
        place = (crop.left + column + 0.5, crop.top + row + 0.5)
        _write(pen, place, str(int(masks.ids[index])), size, anchor="mm")
    return np.asarray(drawn)


def _widest(pixels: np.ndarray) -> tuple[int, int]:
    """Row and column of the pixel that is farthest from the outside of a mask."""
    from scipy.ndimage import distance_transform_edt

    step = max(1, max(pixels.shape) // 200)  # near enough for placing text, and quick
    depth = distance_transform_edt(np.pad(pixels[::step, ::step], 1))
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return (int(row) - 1) * step, (int(column) - 1) * step


def _text_size(shape: tuple[int, ...]) -> int:
    return max(10, round(max(shape[:2]) / 70))


def _write(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int, *, anchor: str
) -> None:
    """Write white text with a dark rim, which can be read on any colour."""
    font = ImageFont.load_default(size)
    rim = max(1, size // 10)
    pen.text(place, text, "white", font, anchor, stroke_width=rim, stroke_fill="black")


def as_rgb(image: Any) -> np.ndarray:
    """Return an `Image`, or a uint8 array, as (H, W, 3); refuse anything else."""
    image = np.asarray(rgb_of(image))
    if image.dtype != np.uint8 or not (
        image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))
    ):
        raise ImageError(
            f"An overlay needs a uint8 image of shape (H, W, 3) or (H, W), but this is "
            f"{image.dtype} of shape {image.shape}; convert it with anymask.to_rgb first."
        )
    if image.ndim == 2:
        image = image[..., None]
    return np.broadcast_to(image, (*image.shape[:2], 3))


def as_labels(masks: Masks, shape: tuple[int, int] | None) -> np.ndarray:
    """Convert any accepted form of masks to one label image (H, W)."""
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
            f"The masks are {labels.shape[1]}×{labels.shape[0]} pixels and the image is "
            f"{shape[1]}×{shape[0]}; use the masks that were made from this image."
        )
    return labels


def _labels_of_stack(array: np.ndarray) -> np.ndarray:
    """The label image of a boolean stack (id = index + 1, small masks on top), or the labels."""
    if array.ndim == 2 and array.dtype.kind in "uif":
        return checked_labels(array, error=ImageError)
    if array.ndim not in (2, 3) or array.dtype != np.bool_:
        raise ImageError(
            f"Masks must be boolean (N, H, W) or (H, W), or an integer label image (H, W), but "
            f"these are {array.dtype} of shape {array.shape}; threshold logits with '> 0' first."
        )
    stack = array[None] if array.ndim == 2 else array
    areas = np.array([np.count_nonzero(mask) for mask in stack])
    labels = np.zeros(stack.shape[1:], np.uint32)
    for index in np.argsort(-areas, kind="stable"):
        labels[stack[index]] = index + 1
    return labels


def default_width(shape: tuple[int, ...]) -> int:
    """Default width of outlines, in pixels, for an image of this shape."""
    return max(1, round(max(shape[:2]) / 600))


def inner_boundary(labels: np.ndarray, width: int) -> np.ndarray:
    """Pixels of masks within `width` of a pixel outside; the image border does not count."""
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
