"""One object at a time: cut out along its box, changed, and put back.

A picture of 4000×4000 pixels may hold 5,000 objects of 50×50. Work on each in its own box takes
as long as work on one picture; work on each in the whole picture takes hours. The functions here
also let every operation take masks in any of three forms and return the form it was given: a
`MaskSet`, a label image, or a single boolean mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.masks.labels import label_dtype
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import Counts, column_by_column, counts_of, counts_of_runs, runs_of

Masks = TypeVar("Masks", bound="MaskSet | NDArray[Any]")
"""A `MaskSet`, a label image (H, W) of integers or a boolean mask (H, W); the same comes back."""

EIGHT_NEIGHBOURS = np.ones((3, 3), np.int64)
"""What is connected to a pixel: the pixels at its sides and at its corners."""


@dataclass(frozen=True)
class Crop:
    """A part of a picture around one object.

    Attributes
    ----------
    pixels : (h, w) bool array
    top, left : int
        Row and column of its first pixel in the picture.
    """

    pixels: NDArray[np.bool_]
    top: int
    left: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that it covers."""
        height, width = self.pixels.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def crop_of(counts: Counts, box: ArrayLike, size: tuple[int, int]) -> Crop:
    """Unpack the part of a mask within a box.

    Parameters
    ----------
    counts : array
        Run lengths, column-major, background first.
    box : (4,) array_like of int
        XYXY, inclusive; the whole mask must lie in it.
    size : tuple of int
        Height and width of the picture.

    Examples
    --------
    >>> mask = np.zeros((4, 5), bool)
    >>> mask[1:3, 2:4] = True
    >>> crop_of(counts_of(mask), [1, 1, 3, 2], (4, 5)).pixels.astype(int)
    array([[0, 1, 1],
           [0, 1, 1]])
    """
    x0, y0, x1, y1 = (int(side) for side in np.asarray(box))
    height, width = y1 - y0 + 1, x1 - x0 + 1
    starts, stops = runs_of(counts)
    # A run goes on in the next column only where the mask, and so the box, has the full height.
    columns, rows = np.divmod(starts, size[0])
    first = (columns - x0) * height + (rows - y0)
    changes = np.stack([first, first + (stops - starts)], 1).reshape(-1)
    lengths = np.diff(changes, prepend=0, append=height * width)
    values = np.zeros(len(lengths), np.bool_)
    values[1::2] = True
    return Crop(np.repeat(values, lengths).reshape(width, height).T, y0, x0)


def counts_of_crop(crop: Crop, size: tuple[int, int]) -> Counts:
    """Run lengths in the picture of a mask that is empty outside a crop.

    Parameters
    ----------
    crop : Crop
    size : tuple of int
        Height and width of the picture.

    Examples
    --------
    >>> counts_of_crop(Crop(np.ones((2, 2), bool), 1, 2), (4, 5))
    array([9, 2, 2, 2, 5], dtype=uint32)
    """
    if crop.pixels.shape == size:
        return counts_of(crop.pixels)
    height = crop.pixels.shape[0]
    starts, stops = runs_of(counts_of(crop.pixels))
    if height < size[0] and len(starts):
        starts, stops = column_by_column(starts, stops, height)
    columns, rows = np.divmod(starts, height)
    first = (columns + crop.left) * size[0] + rows + crop.top
    return counts_of_runs(first, first + (stops - starts), size)


def objects_of(
    masks: MaskSet, margin: int = 0, order: NDArray[np.int64] | None = None
) -> Iterator[tuple[int, Crop]]:
    """Cut out each mask that has a pixel, with its index.

    Parameters
    ----------
    masks : MaskSet
    margin : int
        Pixels added to the box at each side, as far as the picture goes.
    order : (K,) int64 array, optional
        Indices of the masks wanted, in the order wanted; all of them by default.
    """
    height, width = masks.image_size
    boxes = masks.boxes + margin * np.array([-1, -1, 1, 1])
    boxes = np.clip(boxes, 0, [width - 1, height - 1] * 2)
    wanted = np.arange(len(masks)) if order is None else order
    for index in wanted[masks.areas[wanted] > 0]:
        yield int(index), crop_of(masks.counts[index], boxes[index], masks.image_size)


