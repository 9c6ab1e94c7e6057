"""World files: the place of an image on a map, in a small text file beside it.

``a.jgw``, ``a.jpgw`` or ``a.wld`` beside ``a.jpg`` has six numbers, one a line: x by column, y by
column, x by row, y by row, and x and y of the centre of the upper left pixel. The reference system
is in ``a.prj`` as WKT, or in GDAL's ``a.jpg.aux.xml``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from anymask.errors import ImageError
from anymask.images.image import Image, Transform
from anymask.images.place import pixel_size_of, unit_of_wkt
from anymask.io.guards import read_xml
from anymask.io.image_formats.photo import orientation_of
from anymask.notices import tell

_WKT = re.compile(r"(PROJ|GEOG|GEOD|COMPD|BOUND)(CS|CRS)\s*\[", re.IGNORECASE)
_MOST_BYTES = 100_000


def with_world_file(image: Image, path: Path) -> Image:
    """Add the geo-reference in the files beside an image that has none itself.

    Parameters
    ----------
    image : Image
    path : Path
        Its file.
    """
    if (image.geo or {}).get("transform") or not path.is_file():
        return image
    place = next(filter(None, map(_transform_in, _names(path))), None)
    if place is None:
        return image
    file, transform = place
    if orientation_of(path) != 1:
        tell(f"{file} is not used, because {path} is stored turned or mirrored; save it upright.")
        return image
    geo: dict[str, Any] = {**(image.geo or {}), "transform": transform}
    wkt = projection_beside(path)
    if wkt is None:
        tell(f"{path} lies on a map, but its reference system is unknown: there is no .prj file.")
        return replace(image, geo=geo)
    unit = unit_of_wkt(wkt)
    geo["crs"] = _named(wkt)
    return replace(image, geo=geo, pixel_size=pixel_size_of(transform) if unit else None, unit=unit)


def _named(wkt: str) -> str:
    """The EPSG code of a reference system, if pyproj is installed and knows it; else its WKT."""
    try:
        import pyproj

        code = pyproj.CRS.from_wkt(wkt).to_epsg()
    except Exception:  # not installed, or a system that it cannot parse
        code = None
    return wkt if code is None else f"EPSG:{code}"


def projection_beside(path: Path) -> str | None:
    """The reference system in the ``.prj`` or ``.aux.xml`` beside a file, in WKT."""
    for other in (path.with_suffix(".prj"), path.with_suffix(".PRJ")):
        text = _text_of(other)
        if text is not None and _WKT.match(text):
            return text
    other = path.with_name(f"{path.name}.aux.xml")
    try:
        text = read_xml(other).findtext("SRS") if _text_of(other) else None
    except ImageError:
        return None
    return text.strip() if text and _WKT.match(text.strip()) else None


def _names(path: Path) -> Iterator[Path]:
    """Names of world files in the order in which GDAL looks for them."""
    letters = path.suffix[1:]
    if len(letters) > 1:
        for suffix in (f".{letters[0]}{letters[-1]}w", f".{letters}w", ".wld"):
            yield path.with_suffix(suffix)
            yield path.with_suffix(suffix.upper())


def _transform_in(file: Path) -> tuple[Path, Transform] | None:
    text = _text_of(file)
    if text is None:
        return None
    try:
        numbers = [float(word) for word in text.replace(",", ".").split()]
    except ValueError:
        numbers = []
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
        tell(f"{file} is not a world file, which has six numbers, and is not used.")
        return None
    a, d, b, e, x, y = numbers
    if a * e == b * d:
        tell(f"{file} gives pixels no area on the map, and is not used.")
        return None
    return file, (x - (a + b) / 2, a, b, y - (d + e) / 2, d, e)


def _text_of(path: Path) -> str | None:
    """The text of a small file; None if there is none."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        return path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return None
