"""Clean masks: fill holes, remove small pieces, smooth outlines, clear the border.

Every function takes a `MaskSet`, a label image or a single boolean mask, leaves it unchanged, and
returns the same form. Objects keep their ids. In a label image, no object takes pixels of another.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.errors import AnymaskError
from anymask.masks.objects import EIGHT_NEIGHBOURS, Masks, as_set, in_form_of, map_objects

Side = Literal["left", "top", "right", "bottom"]
SIDES: tuple[Side, ...] = get_args(Side)

# Blurred masks are rounded to this many steps, because the last bits of a sum depend on the order
# of its terms. So a rotated mask is smoothed to the rotated outline.
_STEPS = 2**24


def fill_holes(masks: Masks, *, max_size: float | None = None) -> Masks:
    """Fill the holes of each object.

    A hole is background enclosed by an object. Object pixels are connected through sides and
    corners, background pixels only through sides, so an outline whose pixels meet at corners
    encloses too. A gap that opens to the edge of the image is not a hole.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
    max_size : float, optional
        Larger holes stay, in pixels. Other objects inside the hole count too.

    Returns
    -------
    Of the same form, ids unchanged. In a label image, objects inside a hole keep their pixels, and
    a hole inside several objects goes to the smallest.

    Raises
    ------
    AnymaskError
        If `masks` has none of the three forms, or `max_size` is negative.

    Examples
    --------
    >>> ring = np.array([[0, 4, 4, 4], [0, 4, 0, 4], [0, 4, 4, 4]])
    >>> fill_holes(ring)
    array([[0, 4, 4, 4],
           [0, 4, 4, 4],
           [0, 4, 4, 4]])
    """
    _check_not_negative("max_size", max_size)

    def fill(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
        # Padded, so that the outside is one region, and the first one.
        regions, count = ndimage.label(np.pad(~pixels, 1, constant_values=True))
        if count == 1:
            return pixels
        regions = regions[1:-1, 1:-1]
        small = np.ones(count + 1, np.bool_)
        if max_size is not None:
            small = np.bincount(regions.reshape(-1), minlength=count + 1) <= max_size
        small[:2] = False
        return pixels | small[regions] if small.any() else pixels

    return map_objects(masks, fill)


def remove_small_objects(masks: Masks, min_area: float) -> Masks:
    """Remove objects of fewer than `min_area` pixels.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
        All pixels of an id are one object, connected or not; `remove_small_components` works on
        connected pieces.
    min_area : float
        In pixels; objects of exactly this area stay.

    Returns
    -------
    Of the same form, ids unchanged.

    Raises
    ------
    AnymaskError
        If `masks` has none of the three forms, or `min_area` is negative.

    Examples
    --------
    >>> remove_small_objects(np.array([[3, 3, 0], [3, 0, 8]]), 2)
    array([[3, 3, 0],
           [3, 0, 0]])
    """
    _check_not_negative("min_area", min_area)
    given = as_set(masks)
    return in_form_of(masks, given.select(given.areas >= min_area))


def remove_small_components(masks: Masks, min_area: float) -> Masks:
    """Remove pieces of fewer than `min_area` pixels from each object.

    Pieces are connected through sides and corners.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
    min_area : float
        In pixels; pieces of exactly this area stay.

    Returns
    -------
    Of the same form, ids unchanged. If all pieces of an object are smaller, it keeps the largest,
    or the topmost of equally large ones; `remove_small_objects` removes such objects.

    Raises
    ------
    AnymaskError
        If `masks` has none of the three forms, or `min_area` is negative.

    Examples
    --------
    >>> remove_small_components(np.array([[3, 3, 0], [3, 0, 0], [0, 0, 3]]), 2)
    array([[3, 3, 0],
           [3, 0, 0],
           [0, 0, 0]])
    """
    _check_not_negative("min_area", min_area)

    def remove(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
        regions, count = ndimage.label(pixels, EIGHT_NEIGHBOURS)
        if count == 1:
            return pixels
        sizes = np.bincount(regions.reshape(-1))
        stays = sizes >= min_area
        stays[0] = False
        stays[1 + sizes[1:].argmax()] = True
        return pixels if stays[1:].all() else stays[regions]

    return map_objects(masks, remove)


def keep_largest_component(masks: Masks) -> Masks:
    """Keep only the largest connected piece of each object.

    Pieces are connected through sides and corners; among equally large ones the topmost stays.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask

    Returns
    -------
    Of the same form, ids unchanged.

    Raises
    ------
    AnymaskError
        If `masks` has none of the three forms.

    Examples
    --------
    >>> keep_largest_component(np.array([[3, 3, 0, 5], [3, 0, 5, 0], [0, 0, 0, 3]]))
    array([[3, 3, 0, 5],
           [3, 0, 5, 0],
           [0, 0, 0, 0]])
    """
    return remove_small_components(masks, float("inf"))


def smooth(masks: Masks, radius: float) -> Masks:
    """Smooth the outline of each object without changing its area.

    The object is blurred with a Gaussian (standard deviation: half the radius), and its n brightest
    pixels become the new object, where n is its old area. Straight edges stay in place; bumps,
    notches and holes of about the radius disappear.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
    radius : float
        In pixels: 1 removes the pixel steps of an outline, 5 visibly rounds corners, 0 changes
        nothing.

    Returns
    -------
    Of the same form, ids unchanged. Areas are kept, except that equally bright pixels stay or go
    together. An object cut off by the image edge is treated as if it continued. In a label image,
    areas shrink where two objects would grow into each other.

    Raises
    ------
    AnymaskError
        If `masks` has none of the three forms, or `radius` is negative.

    Examples
    --------
    >>> notched = np.zeros((10, 11), int)
    >>> notched[2:8, 2:9] = 1
    >>> notched[2, 5] = 0
    >>> smooth(notched, 2)[1:4]
    array([[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
           [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0],
           [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0]])
    """
    _check_not_negative("radius", radius)
    if radius == 0:
        return map_objects(masks, lambda pixels: pixels)

    def blur(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
        # mode="nearest": the margin around an object repeats background; at the image edge,
        # which has no margin, it continues the object.
        blurred = ndimage.gaussian_filter(
            pixels.astype(np.float64), radius / 2, mode="nearest", truncate=4
        )
        return _brightest(np.rint(blurred * _STEPS).astype(np.int64), int(np.count_nonzero(pixels)))

    return map_objects(masks, blur, margin=int(np.ceil(2 * radius)) + 1)


def clear_border(masks: Masks, *, margin: int = 0, sides: Collection[Side] = SIDES) -> Masks:
    """Remove objects that touch the edge of the image.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
        All pixels of an id are one object, so a boolean mask stays whole or becomes empty.
    margin : int
        Objects within this many pixels of the edge are removed too.
    sides : collection of {"left", "top", "right", "bottom"}
        The edges to clear. To count objects without bias, as with a counting frame, clear only two
        neighbouring edges, for example ``("left", "top")``.

    Returns
    -------
    Of the same form, ids unchanged.

    Raises
    ------
    AnymaskError
        If `masks` has none of the three forms, `margin` is negative, or a side is unknown.

    Examples
    --------
    >>> labels = np.array([[0, 0, 0, 2], [0, 1, 0, 2], [0, 0, 0, 0]])
    >>> clear_border(labels)
    array([[0, 0, 0, 0],
           [0, 1, 0, 0],
           [0, 0, 0, 0]])
    >>> clear_border(labels, sides=("left", "bottom"))[0]
    array([0, 0, 0, 2])
    """
    _check_not_negative("margin", margin)
    wrong = set(sides) - set(SIDES)
    if wrong:
        raise AnymaskError(
            f"{sorted(wrong)[0]!r} is not a side of an image; choose from left, top, right and "
            "bottom."
        )
    given = as_set(masks)
    height, width = given.image_size
    x0, y0, x1, y1 = given.boxes.T
    distances = {"left": x0, "top": y0, "right": width - 1 - x1, "bottom": height - 1 - y1}
    at_edge = np.zeros(len(given), np.bool_)
    for side in sides:
        at_edge |= distances[side] <= margin
    return in_form_of(masks, given.select(~at_edge & (given.areas > 0)))


def _brightest(levels: NDArray[np.int64], wanted: int) -> NDArray[np.bool_]:
    """About `wanted` of the brightest pixels; equally bright ones are kept or dropped together."""
    flat = levels.reshape(-1)
    threshold = np.partition(flat, len(flat) - wanted)[len(flat) - wanted]
    brighter = levels > threshold
    sure = np.count_nonzero(brighter)
    equal = np.count_nonzero(levels == threshold)
    take_all = 2 * (wanted - sure) >= equal or sure == 0
    return levels >= threshold if take_all else brighter


def _check_not_negative(name: str, value: float | None) -> None:
    if value is not None and not value >= 0:
        raise AnymaskError(f"{name} is {value}; it must be 0 or more.")
