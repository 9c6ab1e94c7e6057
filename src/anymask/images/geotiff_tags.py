"""The place of an image on a map, as the tags of a GeoTIFF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anymask.images.place import Transform

GEOGRAPHIC, PROJECTED = 2, 1
USER_DEFINED = 32767
# Where the keys are stored: the directory, floating-point numbers, and text.
DIRECTORY, DOUBLES, ASCII = 34735, 34736, 34737
# What ArcGIS and GDAL write before a reference system without a code, in user-defined models.
WKT = "ESRI PE String = "
_PIXEL_IS_AREA = 1
_RASTER_TYPE = 1025


def geo_tags(
    transform: Transform | None,
    crs: str | None = None,
    unit: str | None = None,
    geokeys: Mapping[int, Any] | None = None,
) -> list[tuple[int, str, int, Any, bool]]:
    """GeoTIFF tags for `tifffile.imwrite`; an empty list if there is no transform.

    Parameters
    ----------
    transform
        As in `Image.geo`.
    crs
        For example "EPSG:32632", or WKT, which is written as ArcGIS does.
    unit
        Unit of the coordinates; "degree" for geographic ones.
    geokeys
        The GeoKeys of the image by tag, as in ``Image.geo["geokeys"]``. They are written as they
        are in place of `crs`, so that systems without a code are kept.

    Examples
    --------
    >>> [code for code, *_ in geo_tags((5e5, 0.5, 0.0, 5e6, 0.0, -0.5), "EPSG:32632", "m")]
    [33550, 33922, 34735]
    """
    if transform is None:
        return []
    x, a, b, y, d, e = transform
    key_tags = _same_keys(geokeys) if geokeys and DIRECTORY in geokeys else _key_tags(crs, unit)
    if b == d == 0 and e < 0 < a:  # more programs read these tags
        place_tags = [
            (33550, "d", 3, (a, -e, 0.0), True),
            (33922, "d", 6, (0.0, 0.0, 0.0, x, y, 0.0), True),
        ]
    else:
        matrix = (a, b, 0.0, x, d, e, 0.0, y, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
        place_tags = [(34264, "d", 16, matrix, True)]
    return [*place_tags, *key_tags]


def _key_tags(crs: str | None, unit: str | None) -> list[tuple[int, str, int, Any, bool]]:
    """GeoKeys for a reference system."""
    crs, text = crs or "", ""
    code = crs.removeprefix("EPSG:") if crs.startswith("EPSG:") else ""
    # Pixels are areas: coordinates refer to their corners.
    keys = [(_RASTER_TYPE, 0, 1, _PIXEL_IS_AREA)]
    if code.isdecimal() and int(code) < USER_DEFINED:
        model, place = (GEOGRAPHIC, 2048) if unit == "degree" else (PROJECTED, 3072)
        keys = [(1024, 0, 1, model), *keys, (place, 0, 1, int(code))]
    elif crs and not code:
        text = f"{WKT}{crs}|"
        keys = [(1024, 0, 1, USER_DEFINED), *keys, (3073, ASCII, len(text), 0)]
    numbers = (1, 1, 0, len(keys), *(number for key in keys for number in key))
    tags: list[tuple[int, str, int, Any, bool]] = [(DIRECTORY, "H", len(numbers), numbers, True)]
    return tags + ([(ASCII, "s", 0, text, True)] if text else [])


def _same_keys(geokeys: Mapping[int, Any]) -> list[tuple[int, str, int, Any, bool]]:
    """The keys of an image, but for the raster type: our coordinates refer to corners."""
    directory = [int(number) for number in geokeys[DIRECTORY]]
    for start in range(4, len(directory) - 3, 4):
        if directory[start] == _RASTER_TYPE:
            directory[start + 3] = _PIXEL_IS_AREA
    tags: list[tuple[int, str, int, Any, bool]] = [
        (DIRECTORY, "H", len(directory), tuple(directory), True)
    ]
    if DOUBLES in geokeys:
        numbers = np.atleast_1d(geokeys[DOUBLES]).astype(float).tolist()
        tags.append((DOUBLES, "d", len(numbers), tuple(numbers), True))
    if ASCII in geokeys:
        tags.append((ASCII, "s", 0, str(geokeys[ASCII]), True))
    return tags
