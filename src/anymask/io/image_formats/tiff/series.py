"""TIFF files, read by tifffile: in memory if small, otherwise memory-mapped or tile by tile."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.chunks import chunked_array
from anymask.images.image import Image, take
from anymask.images.lazy import Box, LazyArray
from anymask.images.validity import not_zero
from anymask.io.arrays import (
    axes_for,
    check_numbers,
    listed,
    name_of,
    upright,
    whole_number,
)
from anymask.io.image_formats import photo
from anymask.io.image_formats.tiff.masks import ALPHA, alpha_of, mask_page
from anymask.io.image_formats.tiff.metadata import describe
from anymask.io.image_formats.tiff.pages import TiffPages, choose_series

# Unless the application handles logging, tifffile's log messages on damage would go to stderr in
# addition to the error raised here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

EAGER_BYTES = 64 << 20
"""Arrays up to this size are read at once, so that their file need not stay open."""

_PHOTOMETRIC = tifffile.PHOTOMETRIC
# Colour models whose samples can be shown directly.
_PLAIN = (_PHOTOMETRIC.MINISBLACK, _PHOTOMETRIC.MINISWHITE, _PHOTOMETRIC.RGB, _PHOTOMETRIC.YCBCR)
_RGB = (_PHOTOMETRIC.RGB, _PHOTOMETRIC.YCBCR)
_REDUCED_OR_MASK = 1 | 4  # values of the tag NewSubfileType
# Files of no particular program.
_PLAIN_KINDS = ("generic", "uniform", "shaped", "imagej")
_ASIDE = re.compile("label|macro|thumb|overview|preview", re.IGNORECASE)


def read(
    path: Path,
    *,
    series: int | None = None,
    page: int | None = None,
    level: int | None = None,
    axes: str | None = None,
) -> Image:
    """Open one series of pages, or one page.

    A stack of pages has the axis Z unless the file says otherwise. Bands other than red, green,
    blue and alpha are channels. Palettes, CMYK and similar colour models become RGB, zero-is-white
    images are inverted, and the orientation is applied.

    Parameters
    ----------
    path
        The file.
    series
        Which of several series; a series has pages of one size.
    page
        A single page, counted over the whole file.
    level
        Which level of a pyramid; 0, the default, is the full size.
    axes
        The axes, which override those in the file.

    Raises
    ------
    ImageError
        If the file is damaged, has no such series, page or level, or has several images and none
        was chosen.
    """
    with _complaints() as complaints, tifffile.TiffFile(path) as tiff:
        number = _which_series(path, tiff, series, page)
        if page is None and any("invalid page offset" in text for text in complaints):
            raise ImageError(
                f"{path} lists pages beyond its end, so it seems to be cut off; copy it again, or "
                "read one of the remaining pages with page=0."
            )
        if page is not None:
            page = whole_number(page, "page", len(tiff.pages), path)
        full = choose_series(tiff, number, page, 0)
        depth = 0 if level is None else whole_number(level, "level", len(full.levels), path)
        chosen = full.levels[depth]
        key = chosen.keyframe
        if 0 in chosen.shape:
            raise ImageError(f"{path} is empty (shape {chosen.shape}); it has no pixels.")
        shown = _shown_by_pillow(path, tiff, chosen)
        if shown is None:
            check_numbers(chosen.dtype, path)
            array = _open(path, chosen, number, page, depth)
            array, letters = _arrange(path, array, chosen, axes)
        else:
            array, letters = shown, "YX" if shown.ndim == 2 else "YXS"
        image = Image(
            array,
            letters,
            path=path,
            name=name_of(path),
            metadata={
                "format": "BigTIFF" if tiff.is_bigtiff else "TIFF",
                "series": number,
                "level": depth,
                "levels": len(full.levels),
            },
        )
        image = _named_samples(image, key)
        mask = mask_page(tiff, chosen)
        if mask is None:
            valid = alpha_of(image, key)
        else:
            one = choose_series(tiff, 0, mask, 0)
            valid = not_zero(upright(_open(path, one, 0, mask, 0), _orientation(key)), str(path))
        image = replace(image, valid=valid)
        alone = page is None or len(tiff.series) == 1
        return describe(
            image, tiff, full, number if alone else None, turned=_orientation(key) in (5, 6, 7, 8)
        )


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect tifffile's error messages; it silently skips pages that it cannot find."""
    found: list[str] = []
    thread = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                found.append(record.getMessage())

    listener, logger = Listener(logging.ERROR), logging.getLogger("tifffile")
    logger.addHandler(listener)
    try:
        yield found
    finally:
        logger.removeHandler(listener)


