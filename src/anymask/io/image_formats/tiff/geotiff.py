"""Read the geo-reference of a TIFF, and GDAL's metadata of bands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from anymask.images.geotiff_tags import (
    ASCII,
    DIRECTORY,
    DOUBLES,
    GEOGRAPHIC,
    PROJECTED,
    USER_DEFINED,
    WKT,
)
from anymask.images.image import Image, Transform
from anymask.images.nodata import parse_nodata
from anymask.images.place import pixel_size_of, unit_of_wkt
from anymask.images.units import wavelengths_in_nm
from anymask.notices import tell

_PIXEL_IS_POINT = 2
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
    keys = {code: key.tags.valueof(code) for code in (DIRECTORY, DOUBLES, ASCII)}
    geo["geokeys"] = {code: value for code, value in keys.items() if value is not None}
    if transform is not None:
        geo["transform"] = transform
    crs = _crs(tags)
    if crs is not None:
        geo["crs"] = crs
    size = None if transform is None else pixel_size_of(transform)
    return replace(image, geo=geo, pixel_size=size, unit=_unit(tags) if size else None)


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
        PROJECTED: ("ProjectedCSTypeGeoKey", "ProjectedCRSGeoKey"),
        GEOGRAPHIC: ("GeographicTypeGeoKey", "GeodeticCRSGeoKey"),
    }.get(_number(tags.get("GTModelTypeGeoKey")), ())
    for name in names:
        code = _number(tags.get(name))
        if 0 < code < USER_DEFINED:
            return f"EPSG:{code}"
    return _wkt(tags)


def _wkt(tags: Mapping[str, Any]) -> str | None:
    """A reference system without a code, as ArcGIS and GDAL write it."""
    for name in ("PCSCitationGeoKey", "ProjectedCitationGeoKey", "GTCitationGeoKey"):
        _, found, wkt = str(tags.get(name) or "").partition(WKT)
        if found:
            return wkt.strip("|\0 ")
    return None


def _unit(tags: Mapping[str, Any]) -> str | None:
    model = _number(tags.get("GTModelTypeGeoKey"))
    if model == GEOGRAPHIC:
        return "degree"
    linear = _number(tags.get("ProjLinearUnitsGeoKey"))
    if model == PROJECTED:
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
