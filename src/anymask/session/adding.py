"""Adds what a run found to the objects that are there already."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks.labels import label_dtype

# A found object of which less is free is one that is there already.
_LEAST_FREE = 0.5


def added(
    before: NDArray[Any], found: NDArray[Any], kept: Collection[int], last: int
) -> tuple[NDArray[Any], dict[int, int]]:
    """Add found objects where there is room.

    Parameters
    ----------
    before, found : arrays of the same shape
        The labels of the layer, and those of the run.
    kept : collection of int
        Objects of the layer that stay as they are; the others go.
    last : int
        The largest id of the layer so far.

    Returns
    -------
    labels : array
        Found objects of which at least half is free, in their free pixels, after the kept ones.
    names : dict of int to int
        The id of each added object, by its id in `found`.

    Examples
    --------
    >>> labels, names = added(np.array([7, 7, 0, 0, 0]), np.array([1, 1, 1, 2, 2]), [7], 9)
    >>> labels.tolist(), names
    ([7, 7, 0, 10, 10], {2: 10})
    """
    stays = np.isin(before, list(kept)) & (before > 0)
    size = int(found.max(initial=0)) + 1
    whole = np.bincount(found.ravel(), minlength=size)
    free = np.bincount(found[~stays], minlength=size)
    fits = (free > 0) & (free >= _LEAST_FREE * whole)
    fits[0] = False
    old = np.flatnonzero(fits).tolist()
    names = {label: last + number for number, label in enumerate(old, start=1)}
    dtype = np.promote_types(before.dtype, label_dtype(last + len(old)))
    table = np.zeros(size, dtype)
    table[old] = list(names.values())
    return np.where(stays, before, table[found]).astype(dtype), names
