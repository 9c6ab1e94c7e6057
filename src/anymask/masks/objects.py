"""Process one object at a time: crop it to its box, change it, and put it back.

An image of 4000×4000 pixels may have 5,000 objects of 50×50. Processing each in its own box takes
as long as processing the image once; processing each in the whole image takes hours. The functions
here also let every operation take masks in three forms and return the same form: a `MaskSet`, a
label image, or a single boolean mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.label_ids import checked_labels
from anymask.masks.labels import label_dtype
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import Counts, column_by_column, counts_of, counts_of_runs, runs_of

Masks = TypeVar("Masks", bound="MaskSet | NDArray[Any]")
"""A `MaskSet`, a label image (H, W) of integers or a boolean mask (H, W); returned as given."""

EIGHT_NEIGHBOURS = np.ones((3, 3), np.int64)
"""The neighbours of a pixel: at its sides and at its corners."""


@dataclass(frozen=True)
class ObjectCrop:
    """The part of an image around one object.

    Attributes
    ----------
    pixels : (h, w) bool array
    top, left : int
        Row and column of its first pixel in the image.
    """

    pixels: NDArray[np.bool_]
    top: int
    left: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Its rows and columns in the image."""
        height, width = self.pixels.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def within(self, window: tuple[slice, slice]) -> ObjectCrop:
        """Return the same object in the coordinates of a part of the image."""
        return ObjectCrop(self.pixels, self.top - window[0].start, self.left - window[1].start)


def boxed(mask: NDArray[np.bool_]) -> ObjectCrop:
    """Crop a mask (H, W) to its box; an empty mask gives an empty crop.

    Examples
    --------
    >>> crop = boxed(np.array([[0, 0, 0], [0, 1, 1]], bool))
    >>> crop.top, crop.left, crop.pixels.shape
    (1, 1, (1, 2))
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return ObjectCrop(mask[:0, :0], 0, 0)
    top, left = int(rows[0]), int(columns[0])
    return ObjectCrop(mask[top : rows[-1] + 1, left : columns[-1] + 1], top, left)


def crop_of(counts: Counts, box: ArrayLike, size: tuple[int, int]) -> ObjectCrop:
    """Unpack the part of a mask within a box.

    Parameters
    ----------
    counts : array
        Run lengths, column-major, background first.
    box : (4,) array_like of int
        XYXY, inclusive; must contain the whole mask.
    size : tuple of int
        Height and width of the image.

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
    # A run continues in the next column only if the mask, and so the box, has full height.
    columns, rows = np.divmod(starts, size[0])
    first = (columns - x0) * height + (rows - y0)
    changes = np.stack([first, first + (stops - starts)], 1).reshape(-1)
    lengths = np.diff(changes, prepend=0, append=height * width)
    values = np.zeros(len(lengths), np.bool_)
    values[1::2] = True
    return ObjectCrop(np.repeat(values, lengths).reshape(width, height).T, y0, x0)


def counts_of_crop(crop: ObjectCrop, size: tuple[int, int]) -> Counts:
    """Run lengths, in the whole image, of a mask that is empty outside a crop.

    Parameters
    ----------
    crop : ObjectCrop
    size : tuple of int
        Height and width of the image.

    Examples
    --------
    >>> counts_of_crop(ObjectCrop(np.ones((2, 2), bool), 1, 2), (4, 5))
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
) -> Iterator[tuple[int, ObjectCrop]]:
    """Yield the index and crop of each mask that is not empty.

    Parameters
    ----------
    masks : MaskSet
    margin : int
        Pixels added to each side of the box, within the image.
    order : (K,) int64 array, optional
        Indices of the masks, in order; all by default.
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
    """Change each object on its own, in a crop around it.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
    change : callable
        Takes the crop of an object and returns a new array of the same shape, or the same object
        if nothing changes.
    margin : int
        Pixels added to each side of the object's box, within the image.

    Returns
    -------
    Of the same form as `masks`, with the same ids; objects left without pixels are dropped.
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
    """Convert any form of masks to a `MaskSet` with fixed ids.

    Raises
    ------
    AnymaskError
        If it has none of the three forms.

    Examples
    --------
    >>> as_set(np.array([[0, 7, 7], [2, 2, 7]])).ids
    array([2, 7])
    """
    if isinstance(masks, MaskSet):
        return masks.with_ids(masks.ids)
    array = np.asarray(masks)
    if array.ndim == 2 and array.dtype.kind in "buif":
        return MaskSet.from_labels(array)
    raise AnymaskError(
        "Masks must be a MaskSet, a label image (H, W) of whole numbers or a boolean mask (H, W), "
        f"but this is {array.dtype} of shape {array.shape}; make a MaskSet from a stack of masks."
    )


def in_form_of(
    masks: Masks, result: MaskSet, *, came_from: NDArray[np.int64] | None = None
) -> Masks:
    """Convert the result of an operation to the form of its input.

    In a label image, an object never takes pixels from another: a pixel stays with its object if
    that still covers it, and otherwise goes to the smallest object that covers it.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
        The input.
    result : MaskSet
        The result.
    came_from : (N,) int64 array, optional
        For each mask of the result, the id of the object it was part of; by default its own id.

    Returns
    -------
    A label image has the dtype of the input, or the smallest that holds its ids.
    """
    if isinstance(masks, MaskSet):
        return cast(Masks, result)
    before = np.asarray(masks)
    if before.dtype == np.bool_:
        return cast(Masks, union_of(result))
    before = checked_labels(before)
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
    """The union of all masks, (H, W).

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
