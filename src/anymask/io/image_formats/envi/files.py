"""Find the two files of an ENVI pair, each from the name of the other."""

from __future__ import annotations

import codecs
from pathlib import Path

from anymask.io.image_formats.envi.esri import is_esri_header

HEADER_SUFFIX = ".hdr"
DATA_SUFFIXES = (".dat", ".raw", ".img", ".bil", ".bip", ".bsq")
"""Usual suffixes of the data file; it may have none."""

# How a header may begin, and its encoding.
_ENCODINGS = (
    (b"", "utf-8"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def header_of(path: Path) -> Path | None:
    """The header beside a data file: ``cube.hdr`` or ``cube.dat.hdr`` for ``cube.dat``."""
    names = [path.name + ".hdr", path.with_suffix(".hdr").name] if path.name else []
    return _beside(path, names)


def data_of(path: Path) -> list[Path]:
    """The files beside a header that could be its data file."""
    stem = path.name[: -len(path.suffix)]
    names = [stem, *(stem + suffix for suffix in DATA_SUFFIXES)]
    found = [_beside(path, [name]) for name in names]
    return [data for data in found if data is not None and data != path]


def is_data_file(path: Path) -> bool:
    """Whether a file is the data file of an ENVI header beside it."""
    header = header_of(path)
    return header is not None and is_header(header)


def _beside(path: Path, names: list[str]) -> Path | None:
    """The first of these names in the folder of ``path``, with upper- or lower-case suffix."""
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        for written in dict.fromkeys([name, f"{stem}{dot}{suffix.upper()}" if dot else name]):
            candidate = path.with_name(written)
            if candidate.is_file():
                return candidate
    return None


def is_header(path: Path) -> bool:
    """Whether a file begins like ENVI's header, or is ESRI's."""
    return is_envi_header(path) or is_esri_header(path)


def is_envi_header(path: Path) -> bool:
    """Whether a file begins like an ENVI header."""
    with path.open("rb") as file:
        start = file.read(16)
    return any(start.startswith(mark + "ENVI".encode(code)) for mark, code in _ENCODINGS)


def text_of(content: bytes) -> str:
    """Decode a header, which may be in UTF-8, UTF-16 or Latin-1."""
    for mark, code in _ENCODINGS[:0:-1]:
        if content.startswith(mark):
            return content[len(mark) :].decode(code, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
