"""Read parts of compressed or scattered TIFF pages: only the tiles and strips needed."""

from __future__ import annotations

import itertools
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.handle import Handle
from anymask.images.lazy import Box
from anymask.images.memory import check_fits


def choose_series(
    tiff: tifffile.TiffFile, series: int, page: int | None, level: int
) -> tifffile.TiffPageSeries:
    """Return a level of a series of pages, or a page as a series of its own."""
    if page is None:
        return tiff.series[series].levels[level]
    one = tiff.pages[page]
    return tifffile.TiffPageSeries([one], one.shape, one.dtype, one.axes, parent=tiff)


class TiffPages:
    """Reads boxes of a series; the file is opened on the first read.

    Parameters
    ----------
    path
        The file.
    series
        The series, from a file that may have been closed.
    number, page, level
        Arguments of `choose_series` to find it again.

    Raises
    ------
    ImageError
        If a single strip or tile does not fit into memory.

    Attributes
    ----------
    chunks
        Length of a tile or strip along each axis of the series.
    """

    def __init__(
        self,
        path: Path,
        series: tifffile.TiffPageSeries,
        number: int,
        page: int | None,
        level: int,
    ) -> None:
        key = series.keyframe
        self.path = path
        self._where = (number, page, level)
        self._handle = Handle(partial(tifffile.TiffFile, path))
        self._leading = series.shape[: len(series.shape) - len(key.shape)]
        # The page's axes within tifffile's five: separate sample, depth, row, column, sample.
        places = {"S": 0 if _is_planar(key) else 4, "Z": 1, "Y": 2, "X": 3}
        self._places = [places[axis] for axis in key.axes]
        self._simple = (
            series.transform is None
            and series.shape[len(self._leading) :] == key.shape
            and len(series.pages) == math.prod(self._leading)
        )
        segment = _segment_shape(key) if self._simple else series.shape
        self.chunks = tuple(series.shape)
        if self._simple:
            inner = (1, *_segment_shape(key))
            self.chunks = (*[1] * len(self._leading), *(inner[place] for place in self._places))
        itemsize = np.dtype(series.dtype).itemsize
        check_fits(segment, itemsize, f"A strip of {path}", "save it with smaller strips or tiles")

    def read(self, box: Box) -> NDArray[Any]:
        """Read the values in a box, which has one slice per axis of the series."""
        with self._handle.use() as tiff:
            series = choose_series(tiff, *self._where)
            if not self._simple:
                return series.asarray()[box]
            split = len(self._leading)
            lengths = [len(range(s.start, s.stop, s.step)) for s in box]
            out = np.empty(lengths, series.dtype)
            inner = [slice(0, 1, 1)] * 5
            for place, wanted in zip(self._places, box[split:], strict=True):
                inner[place] = wanted
            numbers = [range(s.start, s.stop, s.step) for s in box[:split]]
            for position in np.ndindex(*lengths[:split]):
                index = [axis[i] for axis, i in zip(numbers, position, strict=True)]
                flat = int(np.ravel_multi_index(index, self._leading)) if split else 0
                page = series.pages[flat]
                if page is None:
                    raise ImageError(
                        f"{self.path} lacks plane {flat}; one of its files is missing, so copy all."
                    )
                values = _read_page(page, tuple(inner))
                out[position] = values.reshape(lengths[split:])
            return out


def _is_planar(key: tifffile.TiffPage) -> bool:
    return key.planarconfig == tifffile.PLANARCONFIG.SEPARATE and key.samplesperpixel > 1


def _segment_shape(key: tifffile.TiffPage) -> tuple[int, int, int, int]:
    """Depth, rows, columns and samples per tile or strip."""
    samples = 1 if _is_planar(key) else key.samplesperpixel
    if key.is_tiled:
        return max(1, key.tiledepth), key.tilelength, key.tilewidth, samples
    return 1, min(key.rowsperstrip, key.imagelength), key.imagewidth, samples


def _read_page(page: Any, box: Box) -> NDArray[Any]:
    """Values of a page, which may be in another file of the series."""
    file = page.parent.filehandle
    if not file.closed:
        return _decode(page, file, box)
    file.open()
    try:
        return _decode(page, file, box)
    finally:
        file.close()


def _decode(page: Any, file: Any, box: Box) -> NDArray[Any]:
    """Decode the segments that overlap a box (separate sample, depth, row, column, sample)."""
    key = page.keyframe
    out = np.full([len(range(s.start, s.stop, s.step)) for s in box], key.nodata, key.dtype)
    segment = _segment_shape(key)
    grid = (key.shaped[0], *(math.ceil(key.shaped[i + 1] / segment[i]) for i in range(3)))
    touched = [range(box[0].start, box[0].stop, box[0].step)]
    for axis in range(3):
        wanted, length = box[axis + 1], segment[axis]
        touched.append(range(wanted.start // length, (wanted.stop - 1) // length + 1))
    options: dict[str, Any] = {}
    if key.compression in (6, 7, 34892, 33007):  # JPEG, whose tables may be stored separately
        options = {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader}
    for place in itertools.product(*touched):
        index = int(np.ravel_multi_index(place, grid))
        if index >= min(len(page.dataoffsets), len(page.databytecounts)):
            raise ValueError("it lists fewer tiles or strips than it must have")
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        if count == 0:  # a sparse file leaves out empty segments
            continue
        file.seek(offset)
        data = file.read(count)
        if len(data) < count:
            raise ValueError(f"it ends {count - len(data)} bytes too early")
        values, position, _ = key.decode(data, index, **options)
        if values is None:
            continue
        _copy(out, box, values[np.newaxis], position)
    return out


def _copy(out: NDArray[Any], box: Box, values: NDArray[Any], begin: tuple[int, ...]) -> None:
    """Copy the overlap of a box and a segment that begins at ``begin`` into ``out``."""
    target, source = [], []
    for wanted, first, length in zip(box, begin, values.shape, strict=True):
        skipped = max(0, -((wanted.start - first) // wanted.step))
        start = wanted.start + skipped * wanted.step
        stop = min(wanted.stop, first + length)
        count = len(range(start, stop, wanted.step))
        target.append(slice(skipped, skipped + count))
        source.append(slice(start - first, stop - first, wanted.step))
    out[tuple(target)] = values[tuple(source)]
