"""Add newly found masks to those of earlier work, which stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import counts_of_crop, objects_of

MOST_COVERED = 0.5
"""A found mask of which earlier masks cover more than this is one of them, found again."""


def add_to(earlier: MaskSet, found: MaskSet, *, most_covered: float = MOST_COVERED) -> MaskSet:
    """Add the masks that earlier ones do not cover.

    Parameters
    ----------
    earlier : MaskSet
        Masks to keep, with their ids, classes and pixels.
    found : MaskSet
        Masks of the same image. They lose the pixels that earlier masks have, and get new ids
        above the largest so far, in their order.
    most_covered : float
        Fraction of a mask, 0 to 1; masks of which earlier ones cover more are left out.

    Returns
    -------
    MaskSet
        The earlier masks, then the added ones.

    Raises
    ------
    AnymaskError
        If the masks are of images of different sizes.

    Examples
    --------
    >>> earlier = MaskSet.from_labels(np.array([[4, 4, 0, 0, 0]]))
    >>> found = MaskSet.from_masks(np.array([[[1, 1, 1, 0, 0]], [[0, 1, 1, 1, 0]]]) > 0)
    >>> both = add_to(earlier, found)
    >>> both.to_labels()
    array([[4, 4, 5, 5, 0]], dtype=uint8)
    """
    if earlier.image_size != found.image_size:
        sizes = [f"{width}×{height}" for height, width in (earlier.image_size, found.image_size)]
        raise AnymaskError(
            f"The masks to add to are {sizes[0]} pixels and the image is {sizes[1]}; give the "
            "masks of this image."
        )
    taken = earlier.to_labels() > 0
    counts, keep = list(found.counts), np.zeros(len(found), np.bool_)
    for index, crop in objects_of(found):
        free = crop.pixels & ~taken[crop.window]
        area, left = (int(np.count_nonzero(pixels)) for pixels in (crop.pixels, free))
        keep[index] = left > 0 and area - left <= most_covered * area
        if left < area:
            counts[index] = counts_of_crop(replace(crop, pixels=free), found.image_size)
    new = found.with_counts(counts).select(keep)
    new = replace(found.with_counts(counts).select(keep), object_ids=None)
    return MaskSet.concatenate([earlier.with_ids(earlier.ids), new], earlier.image_size)
