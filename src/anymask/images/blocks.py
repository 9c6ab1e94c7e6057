"""Read an image in blocks of whole rows, so that only a small part is in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.images.chunks import kept_bytes
from anymask.images.image import Image
from anymask.images.lazy import LazyArray

# Values in a block per band: what fits into a processor's cache.
_BLOCK = 1 << 16
# Values in a block for all its bands together.
_BLOCK_OF_ALL = 1 << 18
# A chunk of a compressed file is unpacked once for every block that needs a part of it.
_FEWEST_PIECES = 8
# Above this many pixels in a row of chunks, a block may end inside a chunk, to save memory.
_MOST_OF_CHUNK = 1 << 22
SAMPLE = 1 << 17
"""Number of pixels sampled to choose limits, components and so on."""


def blocks_of_rows(image: Image, bands: int = 1) -> list[slice]:
    """Cut the rows of an image into blocks of about 65,000 pixels, fewer if it has many bands.

    Chunked files are cut along their chunks, so that each chunk is unpacked once.

    Parameters
    ----------
    image
        The image.
    bands
        How many bands of each pixel are in memory at a time.
    """
    most = min(_BLOCK, max(1, _BLOCK_OF_ALL // max(bands, 1)))
    height, first = max(1, most // image.width), 0
    if isinstance(image.array, LazyArray):
        height = max(height, math.ceil(image.height / (_FEWEST_PIECES * max(1, bands // 8))))
        height, first = _along_chunks(image, height)
    tops = sorted({0, *range(first, image.height, height)})
    return [slice(a, b) for a, b in zip(tops, [*tops[1:], image.height], strict=True)]


def _along_chunks(image: Image, height: int) -> tuple[int, int]:
    """The block height and first border, close to `height` rows, that follow the chunks."""
    grid = image.array.grid
    if grid is None:
        return height, 0
    chunk, first = grid[image.axes.index("Y")]
    if chunk * image.width > _MOST_OF_CHUNK:
        return height, 0
    size = max(image.array.dtype.itemsize, 4) * image.width * chunk  # as the floats used later
    for (length, _), axis, whole in zip(grid, image.axes, image.array.shape, strict=True):
        if axis not in "YX":
            size *= min(length, whole)
    rows = min(max(height, chunk), kept_bytes() // size * chunk) // chunk * chunk
    return (rows, first) if rows else (height, 0)


def sampled_rows(image: Image, bands: int = 1) -> Iterator[slice]:
    """Yield blocks of evenly spaced rows, about `SAMPLE` pixels in all.

    All rows of a smaller image are taken. Chunked files are sampled in a few runs of neighbouring
    rows.
    """
    pieces = blocks_of_rows(image, bands)
    wanted = max(1, SAMPLE // image.width)
    if wanted >= image.height:
        yield from pieces
        return
    if isinstance(image.array, LazyArray):
        height = max(1, wanted // len(pieces))
        for piece in pieces:
            middle = (piece.start + piece.stop - height) // 2
            yield slice(
                max(middle, piece.start), min(max(middle, piece.start) + height, piece.stop)
            )
        return
    step = math.ceil(image.height / wanted)
    height = max(1, pieces[0].stop) * step
    for top in range(step // 2, image.height, height):
        yield slice(top, min(top + height, image.height), step)


def read_band(image: Image, band: int, rows: slice) -> NDArray[Any]:
    """Read some rows of one band (rows, X) in native byte order.

    The file's "no data" value becomes NaN.
    """
    picks = _picks(image, band, rows)
    values = np.asarray(image.array[picks])
    rest = [axis for axis in image.axes if axis not in "CS"]
    if rest.index("Y") > rest.index("X"):
        values = values.T
    values = values.astype(image.dtype, copy=False)
    return image.without_nodata(values, "YX", (rows, slice(None)))


def read_bands(image: Image, bands: NDArray[np.intp], rows: slice) -> NDArray[Any]:
    """Read some rows of several bands as floats (bands, pixels), NaN where there is no data."""
    narrow = image.dtype.itemsize <= 2 or image.dtype == np.float32
    wide = np.float32 if narrow else np.float64
    axes = image.axes
    if "C" not in axes or "S" in axes:
        parts = [read_band(image, int(band), rows).ravel() for band in bands]
        return np.stack(parts).astype(wide)
    first, last = int(bands.min()), int(bands.max()) + 1
    values = np.asarray(image.array[_picks(image, slice(first, last), rows)])
    values = values.transpose([axes.index(axis) for axis in "CYX"])
    if len(bands) < last - first:
        values = values[bands - first]
    values = image.without_nodata(values, "CYX", (slice(None), rows, slice(None)))
    return values.reshape(len(bands), -1).astype(wide)


def _picks(image: Image, band: int | slice, rows: slice) -> tuple[Any, ...]:
    samples = image.array.shape[image.axes.index("S")] if "S" in image.axes else 1
    picks: list[Any] = []
    for axis in image.axes:
        if axis == "Y":
            picks.append(rows)
        elif axis == "C":
            picks.append(band if isinstance(band, slice) else band // samples)
        elif axis == "S":
            assert isinstance(band, int)
            picks.append(band % samples)
        else:
            picks.append(slice(None))
    return tuple(picks)
