"""Holes: values that mean "no data" instead of a measurement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Nodata: TypeAlias = float | Sequence["float | tuple[float, float]"] | None
"""A value; or several, each a value or the (lowest, highest) of a range, both included."""

# Programs print a float32 with too few digits, so a stored value may be this many steps away;
# GDAL allows for it, too.
_STEPS = 2


def parse_nodata(text: Any) -> float | None:
    """Return the number in a field that states "no data", whole numbers exactly; None if none.

    Examples
    --------
    >>> parse_nodata(" -9999 "), parse_nodata("1e20"), parse_nodata("none")
    (-9999, 1e+20, None)
    """
    for kind in (int, float):
        try:
            return kind(str(text).strip("\0 \t\r\n"))
        except ValueError:
            pass
    return None


def joined(values: Sequence[float | tuple[float, float] | None]) -> Nodata:
    """Join what several fields state to one "no data"; None where none states any.

    Examples
    --------
    >>> joined([None, -9999]), joined([0, 255, 0]), joined([None])
    (-9999, (0, 255), None)
    """
    found = tuple(dict.fromkeys(value for value in values if value is not None))
    return found[0] if len(found) == 1 and not isinstance(found[0], tuple) else found or None


def holes(
    values: NDArray[Any], nodata: Nodata, gaps: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_] | None:
    """Mark the values that mean "no data".

    Parameters
    ----------
    values
        An array of real numbers.
    nodata
        As in ``Image.metadata``.
    gaps
        Places without data whatever their values, of a shape that can be broadcast.

    Returns
    -------
    numpy.ndarray or None
        ``bool`` of the same shape; None if there is no such value. NaN is not marked: it is a hole
        as it is.

    Examples
    --------
    >>> holes(np.array([3, -9999, 7], np.int16), -9999)
    array([False,  True, False])
    """
    found = None if gaps is None else np.broadcast_to(gaps, values.shape)
    for low, high in _ranges(nodata, values.dtype):
        here = values == low if low == high else (values >= low) & (values <= high)
        if here.any():
            found = here if found is None else found | here
    return found


def without_nodata(
    values: NDArray[Any], nodata: Nodata, gaps: NDArray[np.bool_] | None = None
) -> NDArray[Any]:
    """Values with NaN in place of "no data", as in `holes`; the same array if none is missing.

    Examples
    --------
    >>> without_nodata(np.array([3, 255], np.uint8), 255)
    array([ 3., nan], dtype=float32)
    """
    missing = holes(values, nodata, gaps)
    if missing is None:
        return values
    narrow = values.dtype.itemsize <= 2 or values.dtype == np.float32
    floats: NDArray[Any] = values.astype(np.float32 if narrow else np.float64)
    floats[missing] = np.nan
    return floats


def _ranges(nodata: Nodata, dtype: np.dtype[Any]) -> Iterator[tuple[Any, Any]]:
    """The ranges of missing values, as numbers that compare exactly with values of this dtype."""
    if nodata is None or dtype.kind not in "uif":
        return
    several = nodata if isinstance(nodata, Sequence) else (nodata,)
    for item in several:
        low, high = item if isinstance(item, tuple) else (item, item)
        if low != low or high != high:
            continue
        if dtype.kind == "f":
            yield _as_floats(low, high, dtype)
            continue
        info = np.iinfo(dtype)
        if low > info.max or high < info.min:
            continue
        least, most = math.ceil(max(low, info.min)), math.floor(min(high, info.max))
        if least <= most:
            yield least, most


def _as_floats(low: float, high: float, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    with np.errstate(over="ignore"):
        least, most = dtype.type(low), dtype.type(high)
        if least == most and np.isfinite(least) and dtype.itemsize <= 4:
            for _ in range(_STEPS):
                least = np.nextafter(least, dtype.type(-np.inf))
                most = np.nextafter(most, dtype.type(np.inf))
    return least, most
