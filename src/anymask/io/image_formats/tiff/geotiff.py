"""Read and write the geo-reference of a TIFF, and read GDAL's band metadata."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from anymask.images.image import Image, Transform
from anymask.images.nodata import parse_nodata
from anymask.images.place import pixel_size_of, unit_of_wkt
from anymask.images.units import wavelengths_in_nm
from anymask.notices import tell

_GEOGRAPHIC, _PROJECTED = 2, 1
_USER_DEFINED = 32767
_PIXEL_IS_AREA, _PIXEL_IS_POINT = 1, 2
# Where the keys are stored: the directory, floating-point numbers, and text.
_DIRECTORY, _DOUBLES, _ASCII = 34735, 34736, 34737
_RASTER_TYPE = 1025
# What ArcGIS and GDAL write before a reference system without a code, in user-defined models.
_WKT = "ESRI PE String = "
_LINEAR_UNITS = {9001: "m", 9002: "ft", 9003: "US ft", 9036: "km"}
_GDAL_METADATA, _GDAL_NODATA = 42112, 42113


def geo_reference(image: Image, key: tifffile.TiffPage) -> Image:
    """Add the GeoTIFF keys and tags, the affine transform, the EPSG code and the pixel size."""
    try:
        tags = key.geotiff_tags or {}
        transform = _transform(tags)
    except Exception:  # damaged keys may raise anything
        return image  # without its place on the map it is still an image
    if not tags:
        return image
    geo: dict[str, Any] = dict(tags)
    keys = {code: key.tags.valueof(code) for code in (_DIRECTORY, _DOUBLES, _ASCII)}
    geo["geokeys"] = {code: value for code, value in keys.items() if value is not None}
    if transform is not None:
        geo["transform"] = transform
    crs = _crs(tags)
    if crs is not None:
        geo["crs"] = crs
    size = None if transform is None else pixel_size_of(transform)
    return replace(image, geo=geo, pixel_size=size, unit=_unit(tags) if size else None)


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
    key_tags = _same_keys(geokeys) if geokeys and _DIRECTORY in geokeys else _key_tags(crs, unit)
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
    if code.isdecimal() and int(code) < _USER_DEFINED:
        model, place = (_GEOGRAPHIC, 2048) if unit == "degree" else (_PROJECTED, 3072)
        keys = [(1024, 0, 1, model), *keys, (place, 0, 1, int(code))]
    elif crs and not code:
        text = f"{_WKT}{crs}|"
        keys = [(1024, 0, 1, _USER_DEFINED), *keys, (3073, _ASCII, len(text), 0)]
    numbers = (1, 1, 0, len(keys), *(number for key in keys for number in key))
    tags: list[tuple[int, str, int, Any, bool]] = [(_DIRECTORY, "H", len(numbers), numbers, True)]
    return tags + ([(_ASCII, "s", 0, text, True)] if text else [])


def _same_keys(geokeys: Mapping[int, Any]) -> list[tuple[int, str, int, Any, bool]]:
    """The keys of an image, but for the raster type: our coordinates refer to corners."""
    directory = [int(number) for number in geokeys[_DIRECTORY]]
    for start in range(4, len(directory) - 3, 4):
        if directory[start] == _RASTER_TYPE:
            directory[start + 3] = _PIXEL_IS_AREA
    tags: list[tuple[int, str, int, Any, bool]] = [
        (_DIRECTORY, "H", len(directory), tuple(directory), True)
    ]
    if _DOUBLES in geokeys:
        numbers = np.atleast_1d(geokeys[_DOUBLES]).astype(float).tolist()
        tags.append((_DOUBLES, "d", len(numbers), tuple(numbers), True))
    if _ASCII in geokeys:
        tags.append((_ASCII, "s", 0, str(geokeys[_ASCII]), True))
    return tags


def _transform(tags: Mapping[str, Any]) -> Transform | None:
    matrix, scale = tags.get("ModelTransformation"), tags.get("ModelPixelScale")
    tie = tags.get("ModelTiepoint")
    if matrix is not None:
        (a, b, _, x), (d, e, _, y) = matrix[0], matrix[1]
    elif scale is not None and tie is not None and np.ndim(tie) == 1:
        (a, height), (b, d) = scale[:2], (0.0, 0.0)
        e = -height
        x, y = tie[3] - tie[0] * a, tie[4] - tie[1] * e
    else:
        return None  # only ground control points, or nothing
    if tags.get("GTRasterTypeGeoKey") == _PIXEL_IS_POINT:  # coordinates refer to pixel centres
        x, y = x - (a + b) / 2, y - (d + e) / 2
    numbers = tuple(float(number) for number in (x, a, b, y, d, e))
    return numbers if np.isfinite(numbers).all() else None  # type: ignore[return-value]


def _crs(tags: Mapping[str, Any]) -> str | None:
    names = {
        _PROJECTED: ("ProjectedCSTypeGeoKey", "ProjectedCRSGeoKey"),
        _GEOGRAPHIC: ("GeographicTypeGeoKey", "GeodeticCRSGeoKey"),
    }.get(_number(tags.get("GTModelTypeGeoKey")), ())
    for name in names:
        code = _number(tags.get(name))
        if 0 < code < _USER_DEFINED:
            return f"EPSG:{code}"
    return _wkt(tags)


def _wkt(tags: Mapping[str, Any]) -> str | None:
    """A reference system without a code, as ArcGIS and GDAL write it."""
    for name in ("PCSCitationGeoKey", "ProjectedCitationGeoKey", "GTCitationGeoKey"):
        _, found, wkt = str(tags.get(name) or "").partition(_WKT)
        if found:
            return wkt.strip("|\0 ")
    return None


def _unit(tags: Mapping[str, Any]) -> str | None:
    model = _number(tags.get("GTModelTypeGeoKey"))
    if model == _GEOGRAPHIC:
        return "degree"
    linear = _number(tags.get("ProjLinearUnitsGeoKey"))
    if model == _PROJECTED:
        return _LINEAR_UNITS.get(linear, "m" if linear == 0 else None)
    wkt = _wkt(tags)
    return None if wkt is None else unit_of_wkt(wkt)


def _number(value: Any) -> int:
    return int(value) if isinstance(value, (int, np.integer)) else 0


def with_gdal(image: Image, key: tifffile.TiffPage) -> Image:
    """Add the "no data" value, band names and wavelengths from GDAL's tags."""
    nodata = _as_read(parse_nodata(key.tags.valueof(_GDAL_NODATA)), key)
    if nodata is not None:
        image = replace(image, metadata={**image.metadata, "nodata": nodata})
    text = key.tags.valueof(_GDAL_METADATA)
    try:
        items = list(ElementTree.fromstring(str(text))) if text else []
    except ElementTree.ParseError:
        return image
    _tell_of_scales(items, image)
    if "C" not in image.axes:
        return image
    names = _by_band(items, ("description",), image.n_channels)
    if names is not None:
        image = replace(image, channel_names=tuple(names))
    waves = _by_band(items, ("wavelength", "wavelengths"), image.n_channels)
    units = _by_band(items, ("wavelength_unit", "wavelength_units"), image.n_channels)
    if waves is not None:
        try:
            nm = wavelengths_in_nm([float(wave) for wave in waves], units[0] if units else None)
        except ValueError:
            return image
        image = replace(image, wavelengths=nm)
    return image


