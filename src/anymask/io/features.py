"""Masks as features, outlines with properties, and back; shared by the vector formats.

A feature is a mapping as in GeoJSON (RFC 7946) with ``geometry`` and ``properties``. If the image
has a geo-reference, coordinates are in its reference system; otherwise they are pixels with (0, 0)
at the upper left corner of the image. Outer rings run counter-clockwise and holes clockwise in
these coordinates (the right-hand rule). A mask without pixels has no geometry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError, OutputError
from anymask.images.image import Image, Transform
from anymask.images.place import inverse, mapped, pixel_size_of
from anymask.io.guards import check_size, needs
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import Ring, fill_polygons, outlines, signed_area, simplified
from anymask.notices import tell
from anymask.prompts.placing import same_crs

Change = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Points (N, 2), x before y, from one reference system to another."""
_SCORES = ("predicted_iou", "stability_score")


def transform_to_write(context: WriteContext) -> Transform | None:
    """The transform from pixels to the coordinates of new features; None for pixels.

    Raises
    ------
    OutputError
        If map coordinates are requested and the image has no geo-reference.
    """
    if context.geo and context.transform is None:
        raise OutputError(
            "Map coordinates need an image with a geo-reference; pass it as image=, or write pixel "
            "coordinates."
        )
    return context.transform if context.geo is not False else None


def features_of(
    masks: MaskSet, transform: Transform | None, simplify: float = 0.0
) -> list[dict[str, Any]]:
    """One feature per mask, in the order of their ids.

    Parameters
    ----------
    masks : MaskSet
    transform : tuple of 6 float, optional
        From pixels to the map, in GDAL's order; None for pixel coordinates.
    simplify : float
        Tolerance of simplified outlines in pixels.

    Returns
    -------
    list of dict
        Each with ``id``, ``geometry`` (a Polygon, a MultiPolygon or None) and ``properties``: id,
        class_name and known scores.
    """
    shapes = {index: polygons for index, polygons in outlines(masks)}
    features = []
    for index in np.argsort(masks.ids).tolist():
        rings = [
            [
                _written(simplified(ring, simplify), transform, hole > 0)
                for hole, ring in enumerate(polygon)
            ]
            for polygon in shapes.get(index, [])
        ]
        features.append(_feature(masks, index, rings))
    return features


def masks_of(
    features: Iterable[Mapping[str, Any]],
    size: tuple[int, int],
    transform: Transform | None,
    path: Path,
    change: Change | None = None,
) -> MaskSet:
    """Paint features with polygons; points and lines are left out with a notice.

    Parameters
    ----------
    features : iterable of mappings
    size : tuple of int
        Height and width of the image.
    transform : tuple of 6 float, optional
        From pixels to the map of the image; None if the features are in pixels.
    path : Path
        The file, for messages.
    change : callable, optional
        From the coordinates of the features to those of the image's map; see `change_of_system`.

    Raises
    ------
    ImageError
        If there are only points and lines, or the transform cannot be inverted.
    """
    to_pixels = None if transform is None else inverse(transform)
    kept, counts, left_out = [], [], 0
    for number, feature in enumerate(features, start=1):
        geometry = feature.get("geometry")
        polygons, others = _polygons(geometry, to_pixels, change)
        for kind in others:
            tell(f"Feature {number} has a {kind[:20]}, which covers no pixels and is left out.")
        if geometry is None or polygons:
            kept.append(feature)
            counts.append(fill_polygons(polygons, size))
        else:
            left_out += 1
    if left_out and not kept:
        raise ImageError(f"{path} has only points and lines, which cover no pixels; draw polygons.")
    properties = [feature.get("properties") or {} for feature in kept]
    ids: list[Any] = [p.get("id", f.get("id")) for f, p in zip(kept, properties, strict=True)]
    names = [class_of(p) for p in properties]
    usable = all(type(id_) is int and 1 <= id_ < 2**63 for id_ in ids) and len(set(ids)) == len(ids)
    scores = {k: [_number(p.get(k)) for p in properties] for k in _SCORES}
    return MaskSet.from_counts(
        size,
        counts,
        object_ids=ids if usable else list(range(1, len(ids) + 1)),
        class_names=names if any(names) else None,
        **scores,
    )


