"""An array whose values stay in the file until they are needed."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from anymask.errors import ImageError
from anymask.images.memory import check_fits

Box = tuple[slice, ...]
"""One slice per axis, with start, stop and a positive step, within bounds."""

Grid = tuple[tuple[int, int], ...]
"""For each axis, the length of a file's chunks and the position of the first border."""


class LazyArray:
    """Array-like that reads values when it is indexed with integers, slices and ``...``.

    Parameters
    ----------
    read
        Called with a :data:`Box`; returns its values, with one axis per slice.
    shape, dtype
        Of the whole array. Values are returned in native byte order.
    source
        The file, for messages.
    grid
        The chunks of the file, if it is chunked.

    Examples
    --------
    >>> table = np.arange(12).reshape(3, 4)
    >>> lazy = LazyArray(lambda box: table[box], table.shape, table.dtype, "table")
    >>> lazy[1, ::-2]
    array([7, 5])
    >>> lazy.select((slice(None), 2)).shape
    (3,)
    """

    def __init__(
        self,
        read: Callable[[Box], NDArray[Any]],
        shape: Sequence[int],
        dtype: DTypeLike,
        source: str,
        grid: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        self._read = read
        self.shape = tuple(int(length) for length in shape)
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.source = source
        self.grid: Grid | None = None if grid is None else tuple(grid)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the values in memory, in bytes."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<LazyArray {self.dtype} of shape {self.shape} in {self.source}>"

    def __getitem__(self, index: Any) -> Any:
        """Read values: a NumPy array, or a number if every axis is indexed by an integer.

        Raises
        ------
        ImageError
            If the file is damaged there, or the values do not fit into memory.
        """
        view = self.select(index)
        check_fits(view.shape, view.dtype.itemsize, self.source, "read a smaller region of it")
        box = tuple(slice(0, length, 1) for length in view.shape)
        try:
            values = view._read(box)
        except ImageError:
            raise
        except Exception as error:  # decoders raise many types of errors on damaged files
            raise damaged(self.source, error) from error
        return values.astype(self.dtype, copy=False)[()]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("An array that is still in a file cannot be read without a copy.")
        values = np.asarray(self[...])
        return values if dtype is None else values.astype(dtype, copy=False)

    def select(self, index: Any) -> LazyArray:
        """Index without reading: return a lazy array of the selected part."""
        picks = _picks(index, self.shape)
        shape = [len(pick) for pick in picks if isinstance(pick, range)]
        read = partial(_read_picks, self, picks)
        return LazyArray(read, shape, self.dtype, self.source, _picked_grid(self.grid, picks))

    def transpose(self, order: Sequence[int]) -> LazyArray:
        """Reorder the axes without reading."""
        order = tuple(order)
        shape = [self.shape[axis] for axis in order]
        read = partial(_read_transposed, self._read, order)
        grid = None if self.grid is None else [self.grid[axis] for axis in order]
        return LazyArray(read, shape, self.dtype, self.source, grid)

    def map(self, function: Callable[[NDArray[Any]], NDArray[Any]], dtype: DTypeLike) -> LazyArray:
        """Apply a function, which must keep the shape, to values whenever they are read."""
        read = partial(_read_mapped, self._read, function)
        return LazyArray(read, self.shape, dtype, self.source, self.grid)


def take(array: Any, index: tuple[Any, ...]) -> Any:
    """Index with integers and slices; a lazy array is not read."""
    return array.select(index) if isinstance(array, LazyArray) else array[index]


def damaged(source: Any, error: BaseException, what: str = "an image") -> ImageError:
    """Turn the error of a decoder into one sentence; `what` names what was being read."""
    if isinstance(error, PermissionError):
        return ImageError(f"There is no permission to read {source}; ask its owner.")
    lines = str(error).strip().splitlines()
    reason = lines[0].strip().rstrip(".") if lines else type(error).__name__
    return ImageError(
        f"{source} cannot be read as {what} ({reason}); it may be damaged or unfinished, so copy "
        "or save it again."
    )


def _picks(index: Any, shape: tuple[int, ...]) -> tuple[int | range, ...]:
    """The position or range of positions that an index selects along each axis."""
    items = list(index) if isinstance(index, tuple) else [index]
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    missing = len(shape) - len(items) + len(dots)
    if missing < 0 or len(dots) > 1:
        raise IndexError(f"{len(items)} indices were given for an array of shape {shape}.")
    at = dots[0] if dots else len(items)
    items[at : at + 1] = [slice(None)] * missing
    picks: list[int | range] = []
    for item, length in zip(items, shape, strict=True):
        if isinstance(item, slice):
            picks.append(range(length)[item])
            continue
        try:
            picks.append(range(length)[operator.index(item)])
        except TypeError as error:
            raise IndexError(
                f"An array in a file is indexed with integers and slices, not {item!r}; read it "
                "with numpy.asarray first."
            ) from error
        except IndexError as error:
            raise IndexError(f"Index {item} is beyond an axis of {length}.") from error
    return tuple(picks)


def _picked_grid(grid: Grid | None, picks: Sequence[int | range]) -> Grid | None:
    """The chunk grid of a selection; chunks count as length 1 where it skips or reverses."""
    if grid is None:
        return None
    return tuple(
        (length, (first - pick.start) % length) if pick.step == 1 else (1, 0)
        for (length, first), pick in zip(grid, picks, strict=True)
        if isinstance(pick, range)
    )


def _read_picks(base: LazyArray, picks: tuple[int | range, ...], box: Box) -> NDArray[Any]:
    wanted = iter(box)
    ranges = [p if isinstance(p, int) else p[next(wanted)] for p in picks]
    lengths = [len(r) for r in ranges if isinstance(r, range)]
    if 0 in lengths:
        return np.empty(lengths, base.dtype)
    forward = tuple(slice(r, r + 1, 1) if isinstance(r, int) else _forward(r) for r in ranges)
    turned = tuple(
        0 if isinstance(r, int) else slice(None, None, -1 if r.step < 0 else None) for r in ranges
    )
    return base._read(forward)[turned]


def _forward(positions: range) -> slice:
    """The slice over the same positions in ascending order."""
    rising = positions if positions.step > 0 else positions[::-1]
    return slice(rising[0], rising[-1] + 1, rising.step)


def _read_transposed(
    read: Callable[[Box], NDArray[Any]], order: tuple[int, ...], box: Box
) -> NDArray[Any]:
    inner: list[slice] = [slice(0, 0, 1)] * len(order)
    for position, axis in enumerate(order):
        inner[axis] = box[position]
    return read(tuple(inner)).transpose(order)


def _read_mapped(
    read: Callable[[Box], NDArray[Any]],
    function: Callable[[NDArray[Any]], NDArray[Any]],
    box: Box,
) -> NDArray[Any]:
    return function(read(box))