def map_objects(
    masks: Masks, change: Callable[[NDArray[np.bool_]], NDArray[np.bool_]], *, margin: int = 0
) -> Masks:
    """Change each object by itself, in a crop around it.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
    change : callable
        Takes the crop of an object and returns another of the same shape, or the same one if
        there is nothing to change.
    margin : int
        Pixels around the object's box that the crop has, as far as the picture goes.

    Returns
    -------
    Of the same form as `masks`, with the same ids; objects left without a pixel are dropped.
    """
    given = as_set(masks)
    counts = list(given.counts)
    for index, crop in objects_of(given, margin):
        changed = change(crop.pixels)
        if changed is not crop.pixels:
            counts[index] = counts_of_crop(replace(crop, pixels=changed), given.image_size)
    result = given.with_counts(tuple(counts))
    return in_form_of(masks, result.select(result.areas > 0))


def as_set(masks: MaskSet | NDArray[Any]) -> MaskSet:
    """Bring any form of masks to a `MaskSet` whose ids stay as they are, whatever is done to it.

    Raises
    ------
    AnymaskError
        If it is none of the three forms.

    Examples
    --------
    >>> as_set(np.array([[0, 7, 7], [2, 2, 7]])).ids
    array([2, 7])
    """
    if isinstance(masks, MaskSet):
        return masks.with_ids(masks.ids)
    array = np.asarray(masks)
    if array.dtype == np.bool_ and array.ndim == 2:
        return MaskSet.from_labels(array.view(np.uint8))
    if array.ndim == 2 and np.issubdtype(array.dtype, np.integer):
        return MaskSet.from_labels(array)
    raise AnymaskError(
        "Masks must be a MaskSet, a label image (H, W) of whole numbers or a boolean mask (H, W), "
        f"and this is {array.dtype} of shape {array.shape}; make a MaskSet of a stack of masks."
    )


def in_form_of(
    masks: Masks, result: MaskSet, *, came_from: NDArray[np.int64] | None = None
) -> Masks:
    """Bring the result of an operation to the form of what went into it.

    In a label image an object never takes what another one has: a pixel stays with the object it
    belonged to if that still covers it, and goes to the smallest that covers it otherwise.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
        What went in.
    result : MaskSet
        What came out.
    came_from : (N,) int64 array, optional
        For each mask of the result the id of the object it was part of; its own id by default.

    Returns
    -------
    A label image has the dtype of the one that went in, or the smallest that holds its ids.
    """
    if isinstance(masks, MaskSet):
        return cast(Masks, result)
    before = np.asarray(masks)
    if before.dtype == np.bool_:
        return cast(Masks, union_of(result))
    largest = int(result.ids.max(initial=0))
    fits = largest <= np.iinfo(before.dtype).max
    after = np.zeros(before.shape, before.dtype if fits else label_dtype(largest))
    owners = result.ids if came_from is None else came_from
    for index, crop in objects_of(result, order=np.lexsort([-result.ids, -result.areas])):
        after[crop.window][crop.pixels] = result.ids[index]
    for index, crop in objects_of(result):
        own = crop.pixels & (before[crop.window] == owners[index])
        after[crop.window][own] = result.ids[index]
    return cast(Masks, after)


def union_of(masks: MaskSet) -> NDArray[np.bool_]:
    """Every pixel that any of the masks covers, (H, W).

    Examples
    --------
    >>> union_of(MaskSet.from_labels(np.array([[0, 7, 7], [2, 2, 0]]))).astype(int)
    array([[0, 1, 1],
           [1, 1, 0]])
    """
    covered = np.zeros(masks.image_size, np.bool_)
    for _, crop in objects_of(masks):
        covered[crop.window] |= crop.pixels
    return covered