def _which_series(path: Path, tiff: tifffile.TiffFile, series: int | None, page: int | None) -> int:
    if page is not None and series is not None:
        raise ImageError("Give page= or series=, not both; pages count over the whole file.")
    found = tiff.series
    if not found:
        raise ImageError(f"{path} has no image in it; copy or save it again.")
    if series is not None:
        return whole_number(series, "series", len(found), path)
    if page is None and any(_is_rival(other, found[0]) for other in found[1:]):
        shapes = {f"{i} {s.name}".strip() + f" {s.dtype}": s.shape for i, s in enumerate(found)}
        raise ImageError(
            f"{path} has {len(found)} images; choose one with series=: {listed(shapes)}."
        )
    return 0


def _is_rival(other: tifffile.TiffPageSeries, first: tifffile.TiffPageSeries) -> bool:
    """Whether a series is an image in its own right, and no thumbnail, mask or label of the first.

    Programs mark such pages, or at least give them the kind and the shape of the image they are a
    small copy of. Scanners of slides name them.
    """
    if other.keyframe.subfiletype & _REDUCED_OR_MASK:
        return False
    height, width = _sides(other)
    full_height, full_width = _sides(first)
    if height * width >= full_height * full_width:
        return True
    if first.kind not in _PLAIN_KINDS:
        return first.kind == "ome" and not _ASIDE.search(other.name)
    same_kind = (other.keyframe.dtype, other.keyframe.samplesperpixel, len(other.pages)) == (
        first.keyframe.dtype, first.keyframe.samplesperpixel, len(first.pages)
    )  # fmt: skip
    # A copy's sides are rounded, up or down.
    same_shape = abs(height * full_width - width * full_height) <= max(full_width, full_height)
    return not (same_kind and same_shape)


def _sides(series: tifffile.TiffPageSeries) -> tuple[int, int]:
    return series.keyframe.imagelength, series.keyframe.imagewidth


def _shown_by_pillow(
    path: Path, tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries
) -> NDArray[Any] | None:
    """A single image whose colour model must be converted; None for other files."""
    key = series.keyframe
    if len(series.pages) != 1 or key.offset != tiff.pages.first.offset or tiff.is_imagej:
        return None
    plain = key.photometric in _PLAIN and not 1 < key.bitspersample < 8
    if plain and not _is_subsampled(key):
        return None
    if key.bitspersample > 8:
        return None
    photo.check_pixels(path, key.imagewidth, key.imagelength)
    return photo.read_with_pillow(path)[0]


def _is_subsampled(key: tifffile.TiffPage) -> bool:
    """Whether chroma is subsampled without JPEG, which tifffile does not support."""
    return key.photometric == _PHOTOMETRIC.YCBCR and key.compression not in (6, 7, 34892, 33007)


def _open(
    path: Path,
    series: tifffile.TiffPageSeries,
    number: int,
    page: int | None,
    level: int,
) -> Any:
    """The array of a series: in memory, memory-mapped, or lazy."""
    shape, dtype = series.shape, np.dtype(series.dtype)
    size = math.prod(shape) * dtype.itemsize
    if size <= EAGER_BYTES:
        if not series.is_multifile:
            _check_complete(path, series)
        return series.asarray()
    if not series.is_multifile and series.dataoffset is not None:
        byteorder = series.keyframe.parent.byteorder
        return np.memmap(path, dtype.newbyteorder(byteorder), "r", series.dataoffset, shape)
    pages = TiffPages(path, series, number, page, level)
    return chunked_array(pages.read, shape, dtype, str(path), pages.chunks)


def _check_complete(path: Path, series: tifffile.TiffPageSeries) -> None:
    """Refuse a truncated file; some decoders fill missing parts with gray."""
    size = path.stat().st_size
    for page in series.pages:
        if page is None:
            raise ValueError("a page is missing")
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
        if end > size:
            raise ValueError(f"it ends {end - size} bytes too early")


