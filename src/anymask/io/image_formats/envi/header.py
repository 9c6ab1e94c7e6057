"""Parse and check ENVI headers: layout of the data, bands, map."""

from __future__ import annotations

import locale
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from spectral.io import envi

from anymask.errors import ImageError
from anymask.images.image import Transform
from anymask.images.place import pixel_size_of
from anymask.images.units import unit_symbol
from anymask.io.image_formats.envi.band_lists import numbers_in
from anymask.io.image_formats.envi.esri import is_esri_header, read_esri_header
from anymask.io.image_formats.envi.files import is_envi_header, text_of
from anymask.notices import tell

Header = Mapping[str, Any]
"""Fields by lower-case name: text, or a list of texts for values in braces."""

INTERLEAVES = ("bsq", "bil", "bip")

# Physical value = gain × stored value + offset.
_GAINS = (
    *("data gain values", "data offset values"),
    *("data reflectance gain values", "data reflectance offset values"),
)

# The time that spectral's parser needs grows with the square of these.
_MOST_BYTES, _MOST_LINES = 4 << 20, 50_000


@dataclass(frozen=True)
class Layout:
    """The layout of the values in the data file."""

    lines: int
    samples: int
    bands: int
    dtype: np.dtype[Any]
    interleave: str
    offset: int
    major_gaps: tuple[int, int] = (0, 0)
    """Bytes before and after each band (bsq) or line (bil, bip)."""
    minor_gaps: tuple[int, int] = (0, 0)
    """Bytes before and after each line of a band (bsq, bil) or pixel (bip)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths in the order of the file: major frames, minor frames, values."""
        return {
            "bsq": (self.bands, self.lines, self.samples),
            "bil": (self.lines, self.bands, self.samples),
            "bip": (self.lines, self.samples, self.bands),
        }[self.interleave]

    @property
    def strides(self) -> tuple[int, int, int]:
        """Bytes from one of each to the next."""
        _, frames, values = self.shape
        minor = values * self.dtype.itemsize + sum(self.minor_gaps)
        return frames * minor + sum(self.major_gaps), minor, self.dtype.itemsize

    @property
    def first(self) -> int:
        """Position of the first value."""
        return self.offset + self.major_gaps[0] + self.minor_gaps[0]

    @property
    def nbytes(self) -> int:
        """Minimum size of the data file."""
        lengths = zip(self.shape, self.strides, strict=True)
        last = self.first + sum((length - 1) * stride for length, stride in lengths)
        return last + self.dtype.itemsize


def read_header(path: Path) -> dict[str, Any]:
    """Parse a header file.

    Raises
    ------
    ImageError
        If it is not an ENVI header, or damaged.
    """
    if is_esri_header(path):
        return read_esri_header(path)
    if not is_envi_header(path):
        raise ImageError(
            f"{path} is not an ENVI header (its first line is not ENVI); pass the right one with "
            "header=."
        )
    content = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
    if not content or content.count(b"\n") > _MOST_LINES:
        raise ImageError(f"{path} is too long for an ENVI header; pass the right one with header=.")
    text = text_of(content)
    # spectral reads files in the locale's encoding, so it gets a copy in that encoding.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "header.hdr")
        copy.write_text(text, locale.getpreferredencoding(False), "replace")
        try:
            return dict(envi.read_envi_header(str(copy)))
        except Exception as error:  # its own errors, and UnicodeError
            raise ImageError(
                f"{path} is a damaged ENVI header (a brace may be missing); correct or copy it "
                "again."
            ) from error


def layout_of(header: Header, path: Path) -> Layout:
    """Check the fields that describe the layout.

    Raises
    ------
    ImageError
        If a field is missing or invalid.
    """
    lines, samples, bands = (_whole(header, n, path, 1) for n in ("lines", "samples", "bands"))
    offset = _whole(header, "header offset", path, 0, default=0)
    code = str(_whole(header, "data type", path, 1))
    if code not in envi.envi_to_dtype:
        known = ", ".join(envi.envi_to_dtype)
        raise ImageError(f"{path} has the data type {code}; ENVI knows only {known}.")
    dtype = np.dtype(envi.envi_to_dtype[code])
    if "byte order" not in header and dtype.itemsize > 1:
        tell(f"{path} has no field 'byte order', so 0 (little-endian) is assumed.")
    order = _whole(header, "byte order", path, 0, default=0)
    if order > 1:
        raise ImageError(
            f"{path} has the byte order {order}; it must be 0 (little-endian) or 1 (big-endian)."
        )
    interleave = str(header.get("interleave", "")).strip().lower()
    if interleave not in INTERLEAVES:
        raise ImageError(
            f"{path} has the interleave {interleave or 'missing'!r}; it must be bsq, bil or bip."
        )
    if str(header.get("file compression", "0")).strip() not in ("", "0"):
        raise ImageError(f"{path} says that its data are compressed; save them uncompressed.")
    if "library" in str(header.get("file type", "")).lower():
        raise ImageError(f"{path} describes a spectral library, not an image; give an image.")
    _tell_of_gains(header, path)
    return Layout(
        lines,
        samples,
        bands,
        dtype.newbyteorder("<" if order == 0 else ">"),
        interleave,
        offset,
        _gaps(header, "major frame offsets", path),
        _gaps(header, "minor frame offsets", path),
    )


