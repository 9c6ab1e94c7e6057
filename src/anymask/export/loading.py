"""Masks from files: what a file holds is found out from its content, not from its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anymask.errors import ImageError
from anymask.export import geojson, yolo
from anymask.export.guards import read_json, reading
from anymask.images.image import Image
from anymask.masks.mask_set import MaskSet

_READABLE = (
    "COCO, LabelMe or GeoJSON, a label image (TIFF, PNG, NPY, NPZ, OME-Zarr), NPZ of run lengths, "
    "ImageJ ROIs, YOLO or Pascal VOC"
)
_BEGINNING = 4096


def load_masks(
    path: str | os.PathLike[str],
    image_size: tuple[int, int] | None = None,
    *,
    picture: str | None = None,
    image: Image | None = None,
) -> MaskSet:
    """Read masks from any of the formats that `save_masks` writes, tables excepted.

    Nothing in the file is executed, unpacked to disk or taken at its word about sizes.

    Parameters
    ----------
    path : path-like
        A file, or the folder of an OME-Zarr.
    image_size : tuple of int, optional
        Height and width of the picture, for formats that do not have it: YOLO, and GeoJSON and
        ImageJ ROIs of other programs.
    picture : str, optional
        File name or id of the picture, for a COCO file of several.
    image : Image, optional
        The picture itself: brings the size, and for GeoJSON the transform from pixels to the map.

    Returns
    -------
    MaskSet
        With the ids and class names that the file has.

    Raises
    ------
    ImageError
        If the file is missing, damaged, of none of these formats, or larger than the memory.
    AnymaskError
        If what it holds are no masks of one picture.
    """
    path = Path(path)
    if image is not None and image_size is None:
        image_size = (image.height, image.width)
    transform = image.geo.get("transform") if image is not None and image.geo else None
    with reading(path):
        kind, data = _identify(path)
        if kind == "coco":
            from anymask.export import coco_json

            return coco_json.load(path, data, picture)
        if kind == "geojson":
            return geojson.load(path, data, image_size, transform)
        if kind == "labelme":
            from anymask.export import labelme

            return labelme.load(path, data)
        if kind == "yolo":
            return yolo.load(path, image_size)
        if kind == "zarr":
            from anymask.export import ome_zarr

            return ome_zarr.load(path)
        if kind == "voc":
            from anymask.export import voc

            return voc.load(path)
        if kind in ("zip", "roi"):
            return _load_zip(path, kind, image_size)
        from anymask.export import label_images

        return {
            "tiff": label_images.load_tiff,
            "png": label_images.load_png,
            "npy": label_images.load_npy,
        }[kind](path)


def load_dataset(
    path: str | os.PathLike[str], image_size: tuple[int, int] | None = None
) -> Iterator[tuple[str, MaskSet]]:
    """Read the masks of every picture in a file: those of a COCO data set, else of one.

    Parameters
    ----------
    path : path-like
    image_size : tuple of int, optional
        As in `load_masks`.

    Yields
    ------
    name : str
        File name of the picture if the file tells it, else the file's own name without suffix.
    masks : MaskSet

    Raises
    ------
    AnymaskError
        As in `load_masks`.
    """
    path = Path(path)
    with reading(path):
        kind, data = _identify(path)
    if kind == "coco" and isinstance(data, dict) and "images" in data:
        from anymask.export import coco_json

        with reading(path):
            pictures = coco_json.pictures(data)
        for key, name in pictures:
            with reading(path):
                masks = coco_json.load(path, data, key)
            yield name, masks
        return
    yield _name_in(data) or stem_of(path), load_masks(path, image_size)


def stem_of(path: Path) -> str:
    """What the picture of a result is called: the name without what tells kinds of results apart.

    >>> [stem_of(Path(name)) for name in ("a.masks.json", "a.labels.tif", "b.v2.png")]
    ['a', 'a', 'b.v2']
    """
    return path.stem.removesuffix(".masks").removesuffix(".labels")


def _identify(path: Path) -> tuple[str, Any]:
    """Kind of a file, and its content where that had to be read."""
    if path.is_dir():
        from anymask.export import ome_zarr

        if ome_zarr.is_zarr(path):
            return "zarr", None
        raise ImageError(f"{path} is a folder and no OME-Zarr; name the files in it one by one.")
    if not path.is_file():
        raise ImageError(f"There is no file {path}; check the name and the folder.")
    with path.open("rb") as file:
        start = file.read(_BEGINNING)
    if not start and path.suffix.lower() == ".txt":
        return "yolo", None  # a picture without objects
    if not start:
        raise ImageError(f"{path} is empty (0 bytes); copy or save it again.")
    for magic, kind in (
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"II+\0", "tiff"),
        (b"MM\0+", "tiff"),
        (b"PK\3\4", "zip"),
        (b"PK\5\6", "zip"),
        (b"\x93NUMPY", "npy"),
        (b"Iout", "roi"),
    ):
        if start.startswith(magic):
            return kind, None
    if start.startswith(b"\xff\xd8\xff"):
        raise ImageError(
            f"{path} is a JPEG, whose compression changes ids; save label images as PNG or TIFF."
        )
    if start.startswith(b"PAR1"):
        raise ImageError(f"{path} is a table in Parquet; it holds measurements and no masks.")
    return _identify_text(path, start)


def _identify_text(path: Path, start: bytes) -> tuple[str, Any]:
    text = start.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
    if text.startswith(("{", "[")):
        data = read_json(path)
        if geojson.is_geojson(data):
            return "geojson", data
        if isinstance(data, dict) and "shapes" in data and "imageHeight" in data:
            return "labelme", data
        if (
            isinstance(data, dict)
            and "annotations" in data
            and ("images" in data or "image" in data)
        ):
            return "coco", data
        if (
            isinstance(data, list)
            and data
            and isinstance(data[0], dict)
            and "segmentation" in data[0]
        ):
            return "coco", data
        raise ImageError(
            f"{path} is JSON, but holds no masks as COCO, LabelMe or GeoJSON have them."
        )
    if text.startswith("<"):
        return "voc", None
    if yolo.looks_like_labels(text):
        return "yolo", None
    if path.suffix.lower() in (".csv", ".tsv"):
        raise ImageError(f"{path} is a table; it holds measurements and no masks.")
    raise ImageError(f"{path} holds no masks in a format that is known; give {_READABLE}.")


def _load_zip(path: Path, kind: str, image_size: tuple[int, int] | None) -> MaskSet:
    from anymask.export import imagej, npz
    from anymask.export.guards import open_zip

    if kind == "roi":
        return imagej.load(path, image_size)
    with open_zip(path) as archive:
        names = archive.namelist()
    if any(name.endswith(".npy") for name in names):
        return npz.load(path)
    if not names or any(name.lower().endswith(imagej.SUFFIX) for name in names):
        return imagej.load(path, image_size)
    raise ImageError(
        f"{path} is a zip with neither ImageJ ROIs nor NumPy arrays in it; unpack it and give the "
        "file with the masks."
    )


def _name_in(data: Any) -> str | None:
    """File name of the picture in the JSON of LabelMe, GeoJSON of anymask, or SA-1B."""
    if not isinstance(data, dict):
        return None
    for value in (data.get("imagePath"), data.get("anymask"), data.get("image")):
        if isinstance(value, dict):
            value = value.get("image") or value.get("file_name")
        if isinstance(value, str) and value:
            return value.replace("\\", "/").rsplit("/", 1)[-1]
    return None
