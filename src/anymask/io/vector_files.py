"""GeoPackage and Shapefile, read and written by GDAL (pyogrio) as layers of features."""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import AnymaskError, ImageError, OutputError
from anymask.images.geotiff_tags import geo_tags
from anymask.images.image import Transform
from anymask.io.features import (
    change_of_system,
    features_of,
    masks_of,
    notes_of,
    size_to_read,
    transform_to_write,
)
from anymask.io.guards import check_size, needs
from anymask.io.mask_file import MaskFile
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet

_COLUMNS = ("id", "class_name", "predicted_iou", "stability_score")
_NOTES = "anymask"  # the key of what is stored in a layer's metadata


def write_layer(
    target: io.BytesIO | Path,
    driver: str,
    masks: MaskSet,
    context: WriteContext,
    columns: Mapping[str, str] | None = None,
    **options: Any,
) -> None:
    """Write masks as a layer of polygons.

    Parameters
    ----------
    target : io.BytesIO or Path
        Memory, for formats of a single file, so that a full disk is met where it is reported.
    driver : str
        GDAL's name of the format.
    masks : MaskSet
    context : WriteContext
    columns : mapping, optional
        Names of columns in the file, if the format does not allow ours.
    **options
        For `pyogrio.raw.write`.

    Raises
    ------
    OutputError
        If pyogrio or shapely is missing, or the map's reference system is unknown.
    """
    raw, shapely = _libraries(f"Writing {driver}", OutputError)
    transform = transform_to_write(context)
    features = features_of(masks, transform, context.simplify)
    shapes = [_shape(shapely, feature["geometry"]) for feature in features]
    rows = [feature["properties"] for feature in features]
    numbers = {name: [row.get(name, math.nan) for row in rows] for name in _COLUMNS[2:]}
    values = [
        np.array([row["id"] for row in rows], np.int64),
        np.array([row.get("class_name") for row in rows], object),
        *(np.array(column, np.float64) for column in numbers.values()),
    ]
    if driver == "GPKG":
        options["layer_metadata"] = {_NOTES: json.dumps(notes_of(masks, context, transform))}
    crs = None if transform is None else _crs_to_write(context)
    with warnings.catch_warnings():
        # Pixel coordinates have no reference system, of which pyogrio warns.
        warnings.simplefilter("ignore", UserWarning)
        try:
            raw.write(
                target,
                geometry=shapely.to_wkb(np.array(shapes, object)),
                field_data=values,
                fields=[(columns or {}).get(name, name) for name in _COLUMNS],
                geometry_type="MultiPolygon",
                promote_to_multi=True,
                crs=crs,
                driver=driver,
                **options,
            )
        except Exception as error:  # GDAL's own, of many kinds
            raise OutputError(
                f"Cannot write the masks of {context.image_name} as {driver}: {str(error)[-200:]}; "
                "check the reference system and the space for temporary files."
            ) from error


def read_layer(file: MaskFile, columns: Mapping[str, str] | None = None) -> MaskSet:
    """Read the polygons of the first layer.

    Layers written by anymask know the image's size and place; for others both come from the
    `MaskFile`. A layer in another reference system than the image is transformed to it.

    Parameters
    ----------
    file : MaskFile
    columns : mapping, optional
        As in `write_layer`.

    Raises
    ------
    ImageError
        If pyogrio or shapely is missing, the file is damaged or has no polygons, or the size of the
        image is unknown.
    """
    raw, shapely = _libraries(f"Reading {file.path}", ImageError)
    notes = notes_in(file.path)
    known = (notes["height"], notes["width"]) if "height" in notes else file.image_size
    size = check_size(*size_to_read(file.path, known))
    transform: Transform | None = notes.get("transform") if notes else file.transform
    crs = notes.get("crs") if notes else file.image_crs
    facts, _, shapes, values = _tried(file.path, lambda: raw.read(file.path))
    found = shapely.from_wkb(shapes)
    change = None if transform is None else change_of_system(facts["crs"], crs, file.path)
    ours = {theirs: name for name, theirs in (columns or {}).items()}
    names = [ours.get(name, name) for name in facts["fields"]]
    features = [
        {
            "geometry": None if shape is None else shapely.geometry.mapping(shape),
            "properties": {
                name: value.item() if isinstance(value, np.generic) else value
                for name, value in zip(names, row, strict=True)
            },
        }
        for shape, row in zip(found, zip(*values, strict=True), strict=True)
    ]
    return masks_of(features, size, transform, file.path, change)


def notes_in(path: Path) -> Mapping[str, Any]:
    """What anymask stored about the image of a layer; empty for files of other programs."""
    pyogrio = needs("pyogrio", "geo", f"Reading {path}", ImageError)
    text = (_tried(path, lambda: pyogrio.read_info(path))["layer_metadata"] or {}).get(_NOTES)
    try:
        notes = json.loads(text) if text else {}
    except json.JSONDecodeError:
        return {}
    return notes if isinstance(notes, dict) else {}


def _tried(path: Path, call: Callable[[], Any]) -> Any:
    """Call GDAL; whatever it raises becomes one sentence."""
    try:
        return call()
    except Exception as error:
        raise ImageError(f"{path} cannot be read: {error}.") from error


def _libraries(doing: str, error: type[AnymaskError]) -> tuple[Any, Any]:
    raw = needs("pyogrio.raw", "geo", doing, error)
    shapely = needs("shapely", "geo", doing, error)
    needs("shapely.geometry", "geo", doing, error)
    return raw, shapely


def _shape(shapely: Any, geometry: Mapping[str, Any] | None) -> Any:
    return None if geometry is None else shapely.geometry.shape(geometry)


def _crs_to_write(context: WriteContext) -> str:
    """The reference system of the image, as GDAL takes it.

    Raises
    ------
    OutputError
        If it is unknown.
    """
    if context.crs:
        return context.crs
    if context.geokeys:
        wkt = _wkt_of(context)
        if wkt:
            return wkt
    if context.unit == "degree":
        return "EPSG:4326"
    raise OutputError(
        f"The reference system of {context.image_name} is unknown; write pixel coordinates "
        "(geo=False, --pixels), or give the image a reference system first."
    )


def _wkt_of(context: WriteContext) -> str | None:
    """The reference system that GeoTIFF keys describe; GDAL reads them from a TIFF of one pixel."""
    import tifffile

    rasterio = needs("rasterio", "geo", "A reference system without an EPSG code", OutputError)
    tags = geo_tags(context.transform, None, context.unit, context.geokeys)
    content = io.BytesIO()
    tifffile.imwrite(content, np.zeros((1, 1), np.uint8), extratags=tags)
    with rasterio.MemoryFile(content.getvalue()) as memory, memory.open() as raster:
        return raster.crs.to_wkt() if raster.crs else None
