"""Which pixels of a TIFF hold data: its alpha channel, and masks as GDAL keeps them."""

from __future__ import annotations

from typing import Any

import tifffile

from anymask.images.image import Image, take
from anymask.images.validity import not_zero

ALPHA = (1, 2)
"""Values of the tag ExtraSamples; 0 means unspecified."""
_REDUCED, _MASK = 1, 4  # bits of the tag NewSubfileType


def mask_page(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> int | None:
    """Return the index of the page that says which pixels of an image hold data, if there is one.

    It follows the image, before the next one. Copies of reduced size have masks of theirs.
    """
    key = series.keyframe
    if len(series.pages) != 1 or not isinstance(key.index, int):
        return None
    level = key.subfiletype & _REDUCED
    for number in range(key.index + 1, len(tiff.pages)):
        page = tiff.pages[number].aspage()
        if not page.subfiletype & (_REDUCED | _MASK):
            return None
        size = page.imagelength, page.imagewidth
        if page.subfiletype == level | _MASK and size == (key.imagelength, key.imagewidth):
            return number
    return None


def alpha_of(image: Image, key: tifffile.TiffPage) -> Any | None:
    """Where the alpha channel of an image (H, W) is not 0, if it has one; lazy if the image is."""
    planes = [axis for axis in image.axes if axis not in "CSYX"]
    letter = next((axis for axis in "SC" if axis in image.axes), None)
    kinds = tuple(int(kind) for kind in key.extrasamples)
    if planes or letter is None or image.axes.count("C") + image.axes.count("S") != 1:
        return None
    if not kinds or kinds[-1] not in ALPHA:
        return None
    picks = tuple(-1 if axis == letter else slice(None) for axis in image.axes)
    values = take(image.array, picks)
    if image.axes.index("X") < image.axes.index("Y"):
        values = values.transpose([1, 0])
    return not_zero(values, str(image.path))
