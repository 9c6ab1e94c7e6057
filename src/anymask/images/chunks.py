"""Chunked files: the chunks unpacked last are kept, so that further bands come from memory.

A cube is often stored in chunks of some rows and columns and all bands. Reading it band by band
would unpack each chunk once for every band.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from anymask.images.lazy import Box, LazyArray
from anymask.images.memory import available_memory

KEPT_BYTES = 256 << 20
"""At most this many bytes are kept, for all open files together."""

_lock = threading.RLock()
_holder: weakref.ref[ChunkReader] | None = None


def kept_bytes() -> int:
    """How many bytes may be kept: `KEPT_BYTES`, or less if memory is short."""
    return min(KEPT_BYTES, available_memory() // 8)


def unpacked_together(array: Any, axes: str, n_channels: int) -> int:
    """How many channels to read at once: as many as a chunk holds and memory allows."""
    grid = array.grid if isinstance(array, LazyArray) else None
    lengths = [grid[i][0] for i, axis in enumerate(axes) if axis in "CS"] if grid else []
    if len(lengths) != 1:
        return 1
    return max(1, min(lengths[0], kept_bytes() * n_channels // array.nbytes))


def chunked_array(
    read: Callable[[Box], NDArray[Any]],
    shape: Sequence[int],
    dtype: DTypeLike,
    source: str,
    chunks: Sequence[int],
) -> LazyArray:
    """Make a lazy array for a file that is unpacked in whole chunks.

    Parameters
    ----------
    read, shape, dtype, source
        As for :class:`LazyArray`.
    chunks
        Length of a chunk along each axis.
    """
    reader = ChunkReader(read, shape, np.dtype(dtype).itemsize, chunks)
    return LazyArray(reader, shape, dtype, source, [(length, 0) for length in chunks])


class ChunkReader:
    """Reads whole chunks, and keeps the chunks of the last box that had parts of chunks.

    Only one reader in a process keeps chunks at a time.
    """

    def __init__(
        self,
        read: Callable[[Box], NDArray[Any]],
        shape: Sequence[int],
        itemsize: int,
        chunks: Sequence[int],
    ) -> None:
        self._read, self._itemsize = read, itemsize
        self._shape, self._chunks = tuple(shape), tuple(chunks)
        self._kept: tuple[Box, NDArray[Any]] | None = None

    def __call__(self, box: Box) -> NDArray[Any]:
        """Return a new array with the values in a box, which has one slice per axis."""
        whole = self._whole_chunks(box)
        size = math.prod(s.stop - s.start for s in whole) * self._itemsize
        wanted = math.prod(s.stop - s.start for s in box) * self._itemsize
        if size == wanted:
            return self._read(box)
        with _lock:
            kept = self._kept
            if kept is None or not _within(box, kept[0]):
                if size > kept_bytes():
                    return self._read(box)
                self._release_holder()  # before reading, so that two never exist at once
                kept = self._keep(whole)
            inner = tuple(
                slice(wanted.start - own.start, wanted.stop - own.start, wanted.step)
                for wanted, own in zip(box, kept[0], strict=True)
            )
            return kept[1][inner].copy()

    def _whole_chunks(self, box: Box) -> Box:
        return tuple(
            slice(s.start // n * n, min(-(-s.stop // n) * n, length), 1)
            for s, n, length in zip(box, self._chunks, self._shape, strict=True)
        )

    def _keep(self, box: Box) -> tuple[Box, NDArray[Any]]:
        global _holder
        self._kept = box, self._read(box)
        _holder = weakref.ref(self)
        return self._kept

    @staticmethod
    def _release_holder() -> None:
        holder = _holder() if _holder is not None else None
        if holder is not None:
            holder._kept = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}


def _within(box: Box, outer: Box) -> bool:
    return all(o.start <= s.start and s.stop <= o.stop for s, o in zip(box, outer, strict=True))
