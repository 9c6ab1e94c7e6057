"""GeoJSON (RFC 7946): outlines with holes, on the map or in pixels, for GIS programs and QuPath.

Coordinates are as `features.py` says; their reference system is named. The image size and its
transform, for which GeoJSON has no fields, are stored under ``anymask``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import OutputError
from anymask.files import whole_file
from anymask.images.image import Image
from anymask.io.features import (
    features_of,
    image_of,
    masks_of,
    notes_of,
    size_to_read,
    transform_to_write,
)
from anymask.io.guards import check_size
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet
from anymask.palette import colours_of

_KEY = "anymask"
_TYPES = (
    *("FeatureCollection", "Feature", "GeometryCollection", "Polygon", "MultiPolygon"),
    *("Point", "MultiPoint", "LineString", "MultiLineString"),
)


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write one feature per mask.

    Raises
    ------
    OutputError
        If map coordinates are requested and the image has no geo-reference, or one that has no
        name: readers would take its coordinates for longitude and latitude.
    """
    transform = transform_to_write(context)
    if transform is not None and not context.crs and context.unit != "degree":
        raise OutputError(
            f"The reference system of {context.image_name} has no EPSG code, by which GeoJSON "
            "names it; write pixel coordinates (geo=False, --pixels), a label image as TIFF or a "
            "GeoPackage, which keep it, or transform the image to a system with a code first."
        )
    features = features_of(masks, transform, context.simplify)
    for feature in features:
        _for_qupath(feature["properties"])
    collection: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": features,
        _KEY: notes_of(masks, context, transform),
    }
    if transform is not None and context.crs and not _is_wgs84(context.crs):
        collection["crs"] = {"type": "name", "properties": {"name": _crs_name(context.crs)}}
    with whole_file(path) as part:
        part.write_text(json.dumps(collection, allow_nan=False), encoding="utf-8")
    return [path]


def load(file: MaskFile) -> MaskSet:
    """Read features with polygons; points and lines are left out with a notice.

    Files written by anymask store the image size and the transform to the map; for others, both
    come from the `MaskFile`.
    """
    data = _whole(file.json)
    notes = data.get(_KEY) or {}
    known = (notes["height"], notes["width"]) if "height" in notes else file.image_size
    size = check_size(*size_to_read(file.path, known))
    transform = notes.get("transform") if notes else file.transform
    return masks_of(_features(data), size, transform, file.path)


def _for_qupath(properties: dict[str, Any]) -> None:
    """Add what QuPath reads: the kind of object, its class and colour."""
    properties["objectType"] = "annotation"
    if name := properties.get("class_name"):
        colour = [int(v) for v in colours_of(np.array([properties["id"]]))[0]]
        properties["classification"] = {"name": name, "color": colour}


def _whole(data: Any) -> Mapping[str, Any]:
    """A bare list of features, as QuPath can write it, as a collection."""
    return {"type": "FeatureCollection", "features": data} if isinstance(data, list) else data


def _features(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if data["type"] == "FeatureCollection":
        return list(data["features"])
    return [data if data["type"] == "Feature" else {"geometry": data}]


def _is_wgs84(crs: str) -> bool:
    return crs.upper().replace(" ", "") in ("EPSG:4326", "OGC:CRS84")


def _crs_name(crs: str) -> str:
    """The name of the reference system for GIS programs."""
    authority, _, code = crs.partition(":")
    return f"urn:ogc:def:crs:{authority}::{code}" if code.isdigit() else crs


def _scale(path: Path) -> Image | None:
    return image_of(_whole(MaskFile(path).json).get(_KEY))


def _sniff(file: MaskFile) -> bool:
    data = file.json
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return data[0].get("type") == "Feature"
    return isinstance(data, dict) and data.get("type") in _TYPES


def _images_in(file: MaskFile) -> list[tuple[str | None, str | None]]:
    notes = _whole(file.json).get(_KEY)
    return [(None, notes.get("image") if isinstance(notes, Mapping) else None)]


FORMAT = MaskFormat(
    name="geojson",
    title="GeoJSON",
    suffixes=(".geojson",),
    write=save,
    read=load,
    sniff=_sniff,
    images_in=_images_in,
    scale=_scale,
    keeps_scores=True,
)