def _gaps(header: Header, name: str, path: Path) -> tuple[int, int]:
    """Bytes to skip before and after each frame."""
    if not header.get(name):
        return 0, 0
    gaps = numbers_in(header[name])
    if len(gaps) != 2 or not all(gap >= 0 and gap.is_integer() for gap in gaps):
        raise ImageError(f"{path} has {name} = {header[name]}; give two numbers of bytes.")
    return int(gaps[0]), int(gaps[1])


def _tell_of_gains(header: Header, path: Path) -> None:
    """Say that values are as stored, if the header says how to convert them."""
    for name in _GAINS:
        numbers = numbers_in(header.get(name))
        if any(number != ("gain" in name) for number in numbers):
            tell(
                f"{path} has {name!r} ({numbers[0]:g}, …), which are not applied: values are as "
                "stored."
            )


def _whole(header: Header, name: str, path: Path, least: int, default: int | None = None) -> int:
    text = header.get(name, default)
    if text is None:
        raise ImageError(f"{path} lacks the field {name!r}; add it to the header.")
    try:
        number = int(str(text).strip())
    except ValueError:
        number = least - 1
    if number < least:
        raise ImageError(
            f"{path} has {name} = {text!r}; it must be a whole number of at least {least}."
        )
    return number


def geo_of(header: Header) -> tuple[dict[str, Any] | None, tuple[float, float] | None, str | None]:
    """Geo-reference with transform and coordinate system, pixel size, and unit."""
    geo = {
        name: header[name]
        for name in ("map info", "projection info", "coordinate system string")
        if header.get(name)
    }
    transform = _transform(geo.get("map info"))
    if transform is not None and _is_map(geo):
        geo["transform"] = transform
    crs = _crs(geo)
    if crs is not None:
        geo["crs"] = crs
    if transform is not None and _is_map(geo):
        return geo, pixel_size_of(transform), _map_unit(geo["map info"])
    size, unit = _plain_size(header.get("pixel size"))
    return geo or None, size, unit


def _transform(info: Any) -> Transform | None:
    """The transform in ENVI's map info: a pixel (from 1, at its corner), its x and y, the steps."""
    if not isinstance(info, Sequence) or isinstance(info, str) or len(info) < 7:
        return None
    try:
        column, row, x, y, width, height = (float(item) for item in info[1:7])
        angle = math.radians(float(_named(info, "rotation") or 0))
    except ValueError:
        return None
    cos, sin = math.cos(angle), math.sin(angle)
    a, b, d, e = width * cos, width * sin, height * sin, -height * cos
    steps = (column - 1, row - 1)
    numbers = (x - steps[0] * a - steps[1] * b, a, b, y - steps[0] * d - steps[1] * e, d, e)
    return numbers if np.isfinite(numbers).all() and a * e != b * d else None


def _is_map(geo: Mapping[str, Any]) -> bool:
    """Whether map info is on a map: "Arbitrary" is what programs write that know of none."""
    named = geo["map info"][0].strip().lower() != "arbitrary"
    return named or bool(geo.get("coordinate system string"))


def _named(info: Sequence[str], name: str) -> str | None:
    """The value of an entry such as ``units=Meters``."""
    for item in info:
        key, _, value = str(item).partition("=")
        if value and key.strip().lower() == name:
            return value.strip()
    return None


def _map_unit(info: Sequence[str]) -> str:
    unit = _named(info, "units")
    if unit is not None:
        return unit_symbol(unit)
    return "degree" if info[0].lower().startswith("geographic") else "m"


def _crs(geo: Mapping[str, Any]) -> str | None:
    """EPSG code if map info is in WGS 84, otherwise the coordinate system as WKT if given."""
    info = geo.get("map info")
    if isinstance(info, list) and info and any("wgs" in str(i).lower() for i in info[7:]):
        kind = info[0].strip().lower()
        if kind.startswith("geographic"):
            return "EPSG:4326"
        if kind == "utm" and len(info) > 8 and info[7].strip().isdecimal():
            south = info[8].strip().lower().startswith("s")
            zone = int(info[7])
            if 1 <= zone <= 60:
                return f"EPSG:{(32700 if south else 32600) + zone}"
    text = geo.get("coordinate system string")
    if isinstance(text, list):
        text = ",".join(text)
    return text or None


def _plain_size(value: Any) -> tuple[tuple[float, float] | None, str | None]:
    """Pixel size (y, x) and unit from ENVI's ``pixel size = {x, y, units=…}``."""
    if not isinstance(value, list) or len(value) < 2:
        return None, None
    try:
        x, y = float(value[0]), float(value[1])
    except ValueError:
        return None, None
    unit = _named(value, "units")
    if not (0 < x < math.inf and 0 < y < math.inf):
        return None, None
    return (y, x), unit_symbol(unit) if unit else None