def _tell_of_scales(items: Sequence[ElementTree.Element], image: Image) -> None:
    """Say that values are as stored, if the file says how to convert them."""
    for role, none in (("scale", 1.0), ("offset", 0.0)):
        for item in items:
            try:
                number = float(item.text or "")
            except ValueError:
                continue
            if item.get("role") == role and number != none:
                what = f"{image.path} has a {role} ({number:g})"
                tell(f"{what}, which is not applied: values are as stored.")
                break


def _as_read(nodata: float | None, key: tifffile.TiffPage) -> float | None:
    """The "no data" value as it is in the image, where zero is black; None if it is in none."""
    if nodata is None or not math.isfinite(nodata):
        return nodata
    if key.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        kind = np.dtype(key.dtype or np.uint8).kind
        white = {"u": 2**key.bitspersample - 1, "i": -1, "f": 0}.get(kind, 1)
        return white - nodata
    stored = key.photometric in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB)
    # Palettes and other colour models have become RGB, in which the value means something else.
    return nodata if stored and not 1 < key.bitspersample < 8 else None


def _by_band(
    items: Sequence[ElementTree.Element], names: Sequence[str], count: int
) -> list[str] | None:
    """The items with one of these names, by band; None unless every band has one."""
    found: dict[int, str] = {}
    for item in items:
        sample = item.get("sample", "")
        if item.get("name", "").lower() in names and sample.isdecimal() and item.text:
            found[int(sample)] = item.text
    return [found[i] for i in range(count)] if set(found) == set(range(count)) else None
