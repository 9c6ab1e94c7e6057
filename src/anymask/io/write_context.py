"""Facts about the image that masks are written for, and options for writing them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.errors import ImageError, OutputError
from anymask.images.image import Image, Transform
from anymask.masks.mask_set import MaskSet


@dataclass(frozen=True)
class WriteContext:
    """The image that masks belong to, and the options for writing them.

    Attributes
    ----------
    image_name : str
        The image's file name.
    image : Image or array, optional
        The image's values, for measurements of intensity and for data sets with their images.
    image_path : Path, optional
        The image's file, if it exists.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str, optional
    transform : tuple of 6 float, optional
        From pixels to the coordinates of `crs`, in GDAL's order.
    crs : str, optional
        For example "EPSG:32632", or WKT.
    geokeys : mapping, optional
        The GeoKeys of the image, as in ``Image.geo["geokeys"]``.
    class_names : tuple of str, optional
        All classes of the data set, in numbered order.
    polygons : bool
        Polygons instead of run lengths, if a format has both.
    simplify : float
        Tolerance of simplified polygons in pixels; 0 keeps every corner.
    geo : bool, optional
        Map coordinates (True) or pixels (False); by default map coordinates if there is a
        transform.
    properties : tuple of str, optional
        What to measure, for tables; by default everything.
    overwrite : bool
        Whether existing files may be replaced.
    """

    image_name: str
    image: Any = None
    image_path: Path | None = None
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    transform: Transform | None = None
    crs: str | None = None
    geokeys: Mapping[int, Any] | None = None
    class_names: tuple[str, ...] | None = None
    polygons: bool = False
    simplify: float = 0.0
    geo: bool | None = None
    properties: tuple[str, ...] | None = None
    overwrite: bool = False

    def classes_of(self, masks: MaskSet) -> list[str]:
        """All classes in numbered order; alphabetical if `class_names` is not given.

        Raises
        ------
        OutputError
            If a mask has a class that is not in `class_names`.
        """
        found = sorted(set(filter(None, masks.class_names or ())))
        if self.class_names is None:
            return found
        if unknown := [name for name in found if name not in self.class_names]:
            raise OutputError(
                f"The class {unknown[0]!r} is not among {', '.join(self.class_names)}; add it to "
                "the list of classes or leave the list out."
            )
        return list(self.class_names)


def check_same_size(masks: MaskSet, image: Image) -> None:
    """Refuse an image whose size differs from that of the masks.

    Raises
    ------
    ImageError
        With both sizes.
    """
    height, width = masks.image_size
    if (image.height, image.width) != (height, width):
        what = image.path or image.name or "the image"
        raise ImageError(
            f"The masks are {width}×{height} pixels and {what} is {image.width}×{image.height}; "
            "use the image that the masks were made from."
        )


def place_of(geo: Mapping[str, Any] | None) -> dict[str, Any]:
    """The `transform`, `crs` and `geokeys` of a context, from an image's geo-reference."""
    geo = geo or {}
    transform = tuple(map(float, geo["transform"])) if geo.get("transform") else None
    return {"transform": transform, "crs": geo.get("crs"), "geokeys": geo.get("geokeys")}


def lacked(image: Image | None, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Of the facts in a file with masks, those that their image does not state itself.

    Parameters
    ----------
    image : Image, optional
    facts : mapping
        From `anymask.io.read_masks.scale_of`.
    """
    found = dict(facts)
    if image is not None and image.pixel_size is not None and image.unit:
        found = {key: value for key, value in found.items() if key not in ("pixel_size", "unit")}
    if image is not None and (image.geo or {}).get("transform"):
        found.pop("geo_reference", None)
    return found


def context_for(
    image: Image | str | os.PathLike[str] | Any,
    path: Path,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    geo_reference: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    properties: Sequence[str] | None = None,
    **options: Any,
) -> WriteContext:
    """Collect the facts about the image that masks are written for.

    Parameters
    ----------
    image : Image, array, file name or None
        An `Image` provides its name, pixel size, geo-reference and values; an array only its
        values; a file name only the name.
    path : Path
        The file to write; an image without a name is named after it.
    pixel_size, unit, geo_reference
        Override those of the image.
    classes, properties, **options
        Fields of `WriteContext`.
    """
    known: dict[str, Any] = {"image_name": path.name.split(".")[0]}
    if isinstance(image, Image):
        name = image.path.name if image.path is not None else image.name
        known = {
            "image_path": _existing(image.path),
            "image_name": name or known["image_name"],
            "image": image,
            **place_of(image.geo),
        }
        if image.pixel_size is not None and image.unit:
            known |= {"pixel_size": image.pixel_size, "unit": image.unit}
    elif isinstance(image, (str, os.PathLike)):
        known |= {"image_name": Path(image).name, "image_path": _existing(Path(image))}
    elif image is not None:
        known["image"] = image
    if pixel_size is not None:
        sides = pixel_size if isinstance(pixel_size, tuple) else (pixel_size, pixel_size)
        known["pixel_size"] = sides
    if unit is not None:
        known["unit"] = unit
    if geo_reference is not None:
        known |= place_of(geo_reference)
    known["class_names"] = None if classes is None else tuple(classes)
    known["properties"] = None if properties is None else tuple(properties)
    return WriteContext(**known, **options)


def _existing(path: Path | None) -> Path | None:
    return path if path is not None and path.is_file() else None
