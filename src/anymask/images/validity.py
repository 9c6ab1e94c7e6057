"""Which pixels of an image hold data, as a mask or the alpha channel of its file says."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.images.lazy import Box, LazyArray


def not_zero(values: Any, source: str) -> Any:
    """Return where values (H, W) are not 0; None if they are 0 nowhere.

    A lazy array stays lazy.
    """
    if isinstance(values, LazyArray):
        return values.map(_not_zero, bool)
    if isinstance(values, np.memmap):
        read = partial(_part_not_zero, values)
        return LazyArray(read, values.shape, bool, source)
    valid = np.asarray(values) != 0
    return None if valid.all() else valid


def gaps(valid: Any, axes: str, box: Box | None = None) -> NDArray[np.bool_] | None:
    """Mark pixels without data, for values of an image.

    Parameters
    ----------
    valid : bool array (H, W) or None
        Where there is data; may be lazy.
    axes : str
        The axes of the values.
    box : tuple of slice, optional
        The part of the image that the values are from, one slice per axis; all by default.

    Returns
    -------
    bool array or None
        It can be broadcast to the values. None if there is data everywhere.

    Examples
    --------
    >>> valid = np.array([[True, False], [True, True]])
    >>> gaps(valid, "YXC")[..., 0]
    array([[False,  True],
           [False, False]])
    >>> gaps(valid, "YX", (slice(1, 2), slice(None))) is None
    True
    """
    if valid is None:
        return None
    places = {axis: position for position, axis in enumerate(axes)}
    rows, columns = (slice(None) if box is None else box[places[axis]] for axis in "YX")
    empty: NDArray[np.bool_] = ~np.asarray(valid[rows, columns])
    if not empty.any():
        return None
    if places["X"] < places["Y"]:
        empty = empty.T
    return np.expand_dims(empty, [places[axis] for axis in axes if axis not in "YX"])


def _not_zero(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(values != 0)


def _part_not_zero(values: NDArray[Any], box: Box) -> NDArray[np.bool_]:
    return np.asarray(values[box] != 0)