def change_of_system(own: str | None, wanted: str | None, path: Path) -> Change | None:
    """The way from the reference system of a file to that of an image; None if they are the same.

    Parameters
    ----------
    own, wanted : str, optional
        EPSG codes or WKT; None if unknown, and then nothing is changed.
    path : Path
        The file, for messages.

    Raises
    ------
    ImageError
        If pyproj is needed and missing, or does not know one of them.
    """
    if not own or not wanted or same_crs(own, wanted):
        return None
    pyproj = needs("pyproj", "geo", f"Transforming {path}", ImageError)
    try:
        systems = pyproj.CRS.from_user_input(own), pyproj.CRS.from_user_input(wanted)
    except pyproj.exceptions.CRSError as error:
        raise ImageError(f"{path}: a reference system is unknown: {error}.") from error
    if systems[0].equals(systems[1], ignore_axis_order=True):
        return None
    transform = pyproj.Transformer.from_crs(*systems, always_xy=True).transform
    return lambda points: np.stack(transform(points[:, 0], points[:, 1]), 1)


def notes_of(masks: MaskSet, context: WriteContext, transform: Transform | None) -> dict[str, Any]:
    """What a file stores of the image, for reading it again without the image.

    Parameters
    ----------
    masks : MaskSet
    context : WriteContext
    transform : tuple of 6 float, optional
        As written.

    Returns
    -------
    dict
        JSON-ready: image, width, height and, on a map, transform, unit and crs.
    """
    height, width = masks.image_size
    notes: dict[str, Any] = {"image": context.image_name, "width": width, "height": height}
    if transform is not None:
        notes["transform"] = list(transform)
        notes |= {"unit": context.unit} if context.unit else {}
        notes |= {"crs": context.crs} if context.crs else {}
    return notes


def image_of(notes: Any) -> Image | None:
    """The place on the map in a file's notes, as an image without values; None if it has none."""
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


def class_of(properties: Mapping[str, Any]) -> str:
    """The class of a feature, from anymask's, QuPath's or the usual property; "" for none."""
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


def size_to_read(path: Path, image_size: tuple[int, int] | None) -> tuple[int, int]:
    """The size of the image that features are read for.

    Raises
    ------
    ImageError
        If neither the file nor the caller knows it.
    """
    if image_size is None:
        raise ImageError(
            f"{path} does not say how large the image is; give its size (height, width)."
        )
    return image_size


def _feature(masks: MaskSet, index: int, rings: list[list[list[list[float]]]]) -> dict[str, Any]:
    id_ = int(masks.ids[index])
    name = masks.class_names[index] if masks.class_names else ""
    properties: dict[str, Any] = {"id": id_} | ({"class_name": name} if name else {})
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
    """A ring for a file: closed, and in the right direction."""
    if transform is not None:
        ring = mapped(ring, transform)
    if (signed_area(ring) < 0) != hole:
        ring = ring[::-1]
    return np.concatenate([ring, ring[:1]]).tolist()


def _polygons(
    geometry: Any, to_pixels: Transform | None, change: Change | None
) -> tuple[list[list[NDArray[Any]]], list[str]]:
    """The polygons of a geometry, in pixels, and the kinds of its other parts."""
    if geometry is None:
        return [], []
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        inside = [_polygons(inner, to_pixels, change) for inner in geometry["geometries"]]
        return [p for own, _ in inside for p in own], [k for _, others in inside for k in others]
    if kind not in ("Polygon", "MultiPolygon"):
        return [], [str(kind)]
    polygons = geometry["coordinates"] if kind == "MultiPolygon" else [geometry["coordinates"]]
    read = []
    for polygon in polygons:
        rings = [np.asarray(ring, np.float64)[:, :2] for ring in polygon]
        rings = rings if change is None else [change(ring) for ring in rings]
        read.append([ring if to_pixels is None else mapped(ring, to_pixels) for ring in rings])
    return read, []


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")
