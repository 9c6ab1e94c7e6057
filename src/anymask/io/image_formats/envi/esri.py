"""ESRI's headers of BIL, BIP and BSQ files, which have the same names as ENVI's.

One keyword and its value a line. Fields are returned as ENVI has them, so that everything after the
header is the same.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from anymask.errors import ImageError
from anymask.images.place import unit_of_wkt
from anymask.io.world_files import projection_beside

_BEGINNING = 1 << 16
_NEEDED = ("NROWS", "NCOLS")
_TYPICAL = ("NBANDS", "NBITS", "LAYOUT", "BYTEORDER", "PIXELTYPE", "BANDROWBYTES", "TOTALROWBYTES")
# Of ESRI's other headers, of grids in text and of floats, which have rows and columns too.
_OTHERS = ("CELLSIZE", "XLLCORNER", "XLLCENTER")
# ENVI's data types by PIXELTYPE and NBITS.
_TYPES = {
    ("UNSIGNEDINT", 8): 1,
    ("UNSIGNEDINT", 16): 12,
    ("UNSIGNEDINT", 32): 13,
    ("SIGNEDINT", 16): 2,
    ("SIGNEDINT", 32): 3,
    ("FLOAT", 32): 4,
    ("FLOAT", 64): 5,
}


def is_esri_header(path: Path) -> bool:
    """Whether a file is an ESRI header of BIL, BIP or BSQ data."""
    fields = _fields(path)
    return (
        all(name in fields for name in _NEEDED)
        and any(name in fields for name in _TYPICAL)
        and not any(name in fields for name in _OTHERS)
    )


def read_esri_header(path: Path) -> dict[str, Any]:
    """Parse an ESRI header to the fields of ENVI.

    Raises
    ------
    ImageError
        If a number is missing or its type of pixels is not supported.
    """
    fields = _fields(path)
    samples, bands = _number(fields, "NCOLS", path), _number(fields, "NBANDS", path, 1)
    bits = _number(fields, "NBITS", path, 8)
    kind = fields.get("PIXELTYPE", "UNSIGNEDINT").upper()
    kind = {"SIGNEDINTEGER": "SIGNEDINT", "UNSIGNEDINTEGER": "UNSIGNEDINT"}.get(kind, kind)
    if (kind, bits) not in _TYPES:
        raise ImageError(
            f"{path} has pixels of {bits} bits ({kind}); anymask reads whole numbers of 8, 16 and "
            "32 bits and floats of 32 and 64."
        )
    layout = fields.get("LAYOUT", "BIL").lower()
    native = "I" if sys.byteorder == "little" else "M"
    order = fields.get("BYTEORDER", native).upper()[:1]
    row = samples * bits // 8
    band_row = _number(fields, "BANDROWBYTES", path, row)
    whole_row = row * bands if layout == "bip" else band_row * bands
    after_row = _number(fields, "TOTALROWBYTES", path, whole_row) - whole_row
    major, minor = {
        "bil": (after_row, band_row - row),
        "bip": (after_row, 0),
        "bsq": (_number(fields, "BANDGAPBYTES", path, 0), 0),
    }.get(layout, (0, 0))
    header: dict[str, Any] = {
        "lines": str(_number(fields, "NROWS", path)),
        "samples": str(samples),
        "bands": str(bands),
        "header offset": fields.get("SKIPBYTES", "0"),
        "data type": str(_TYPES[kind, bits]),
        "byte order": "1" if order == "M" else "0",
        "interleave": layout,
        "major frame offsets": ["0", str(major)],
        "minor frame offsets": ["0", str(minor)],
    }
    for name in ("NODATA", "NODATA_VALUE"):
        if name in fields:
            header["data ignore value"] = fields[name]
    return {**header, **_place(fields, path)}


def _fields(path: Path) -> dict[str, str]:
    """Values by keyword, in capitals; empty if it is not text of that kind."""
    try:
        with path.open("rb") as file:
            text = file.read(_BEGINNING).decode("ascii")
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.split(None, 1) for line in text.splitlines())
    return {pair[0].upper(): pair[1].strip() for pair in pairs if len(pair) == 2}


def _number(fields: dict[str, str], name: str, path: Path, default: int | None = None) -> int:
    text = fields.get(name)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        raise ImageError(f"{path} has {name} {text or 'missing'!r}; it must be a number.") from None


def _place(fields: dict[str, str], path: Path) -> dict[str, Any]:
    """Map info as ENVI has it: the centre of the upper left pixel, and the steps."""
    place = [fields.get(name) for name in ("ULXMAP", "ULYMAP", "XDIM", "YDIM")]
    if None in place:
        return {}
    wkt = projection_beside(path)
    info = ["Unknown", "1.5", "1.5", *map(str, place)]
    if wkt is None:
        return {"map info": info}
    unit = unit_of_wkt(wkt)
    if unit == "degree":
        info[0] = "Geographic Lat/Lon"
    elif unit is not None:
        info.append(f"units={unit}")
    return {"map info": info, "coordinate system string": wkt}
