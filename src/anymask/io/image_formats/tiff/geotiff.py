"""Read and write the geo-reference of a TIFF, and read GDAL's band metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from anymask.images.image import Image, Transform
from anymask.images.nodata import parse_nodata
from anymask.images.units import wavelengths_in_nm

_GEOGRAPHIC, _PROJECTED = 2, 1
_USER_DEFINED = 32767
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
    if transform is not None:
        geo["transform"] = transform
    crs = _crs(tags)
    if crs is not None:
        geo["crs"] = crs
    size = None if transform is None else pixel_size_of(transform)
    return replace(image, geo=geo, pixel_size=size, unit=_unit(tags) if size else None)


def pixel_size_of(transform: Transform) -> tuple[float, float]:
    """Height and width of a pixel on the ground, for any rotation of the grid.

    >>> pixel_size_of((500_000.0, 0.5, 0.0, 5_400_000.0, 0.0, -0.25))
    (0.25, 0.5)
    """
    _, a, b, _, d, e = transform
    return float(np.hypot(b, e)), float(np.hypot(a, d))


def geo_tags(
    transform: Transform | None, crs: str | None = None, unit: str | None = None
) -> list[tuple[int, str, int, Any, bool]]:
    """GeoTIFF tags for `tifffile.imwrite`; an empty list if there is no transform.

    Parameters
    ----------
    transform
        As in `Image.geo`.
    crs
        For example "EPSG:32632"; references without an EPSG code are left out.
    unit
        Unit of the coordinates; "degree" for geographic ones.

    Examples
    --------
    >>> [code for code, *_ in geo_tags((5e5, 0.5, 0.0, 5e6, 0.0, -0.5), "EPSG:32632", "m")]
    [33550, 33922, 34735]
    """
    if transform is None:
        return []
    x, a, b, y, d, e = transform
    keys = [(1025, 1)]  # pixels are areas; coordinates refer to their corners
    code = crs.removeprefix("EPSG:") if crs is not None and crs.startswith("EPSG:") else ""
    if code.isdecimal() and int(code) < _USER_DEFINED:
        model, place = (_GEOGRAPHIC, 2048) if unit == "degree" else (_PROJECTED, 3072)
        keys = [(1024, model), *keys, (place, int(code))]
    directory = [1, 1, 0, len(keys)]
    for key, value in keys:
        directory += [key, 0, 1, value]
    if b == d == 0 and e < 0 < a:  # more programs read these tags
        place_tags = [
            (33550, "d", 3, (a, -e, 0.0), True),
            (33922, "d", 6, (0.0, 0.0, 0.0, x, y, 0.0), True),
        ]
    else:
        matrix = (a, b, 0.0, x, d, e, 0.0, y, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
        place_tags = [(34264, "d", 16, matrix, True)]
    return [*place_tags, (34735, "H", len(directory), tuple(directory), True)]


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
    return None


def _unit(tags: Mapping[str, Any]) -> str | None:
    model = _number(tags.get("GTModelTypeGeoKey"))
    if model == _GEOGRAPHIC:
        return "degree"
    linear = _number(tags.get("ProjLinearUnitsGeoKey"))
    if model == _PROJECTED:
        return _LINEAR_UNITS.get(linear, "m" if linear == 0 else None)
    return None


def _number(value: Any) -> int:
    return int(value) if isinstance(value, (int, np.integer)) else 0


def with_gdal(image: Image, key: tifffile.TiffPage) -> Image:
    """Add the "no data" value, band names and wavelengths from GDAL's tags."""
    nodata = parse_nodata(key.tags.valueof(_GDAL_NODATA))
    if nodata is not None:
        image = replace(image, metadata={**image.metadata, "nodata": nodata})
    text = key.tags.valueof(_GDAL_METADATA)
    if not text or "C" not in image.axes:
        return image
    try:
        items = list(ElementTree.fromstring(str(text)))
    except ElementTree.ParseError:
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
