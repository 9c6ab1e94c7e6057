"""One plane of a stack, or a projection: the maximum or mean over its planes, without holes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.images.lazy import take
from anymask.images.nodata import Nodata, holes

Choice = int | Literal["max", "mean", "middle"] | None
"""One of several planes: an index, the middle one, or a projection over all of them."""


def choose(array: Any, axis: int, choice: Choice, nodata: Nodata = None) -> Any | None:
    """Return the chosen plane, or a projection over an axis; None if there is no such plane.

    A plane of a lazy array is not read. None as choice stands for the only plane.
    """
    length = array.shape[axis]
    if choice is None and length == 1:
        choice = 0
    if choice == "middle":
        choice = length // 2
    if isinstance(choice, (int, np.integer)) and -length <= choice < length:
        return take(array, ((slice(None),) * axis) + (int(choice),))
    return project(array, axis, choice, nodata) if choice in ("max", "mean") else None


def project(array: Any, axis: int, how: str, nodata: Nodata = None) -> NDArray[Any]:
    """Maximum or mean over an axis, one plane in memory at a time.

    Parameters
    ----------
    array
        An array, possibly lazy.
    axis
        Position of the axis.
    how
        "max" or "mean".
    nodata
        Values that are ignored, besides NaN; as in ``Image.metadata``.

    Returns
    -------
    numpy.ndarray
        The maximum in the array's own dtype, "no data" where no plane has a value; the mean as
        floats, NaN there.
    """
    planes = (
        np.asarray(array[(slice(None),) * axis + (index,)]) for index in range(array.shape[axis])
    )
    return _highest(planes, nodata) if how == "max" else _mean(planes, nodata)


def _highest(planes: Any, nodata: Nodata) -> NDArray[Any]:
    first = next(planes)
    highest = np.array(first, first.dtype.newbyteorder("="))
    empty = holes(highest, nodata)
    for plane in planes:
        missing = holes(plane, nodata)
        if missing is None and empty is None:
            np.fmax(highest, plane, out=highest)
            continue
        known = np.ones(plane.shape, bool) if missing is None else ~missing
        if empty is not None:
            np.copyto(highest, plane, where=known & empty)
            empty &= ~known
        np.fmax(highest, plane, out=highest, where=known & ~_or_none(empty))
    return highest


def _or_none(empty: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    return np.zeros((), bool) if empty is None else empty


def _mean(planes: Any, nodata: Nodata) -> NDArray[Any]:
    total = count = None
    wide: Any = np.float32
    for plane in planes:
        if total is None:
            wide = np.float64 if plane.dtype.itemsize > 4 else np.float32
            total, count = np.zeros(plane.shape, np.float64), np.zeros(plane.shape, np.uint32)
        known = np.isfinite(plane)
        missing = holes(plane, nodata)
        if missing is not None:
            known &= ~missing
        np.add(total, plane, out=total, where=known)
        count += known
    assert total is not None  # an image has at least one plane
    with np.errstate(invalid="ignore"):
        return (total / count).astype(wide)
