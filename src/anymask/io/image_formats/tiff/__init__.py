"""TIFF and BigTIFF with the metadata of OME, ImageJ and GeoTIFF.

`series.py` opens a series of pages, `pages.py` reads parts of large ones, `metadata.py` and
`geotiff.py` say what the tags mean.
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