def _arrange(
    path: Path, array: Any, series: tifffile.TiffPageSeries, axes: str | None
) -> tuple[Any, str]:
    """Arrange an array upright, with colour samples last and zero as black; and name its axes."""
    key = series.keyframe
    letters = axes_for(array.shape, array.dtype, axes, path) if axes else _letters(path, series)
    if "?" in letters:  # an axis of length 1 without a letter
        array = take(array, tuple(0 if letter == "?" else slice(None) for letter in letters))
        letters = letters.replace("?", "")
    if key.photometric == _PHOTOMETRIC.MINISWHITE:
        function = np.negative if array.dtype.kind == "f" else np.invert
        array = (
            _as_lazy(array, path).map(function, array.dtype)
            if array.nbytes > EAGER_BYTES
            else function(array)
        )
    orientation = _orientation(key)
    if orientation != 1:
        order = [letters.index(axis) for axis in "YX"]
        order += [i for i in range(len(letters)) if i not in order]
        back = [order.index(i) for i in range(len(letters))]
        array = upright(array.transpose(order), orientation).transpose(back)
    if "S" in letters[:-1]:
        order = [i for i, letter in enumerate(letters) if letter != "S"] + [letters.index("S")]
        array, letters = array.transpose(order), "".join(letters[i] for i in order)
    return array, letters


def _as_lazy(array: Any, path: Path) -> LazyArray:
    if isinstance(array, LazyArray):
        return array
    return LazyArray(partial(_part, array), array.shape, array.dtype, str(path))


def _part(array: NDArray[Any], box: Box) -> NDArray[Any]:
    return array[box]


def _letters(path: Path, series: tifffile.TiffPageSeries) -> str:
    """Convert tifffile's axis letters to ours; "?" marks an axis of length 1 without one."""
    letters = list(series.axes)
    if "S" in letters and not _is_colour(series):
        letters[letters.index("S")] = "C" if "C" not in letters else "S"
    free = [letter for letter in "ZTC" if letter not in letters]
    for position in reversed(range(len(letters))):
        if letters[position] in "TZCYXS":
            continue
        if series.shape[position] == 1:
            letters[position] = "?"
        elif free:
            letters[position] = free.pop(0)
        else:
            shape = "×".join(map(str, series.shape))
            raise ImageError(
                f"{path} has the axes {series.axes} of lengths {shape}; choose a page with page=."
            )
    if len(set(letters) - {"?"}) < len(letters) - letters.count("?"):
        # tifffile repeats a letter if an image is one pixel wide.
        return axes_for(series.shape, series.dtype, None, path)
    return "".join(letters)


def _is_colour(series: tifffile.TiffPageSeries) -> bool:
    """Whether the samples of a pixel are red, green, blue and optionally alpha."""
    key = series.keyframe
    samples = key.samplesperpixel
    return key.photometric in _RGB and (
        samples == 3 or (samples == 4 and tuple(key.extrasamples)[:1] in ((1,), (2,)))
    )


def _named_samples(image: Image, key: tifffile.TiffPage) -> Image:
    """Name red, green, blue and the bands after them; convert gray with alpha to RGBA."""
    extra = tuple(int(kind) for kind in key.extrasamples)
    if "C" not in image.axes or image.n_channels != key.samplesperpixel:
        return image
    gray = key.photometric in (_PHOTOMETRIC.MINISBLACK, _PHOTOMETRIC.MINISWHITE)
    if gray and image.n_channels == 2 and extra[:1] and extra[0] in ALPHA:
        if isinstance(image.array, np.ndarray) and image.axes == "YXC":
            return image.with_array(image.array[..., [0, 0, 0, 1]], "YXS")
        return replace(image, channel_names=("gray", "alpha"))
    if key.photometric in _RGB and image.n_channels > 3:
        others = tuple(
            "alpha" if kind in ALPHA and number == image.n_channels else f"band {number}"
            for number, kind in enumerate((*extra, *[0] * image.n_channels), start=4)
        )[: image.n_channels - 3]
        return replace(image, channel_names=("red", "green", "blue", *others))
    return image


def _orientation(key: tifffile.TiffPage) -> int:
    return int(key.tags.valueof("Orientation", 1))
