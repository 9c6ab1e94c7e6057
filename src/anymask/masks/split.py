"""Split objects: touching ones at their necks, and those in several pieces.

The distance to the background has a hill in the middle of each round object and a saddle at the
neck between two that touch; the watershed of the distance cuts along the saddle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import (
    EIGHT_NEIGHBOURS,
    Masks,
    as_set,
    counts_of_crop,
    in_form_of,
    objects_of,
)

# Objects with fewer pixels are one part: each of two parts needs a pixel with neighbours all round.
_TWO_HILLS = 8

_Cut = Callable[[NDArray[np.bool_]], tuple[NDArray[np.integer], int]]


def split_touching(
    masks: Masks, *, min_distance: float = 5.0, min_depth: float = 0.75, min_area: float = 0
) -> Masks:
    """Split touching objects, such as cells, grains or leaves.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
    min_distance : float
        Minimum distance, in pixels, between the centres of two parts (the pixels farthest from the
        background). The radius of the smallest expected object is a good choice.
    min_depth : float
        How much narrower than the smaller of its two parts a neck must be to be cut: the
        difference, in pixels, of their distances to the background. Raise it if ragged objects
        break into pieces (or `smooth` them first); lower it if shallow necks are not cut.
    min_area : float
        Smaller pieces, in pixels, do not become objects; they stay with the nearest piece.

    Returns
    -------
    Of the same form, except that a boolean mask becomes a label image. The largest part of each
    object keeps its id; the others get numbers after the largest id, object by object, large parts
    first. Together they cover the same pixels as before. Pieces that are not connected become
    separate objects too. In a `MaskSet`, parts keep the scores and class of the object, and new
    masks come last.

    Raises
    ------
    AnymaskError
        If `masks` has none of the three forms, a limit is negative, or no ids are left for parts.

    Examples
    --------
    >>> y, x = np.mgrid[:40, :70]
    >>> two = np.hypot(y - 20, x - 20) < 15
    >>> two |= np.hypot(y - 20, x - 46) < 14
    >>> labels = split_touching(two)
    >>> labels[20, [20, 46]]
    array([1, 2], dtype=uint8)
    >>> bool(((labels > 0) == two).all())
    True
    """
    limits = {"min_distance": min_distance, "min_depth": min_depth, "min_area": min_area}
    for name, value in limits.items():
        if not value >= 0:
            raise AnymaskError(f"{name} is {value}; it must be 0 or more.")

    def cut(piece: NDArray[np.bool_]) -> tuple[NDArray[np.integer], int]:
        return _watershed(piece, min_distance, min_depth)

    return _split(masks, cut, min_area)


def split_components(masks: Masks, *, min_area: float = 0) -> Masks:
    """Make each connected piece of each object an object of its own.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
    min_area : float
        Smaller pieces, in pixels, do not become objects; they stay with the nearest piece.

    Returns
    -------
    As for `split_touching`. Pieces are connected through sides and corners.

    Raises
    ------
    AnymaskError
        If `masks` has none of the three forms, or `min_area` is negative.

    Examples
    --------
    >>> split_components(np.array([[True, True, False, True]]))
    array([[1, 1, 0, 2]], dtype=uint8)
    """
    if not min_area >= 0:
        raise AnymaskError(f"min_area is {min_area}; it must be 0 or more.")
    return _split(masks, None, min_area)


def _split(masks: Masks, cut: _Cut | None, min_area: float) -> Masks:
    given = as_set(masks)
    if not isinstance(masks, MaskSet) and masks.dtype == np.bool_:
        masks = cast(Masks, masks.astype(np.uint8))  # so that every part can have a number
    counts = list(given.counts)
    parents: list[int] = []
    for index, crop in objects_of(given, margin=1):
        parts = _parts(crop.pixels, cut, min_area)
        if len(parts) > 1:
            first, *others = (
                counts_of_crop(replace(crop, pixels=part), given.image_size) for part in parts
            )
            counts[index] = first
            counts += others
            parents += [index] * len(others)
    rows = np.concatenate([np.arange(len(given)), np.array(parents, np.int64)])
    largest = int(given.ids.max(initial=0))
    if largest + len(parents) > np.iinfo(np.int64).max:
        raise AnymaskError(
            f"There is an id {largest}, which leaves none for new parts; give the masks smaller "
            "ids first."
        )
    after = largest + 1 + np.arange(len(parents))
    result = replace(
        replace(given, object_ids=None).select(rows),
        counts=tuple(counts),
        object_ids=np.concatenate([given.ids, after]),
    )
    return in_form_of(masks, result, came_from=given.ids[rows])


def _parts(pixels: NDArray[np.bool_], cut: _Cut | None, min_area: float) -> list[NDArray[np.bool_]]:
    """Masks of the parts of an object, largest first."""
    parts, count = ndimage.label(pixels, EIGHT_NEIGHBOURS)
    if cut is not None:
        whole, count = parts, 0
        parts = np.zeros_like(whole)
        for number, window in enumerate(ndimage.find_objects(whole), start=1):
            # One more pixel on each side, because the distance needs background around the object.
            around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in window)
            found, times = cut(whole[around] == number)
            parts[around] += np.where(found > 0, found + count, 0)
            count += times
    if count > 1 and min_area > 0:
        parts = _without_small(parts, min_area)
    sizes = np.bincount(parts.reshape(-1), minlength=2)[1:]
    order = np.argsort(-sizes, kind="stable")
    return [parts == number + 1 for number in order[: np.count_nonzero(sizes)]]


def _without_small(parts: NDArray[np.integer], min_area: float) -> NDArray[np.integer]:
    """Merge parts with fewer pixels into the nearest other part."""
    sizes = np.bincount(parts.reshape(-1))
    small = sizes < min_area
    small[0] = False
    small[1 + sizes[1:].argmax()] = False
    if not small.any():
        return parts
    far = small[parts] | (parts == 0)
    row, column = ndimage.distance_transform_edt(far, return_distances=False, return_indices=True)
    becomes = np.arange(len(sizes))
    for number in np.flatnonzero(small):
        here = parts == number
        becomes[number] = np.bincount(parts[row[here], column[here]]).argmax()
    return becomes[parts]


def _watershed(
    piece: NDArray[np.bool_], min_distance: float, min_depth: float
) -> tuple[NDArray[np.integer], int]:
    """Number the parts of a connected piece from 1."""
    one = piece.astype(np.int32), 1
    # Without background there is no distance to it.
    if np.count_nonzero(piece) < _TWO_HILLS or piece.all():
        return one
    distance = ndimage.distance_transform_edt(piece)
    tops = piece & (ndimage.maximum_filter(distance, 3) == distance)
    if ndimage.label(tops, EIGHT_NEIGHBOURS)[1] == 1:
        return one
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    # Lowered by the depth and reconstructed, only hills that rise by the depth keep a top.
    hills = reconstruction(distance - min_depth, distance) if min_depth > 0 else distance
    tops, count = ndimage.label(piece & local_maxima(hills), EIGHT_NEIGHBOURS)
    markers = _apart(tops, count, distance, min_distance) if count > 1 else tops
    if markers.max() <= 1:  # no marker if the whole piece is lower than the depth
        return one
    parts = watershed(-distance, markers, connectivity=2, mask=piece)
    return parts, int(markers.max())


def _apart(
    tops: NDArray[np.integer], count: int, distance: NDArray[np.float64], min_distance: float
) -> NDArray[np.int32]:
    """Number hilltops from 1, without those too close to a higher one."""
    # For each top, the pixel farthest from the background.
    places = np.array(ndimage.maximum_position(distance, tops, np.arange(1, count + 1)))
    order = np.argsort(-distance[places[:, 0], places[:, 1]], kind="stable")
    kept: list[int] = []
    for index in order:
        if not kept or (np.hypot(*(places[kept] - places[index]).T) >= min_distance).all():
            kept.append(index)
    number = np.zeros(count + 1, np.int32)
    number[np.array(kept) + 1] = np.arange(1, len(kept) + 1)
    return number[tops]
