"""GeoJSON (RFC 7946): outlines with holes, on the map or in pixels, for GIS programs and QuPath.

If the image has a geo-reference, coordinates are in its reference system, which is named; otherwise
they are pixels with (0, 0) at the upper left corner of the image. Outer rings run counter-clockwise
and holes clockwise in these coordinates (the right-hand rule). Each mask is one feature; its
properties are its id, class and scores. A mask without pixels has no geometry. The image size and
its transform, for which GeoJSON has no fields, are stored under ``anymask``.

As prompts, points are points and polygons give the box around them. The property ``label`` is 0
for a point off the object, and features of the same ``id`` are one object. Without a reference
system, coordinates are pixels for an image without a place on the map, and otherwise longitude and
latitude, as the specification says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError, OutputError
from anymask.files import whole_file
from anymask.images.image import Image, Transform
from anymask.images.place import inverse, mapped
from anymask.io.guards import check_size
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import Ring, fill_polygons, outlines, signed_area, simplified
from anymask.notices import tell
from anymask.palette import colours_of
from anymask.prompts.parts import Part, collected
from anymask.prompts.placing import OF_IMAGE, PIXELS, UNSTATED, crs_name
from anymask.prompts.prompts import Prompts

_KEY = "anymask"
_SCORES = ("predicted_iou", "stability_score")
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
    if context.geo and context.transform is None:
        raise OutputError(
            "Map coordinates need an image with a geo-reference; pass it as image=, or write pixel "
            "coordinates."
        )
    transform = context.transform if context.geo is not False else None
    if transform is not None and not context.crs and context.unit != "degree":
        raise OutputError(
            f"The reference system of {context.image_name} has no EPSG code, by which GeoJSON "
            "names it; write pixel coordinates (geo=False, --pixels), a label image as TIFF, which "
            "keeps it, or transform the image to a system with a code first."
        )
    shapes = {index: polygons for index, polygons in outlines(masks)}
    features = []
    for index in np.argsort(masks.ids).tolist():
        rings = [
            [
                _written(simplified(ring, context.simplify), transform, hole > 0)
                for hole, ring in enumerate(polygon)
            ]
            for polygon in shapes.get(index, [])
        ]
        features.append(_feature(masks, index, rings))
    height, width = masks.image_size
    collection: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": features,
        _KEY: {"image": context.image_name, "width": width, "height": height},
    }
    if transform is not None:
        collection[_KEY]["transform"] = list(transform)
        if context.unit:
            collection[_KEY]["unit"] = context.unit
        if context.crs:
            collection[_KEY]["crs"] = context.crs
        if context.crs and not _is_wgs84(context.crs):
            collection["crs"] = {"type": "name", "properties": {"name": _crs_name(context.crs)}}
    with whole_file(path) as part:
        part.write_text(json.dumps(collection, allow_nan=False), encoding="utf-8")
    return [path]


def load(file: MaskFile) -> MaskSet:
    """Read features with polygons; points and lines are left out with a notice.

    Files written by anymask store the image size and the transform to the map; for others, both
    come from the `MaskFile`.
    """
    path, data, image_size = file.path, _whole(file.json), file.image_size
    notes = data.get(_KEY) or {}
    if "height" in notes:
        image_size = (notes["height"], notes["width"])
    if image_size is None:
        raise ImageError(
            f"{path} does not say how large the image is; give its size (height, width)."
        )
    size = check_size(*image_size)
    transform = notes.get("transform") if notes else file.transform
    to_pixels = None if transform is None else inverse(transform)
    features, counts, left_out = [], [], 0
    for number, feature in enumerate(_features(data), start=1):
        geometry = feature.get("geometry")
        polygons, others = _polygons(geometry, to_pixels)
        for kind in others:
            tell(f"Feature {number} has a {kind[:20]}, which covers no pixels and is left out.")
        if geometry is None or polygons:
            features.append(feature)
            counts.append(fill_polygons(polygons, size))
        else:
            left_out += 1
    if left_out and not features:
        raise ImageError(f"{path} has only points and lines, which cover no pixels; draw polygons.")
    properties = [feature.get("properties") or {} for feature in features]
    ids: list[Any] = [p.get("id", f.get("id")) for f, p in zip(features, properties, strict=True)]
    names = [_class_of(p) for p in properties]
    usable = all(type(id_) is int and 1 <= id_ < 2**63 for id_ in ids) and len(set(ids)) == len(ids)
    scores = {k: [_number(p.get(k)) for p in properties] for k in _SCORES}
    return MaskSet.from_counts(
        size,
        counts,
        object_ids=ids if usable else list(range(1, len(ids) + 1)),
        class_names=names if any(names) else None,
        **scores,
    )


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
        name = _class_of(properties)
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


def _feature(masks: MaskSet, index: int, rings: list[list[list[list[float]]]]) -> dict[str, Any]:
    id_ = int(masks.ids[index])
    name = masks.class_names[index] if masks.class_names else ""
    properties: dict[str, Any] = {"id": id_, "objectType": "annotation"}
    if name:
        colour = [int(v) for v in colours_of(np.array([id_]))[0]]
        properties |= {"class_name": name, "classification": {"name": name, "color": colour}}
    for key in _SCORES:
        value = float(getattr(masks, key)[index])
        properties |= {key: value} if math.isfinite(value) else {}
    geometry: dict[str, Any] | None = None
    if len(rings) == 1:
        geometry = {"type": "Polygon", "coordinates": rings[0]}
    elif rings:
        geometry = {"type": "MultiPolygon", "coordinates": rings}
    return {"type": "Feature", "id": id_, "geometry": geometry, "properties": properties}


def _written(ring: Ring, transform: Transform | None, hole: bool) -> list[list[float]]:
    """A ring for GeoJSON: closed, and in the right direction."""
    if transform is not None:
        ring = mapped(ring, transform)
    if (signed_area(ring) < 0) != hole:
        ring = ring[::-1]
    return np.concatenate([ring, ring[:1]]).tolist()


def _whole(data: Any) -> Mapping[str, Any]:
    """A bare list of features, as QuPath can write it, as a collection."""
    return {"type": "FeatureCollection", "features": data} if isinstance(data, list) else data


def _features(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if data["type"] == "FeatureCollection":
        return list(data["features"])
    return [data if data["type"] == "Feature" else {"geometry": data}]


def _polygons(
    geometry: Any, to_pixels: Transform | None
) -> tuple[list[list[NDArray[Any]]], list[str]]:
    """The polygons of a geometry, in pixels, and the kinds of its other parts."""
    if geometry is None:
        return [], []
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        inside = [_polygons(inner, to_pixels) for inner in geometry["geometries"]]
        return [p for own, _ in inside for p in own], [k for _, others in inside for k in others]
    if kind not in ("Polygon", "MultiPolygon"):
        return [], [str(kind)]
    polygons = geometry["coordinates"] if kind == "MultiPolygon" else [geometry["coordinates"]]
    read = []
    for polygon in polygons:
        rings = [np.asarray(ring, np.float64)[:, :2] for ring in polygon]
        read.append([ring if to_pixels is None else mapped(ring, to_pixels) for ring in rings])
    return read, []


def _class_of(properties: Mapping[str, Any]) -> str:
    """The class from anymask's, QuPath's or the usual property."""
    classification = properties.get("classification")
    if isinstance(classification, Mapping):
        names = classification.get("names")  # newer QuPath; joined as it shows them
        if isinstance(names, list) and names:
            classification = ": ".join(map(str, names))
        else:
            classification = classification.get("name")
    for value in (properties.get("class_name"), classification, properties.get("class")):
        if isinstance(value, str):
            return value
    return ""


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _is_wgs84(crs: str) -> bool:
    return crs.upper().replace(" ", "") in ("EPSG:4326", "OGC:CRS84")


def _crs_name(crs: str) -> str:
    """The name of the reference system for GIS programs."""
    authority, _, code = crs.partition(":")
    return f"urn:ogc:def:crs:{authority}::{code}" if code.isdigit() else crs


def _scale(path: Path) -> Image | None:
    """The place on the map that anymask wrote into a file, as an image without values."""
    from anymask.io.image_formats.tiff.geotiff import pixel_size_of

    notes = _whole(MaskFile(path).json).get(_KEY)
    if not isinstance(notes, Mapping) or notes.get("transform") is None:
        return None
    size = check_size(notes["height"], notes["width"])
    x, a, b, y, d, e = (float(number) for number in notes["transform"])
    transform, crs, unit = (x, a, b, y, d, e), notes.get("crs"), notes.get("unit")
    sized = isinstance(unit, str)
    return Image(
        np.broadcast_to(np.uint8(0), size),
        "YX",
        pixel_size=pixel_size_of(transform) if sized else None,
        unit=unit if sized else None,
        geo={"transform": transform, **({"crs": crs} if isinstance(crs, str) else {})},
    )


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
