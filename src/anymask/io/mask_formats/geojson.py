"""GeoJSON (RFC 7946): outlines with holes, on the map or in pixels, for GIS programs and QuPath.

Coordinates are as `features.py` says; their reference system is named. The image size and its
transform, for which GeoJSON has no fields, are stored under ``anymask``.

As prompts, points are points and polygons give the box around them. The property ``label`` is 0
for a point off the object, and features of the same ``id`` are one object. Without a reference
system, coordinates are pixels for an image without a place on the map, and otherwise longitude and
latitude, as the specification says.
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
    change_of_system,
    class_of,
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
from anymask.notices import tell
from anymask.palette import colours_of
from anymask.prompts.placing import OF_IMAGE, PIXELS, UNSTATED, crs_name
from anymask.prompts.prompts import Prompts
from anymask.prompts.rows import Part, collected

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
        collection["crs"] = {"type": "name", "properties": {"name": crs_urn(context.crs)}}
    with whole_file(path) as part:
        part.write_text(json.dumps(collection, allow_nan=False), encoding="utf-8")
    return [path]


def load(file: MaskFile) -> MaskSet:
    """Read features with polygons; points and lines are left out with a notice.

    Files written by anymask store the image size and the transform to the map; for others, both
    come from the `MaskFile`. Features in a named reference system other than the image's are
    transformed to it.
    """
    data = _whole(file.json)
    notes = data.get(_KEY) or {}
    known = (notes["height"], notes["width"]) if "height" in notes else file.image_size
    size = check_size(*size_to_read(file.path, known))
    transform = notes.get("transform") if notes else file.transform
    own, wanted = _crs_of(data), notes.get("crs") if notes else file.image_crs
    stated = None if transform is None or own in (OF_IMAGE, PIXELS, UNSTATED) else own
    change = change_of_system(stated, wanted, file.path)
    return masks_of(_features(data), size, transform, file.path, change)


def _for_qupath(properties: dict[str, Any]) -> None:
    """Add what QuPath reads: the kind of object, its class and colour."""
    properties["objectType"] = "annotation"
    if name := properties.get("class_name"):
        colour = [int(v) for v in colours_of(np.array([properties["id"]]))[0]]
        properties["classification"] = {"name": name, "color": colour}


def read_prompts(file: MaskFile) -> Prompts:
    """Read points and boxes, in the coordinates of the file."""
    data = _whole(file.json)
    notes = data.get(_KEY) or {}
    image = str(notes.get("image") or "")
    stated = _crs_of(data) if file.crs is None else file.crs
    crs = None if stated == PIXELS else stated
    # The first pixel has its corner at (0, 0) here, and its centre in prompts.
    corner = 0.5 if crs is None else 0.0
    parts = []
    for number, feature in enumerate(_features(data), start=1):
        properties = feature.get("properties") or {}
        points, corners, others = _marks(feature.get("geometry"))
        for kind in others:
            tell(
                f"Feature {number} has a {kind[:20]}, neither a point nor an area; it is left out."
            )
        if not points and not corners:
            continue
        label, id_ = properties.get("label"), properties.get("id", feature.get("id"))
        name = class_of(properties)
        off = label in (0, "0")
        if not name and isinstance(label, str) and label not in ("0", "1"):
            name = label
        # QGIS fills a new column "id" with 0 or nothing.
        known: dict[str, Any] = {"key": id_ or None, "class_name": name, "image": image}
        if corners:
            parts.append(Part(np.array(corners) - corner, **known))
        if points:
            parts.append(Part(points=np.array(points) - corner, label=0 if off else 1, **known))
    size = (notes["height"], notes["width"]) if crs is None and "height" in notes else None
    return collected(parts, image_sizes={image: size}, crs=crs)


def _crs_of(data: Mapping[str, Any]) -> str:
    """The reference system of a file, as `Prompts` has it, or that it has pixels."""
    notes = data.get(_KEY)
    stated = data.get("crs")
    if isinstance(stated, Mapping):
        name = (stated.get("properties") or {}).get("name")
        return crs_name(str(name))
    if not isinstance(notes, Mapping):
        return UNSTATED
    if notes.get("transform") is None:
        return PIXELS
    return crs_name(str(notes["crs"])) if notes.get("crs") else OF_IMAGE


def _marks(geometry: Any) -> tuple[list[Any], list[Any], list[str]]:
    """Points, corners of areas, and the kinds of other parts of a geometry."""
    if geometry is None:
        return [], [], []
    kind, inside = geometry.get("type"), geometry.get("coordinates")
    if kind == "GeometryCollection":
        several = [_marks(inner) for inner in geometry["geometries"]]
        points, corners, others = ([x for each in several for x in each[i]] for i in range(3))
        return points, corners, others
    if kind in ("Point", "MultiPoint"):
        return [point[:2] for point in ([inside] if kind == "Point" else inside)], [], []
    if kind in ("Polygon", "MultiPolygon"):
        polygons = [inside] if kind == "Polygon" else inside
        return [], [corner[:2] for polygon in polygons for corner in polygon[0]], []
    return [], [], [str(kind)]


def _whole(data: Any) -> Mapping[str, Any]:
    """A bare list of features, as QuPath can write it, as a collection."""
    return {"type": "FeatureCollection", "features": data} if isinstance(data, list) else data


def _features(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if data["type"] == "FeatureCollection":
        return list(data["features"])
    return [data if data["type"] == "Feature" else {"geometry": data}]


def _is_wgs84(crs: str) -> bool:
    return crs.upper().replace(" ", "") in ("EPSG:4326", "OGC:CRS84")


def crs_urn(crs: str) -> str:
    """Return the name of a reference system for GIS programs.

    >>> crs_urn("EPSG:32632")
    'urn:ogc:def:crs:EPSG::32632'
    """
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
    read_prompts=read_prompts,
    sniff=_sniff,
    images_in=_images_in,
    scale=_scale,
    keeps_scores=True,
)
