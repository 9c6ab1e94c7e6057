"""Masks as CVAT stores them."""

from __future__ import annotations

import numpy as np

from anymask.masks.objects import ObjectCrop


def cvat_mask(crop: ObjectCrop) -> list[float]:
    """Return run lengths, row by row in the box of a mask and background first, then the box.

    The box is left, top, right and bottom; right and bottom are still in it.

    >>> cvat_mask(ObjectCrop(np.array([[True, True], [False, True]]), top=5, left=3))
    [0, 2, 1, 1, 3, 5, 4, 6]
    """
    flat = crop.pixels.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    height, width = crop.pixels.shape
    first = [0] if flat[0] else []
    box = [crop.left, crop.top, crop.left + width - 1, crop.top + height - 1]
    return [*first, *runs, *box]
