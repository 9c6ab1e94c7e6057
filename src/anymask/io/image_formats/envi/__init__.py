"""ENVI: a cube in two files, a header and a data file.

`files.py` finds one from the other, `header.py` parses the header and `esri.py` that of ESRI's BIL,
BIP and BSQ files, `band_lists.py` reads its lists, `cube.py` maps the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anymask.images.image import Image
from anymask.io.image_formats.envi.files import (
    DATA_SUFFIXES,
    HEADER_SUFFIX,
    data_of,
    header_of,
    is_data_file,
    is_header,
)
from anymask.io.registry import ImageFormat


def _read(path: Path, **options: Any) -> Image:
    from anymask.io.image_formats.envi.cube import read

    return read(path, **options)


def _sniff(path: Path) -> bool:
    """Whether a file belongs to an ENVI pair whose header exists."""
    if path.suffix.lower() == HEADER_SUFFIX:  # other programs use this suffix too
        return is_header(path) and bool(data_of(path))
    return is_data_file(path)


def _files(path: Path) -> list[Path]:
    """Header and data file; the header is the main file."""
    if path.suffix.lower() == HEADER_SUFFIX:
        return [path, *data_of(path)]
    header = header_of(path)
    return [path] if header is None else [header, path]


FORMAT = ImageFormat(
    name="ENVI",
    suffixes=(HEADER_SUFFIX, *DATA_SUFFIXES),
    read=_read,
    options=frozenset({"header"}),
    sniff=_sniff,
    ambiguous=True,
    files=_files,
    rank=40,
)
