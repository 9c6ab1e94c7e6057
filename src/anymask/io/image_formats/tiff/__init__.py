"""TIFF and BigTIFF with OME, ImageJ and GeoTIFF metadata.

`series.py` opens a series of pages, `pages.py` reads parts of large pages, and `metadata.py` and
`geotiff.py` interpret the tags.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anymask.images.image import Image
from anymask.io.registry import ImageFormat


def _read(path: Path, **options: Any) -> Image:
    from anymask.io.image_formats.tiff.series import read

    return read(path, **options)


FORMAT = ImageFormat(
    name="TIFF",
    suffixes=(".tif", ".tiff", ".btf", ".tf8"),
    read=_read,
    options=frozenset({"series", "page", "level", "axes"}),
    rank=20,
)
