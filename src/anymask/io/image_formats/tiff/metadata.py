"""The metadata of a TIFF: OME's, ImageJ's and plain tags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from anymask.images.image import Image
from anymask.images.units import unit_symbol, wavelengths_in_nm
from anymask.io.image_formats.tiff.geotiff import geo_reference, with_gdal

_CENTIMETER = tifffile.RESUNIT.CENTIMETER
_INCH = tifffile.RESUNIT.INCH
# Programs that do not know the pixel size write defaults such as 72 dots per inch, also converted
# to centimetres. Pixels above this size, in µm, are taken for such a default.
_LARGEST_PIXEL = 50.0


def describe(
    image: Image,
    tiff: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    number: int | None,
    *,
    turned: bool,
) -> Image:
    """Add channel names, sizes, units and the geo-reference to an image.

    Parameters
    ----------
    image
        The image as read.
    tiff, series
        Their source; for a pyramid, the full size.
    number
        Index of the series in the file, if known.
    turned
        Whether the orientation swapped rows and columns.
    """
    key = series.keyframe
    metadata = dict(image.metadata)
    for name, tag in (
        ("description", "ImageDescription"),
        ("software", "Software"),
        ("date", "DateTime"),
    ):
        value = key.tags.valueof(tag)
        if value:
            metadata[name] = value
    image = replace(image, metadata=metadata)
    if tiff.is_ome:
        image = _with_ome(image, tiff.ome_metadata, number, len(tiff.series))
    elif tiff.is_imagej:
        image = _with_imagej(image, tiff.imagej_metadata or {}, key)
        if key.is_geotiff:  # anymask's label images are both
            size, unit = image.pixel_size, image.unit
            image = geo_reference(image, key)
            image = image if image.unit else replace(image, pixel_size=size, unit=unit)
    elif key.is_geotiff:
        image = geo_reference(image, key)
    else:
        image = _with_resolution(image, key)
    image = with_gdal(image, key)
    if turned and image.pixel_size is not None:
        image = replace(image, pixel_size=image.pixel_size[::-1])
    return _at_level(image, series)


def _at_level(image: Image, series: tifffile.TiffPageSeries) -> Image:
    """Scale the pixel size of a pyramid level, whose pixels are larger than at full size."""
    full = dict(zip(series.axes, series.shape, strict=True))
    if not image.metadata.get("level"):
        return image
    y, x = full["Y"] / image.height, full["X"] / image.width
    geo = image.geo
    if geo is not None and "transform" in geo:
        x0, a, b, y0, d, e = geo["transform"]
        geo = {**geo, "transform": (x0, a * x, b * y, y0, d * x, e * y)}
    size = image.pixel_size and (image.pixel_size[0] * y, image.pixel_size[1] * x)
    return replace(image, pixel_size=size, geo=geo)


def _with_resolution(image: Image, key: tifffile.TiffPage) -> Image:
    """Add the pixel size from the resolution tags, if it is plausible."""
    x, y = (_ratio(key.tags.valueof(name)) for name in ("XResolution", "YResolution"))
    if not x or not y:
        return image
    if key.resolutionunit == _INCH:
        return replace(image, metadata={**image.metadata, "dpi": (x, y)})
    size = (1e4 / y, 1e4 / x)
    if key.resolutionunit == _CENTIMETER and max(size) <= _LARGEST_PIXEL:
        return replace(image, pixel_size=size, unit="µm")
    return image


def _ratio(value: Any) -> float | None:
    """A TIFF fraction as a number above 0, or None."""
    try:
        number = value[0] / value[1]
    except (TypeError, IndexError, ZeroDivisionError):
        return None
    return float(number) if math.isfinite(number) and number > 0 else None


def _with_imagej(image: Image, tags: Mapping[str, Any], key: tifffile.TiffPage) -> Image:
    image = replace(image, metadata={**image.metadata, "imagej": dict(tags)})
    x, y = (_ratio(key.tags.valueof(name)) for name in ("XResolution", "YResolution"))
    unit = unit_symbol(str(tags.get("unit") or tags.get("yunit") or ""))
    if unit and unit not in ("pixel", "pixels") and x and y:
        spacing = tags.get("spacing")
        step = float(spacing) if isinstance(spacing, (int, float)) and spacing > 0 else None
        image = replace(
            image,
            pixel_size=(1 / y, 1 / x),
            unit=unit,
            z_step=step if "Z" in image.axes else None,
        )
    return _named_by_labels(image, tags.get("Labels"))


def _named_by_labels(image: Image, labels: Any) -> Image:
    """Add channel names from ImageJ's labels of all planes, in which channels vary fastest."""
    count = image.n_channels
    if "C" not in image.axes or not isinstance(labels, list) or len(labels) % count:
        return image
    first = [str(label) for label in labels[:count]]
    # The labels of a stack often name its slices; channel labels repeat in every slice.
    repeated = [str(label) for label in labels] == first * (len(labels) // count)
    if repeated and len(set(first)) == count:
        return replace(image, channel_names=tuple(first))
    return image


def _with_ome(image: Image, xml: str | None, index: int | None, series: int) -> Image:
    try:
        root = ElementTree.fromstring(xml or "")
    except ElementTree.ParseError:
        return image
    images = [node for node in root if _tag(node) == "Image"]
    if index is None or len(images) != series:
        return image  # it is not known which of them belongs to this series
    pixels = next((node for node in images[index] if _tag(node) == "Pixels"), None)
    if pixels is None:
        return image
    x, y, z = (_length(pixels, axis) for axis in "XYZ")
    if x and y and x[1] == y[1]:
        step = z[0] if z and z[1] == x[1] and "Z" in image.axes else None
        image = replace(image, pixel_size=(y[0], x[0]), unit=x[1], z_step=step)
    channels = [node for node in pixels if _tag(node) == "Channel"]
    if "C" in image.axes and len(channels) == image.n_channels:
        names = [node.get("Name") or "" for node in channels]
        if any(names):
            names = [name or f"channel {number}" for number, name in enumerate(names)]
            image = replace(image, channel_names=tuple(names))
        emitted = [node.get("EmissionWavelength") for node in channels]
        unit = channels[0].get("EmissionWavelengthUnit", "nm")
        if all(_is_positive(value) for value in emitted):
            nm = wavelengths_in_nm([float(value or 0) for value in emitted], unit)
            image = replace(image, wavelengths=nm)
    return replace(image, metadata={**image.metadata, "ome": xml})


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rsplit("}", 1)[-1]


def _length(pixels: ElementTree.Element, axis: str) -> tuple[float, str] | None:
    value = pixels.get(f"PhysicalSize{axis}")
    unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
    if not _is_positive(value) or unit in ("pixel", "reference frame"):
        return None
    return float(value or 0), unit_symbol(unit)


def _is_positive(text: str | None) -> bool:
    try:
        number = float(text or "nan")
    except ValueError:
        return False
    return bool(np.isfinite(number) and number > 0)
