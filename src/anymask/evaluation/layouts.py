"""The ways in which images and masks lie on disk.

- ``images/x.jpg`` with ``masks/x.png``: a label image (0 for background, one id an object) or a
  binary mask. The folders may also be called ``image``, ``img``, ``imgs`` and ``mask``,
  ``labels``, ``label``, ``annotations``, ``gt``.
- ``images/x.jpg`` with ``masks/x/*.png``: a folder of binary masks, one an object.
- ``x.png`` with ``x_masks.png`` in one folder (also ``_mask``, ``_label``, ``_labels``, ``_gt``).
- COCO's JSON beside its images, or in ``annotations/`` with the images in a folder beside that.
- A folder whose subfolders are any of these.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from anymask.errors import AnymaskError, ImageError
from anymask.evaluation.data import Objects, Source
from anymask.images.read import SUFFIXES
from anymask.masks import rle
from anymask.masks.coco import draw_polygons

_IMAGE_FOLDERS = ("images", "image", "imgs", "img")
_MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "gt")
_MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".npy")
_MASK_ENDINGS = ("_masks", "_mask", "_labels", "_label", "_gt")


def find_sources(place: Path, objects: Objects = "auto") -> list[Source]:
    """Find the images with masks of a data set, or of the data sets in a folder.

    Parameters
    ----------
    place : Path
        A folder or a COCO JSON file.
    objects : {"auto", "ids", "components"}
        As in `open_examples`.

    Raises
    ------
    ImageError
        If there is no such place or no image with masks in it.
    """
    if place.is_file() and place.suffix.lower() == ".json":
        found = _coco(place, required=True)
    elif place.is_dir():
        found = _set_in(place, objects)
        if not found:
            subfolders = sorted(p for p in place.iterdir() if p.is_dir())
            found = [source for folder in subfolders for source in _set_in(folder, objects)]
    else:
        raise ImageError(f"There is no folder or JSON file {place}; check the name.")
    if not found:
        raise ImageError(
            f"No image with masks was found in {place}; give a folder with images/ and masks/ "
            "(files of the same names), or a COCO JSON file."
        )
    return found


def read_labels(path: Path) -> NDArray[Any]:
    """Read a label image or binary mask (H, W) with its own whole numbers.

    Raises
    ------
    ImageError
        If the file cannot be read or holds colours rather than ids.
    """
    try:
        if path.suffix.lower() == ".npy":
            labels = np.load(path, allow_pickle=False)
        elif path.suffix.lower() in (".tif", ".tiff"):
            labels = tifffile.imread(path)
        else:
            labels = np.asarray(Image.open(path))
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(
            f"{path} cannot be read as masks ({error}); save them again as PNG or TIFF."
        ) from error
    if labels.ndim == 3 and (labels[..., :3] == labels[..., :1]).all():
        labels = labels[..., 0]  # a grey picture saved as colours
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise ImageError(
            f"{path} is {labels.dtype} of shape {labels.shape}; masks must have one channel of "
            "whole numbers, 0 for background and one id an object."
        )
    return labels


def masks_of_labels(labels: NDArray[Any], objects: Objects = "auto") -> list[NDArray[np.bool_]]:
    """Take a label image apart into one mask an object, in order of the ids.

    Examples
    --------
    >>> [int(mask.sum()) for mask in masks_of_labels(np.array([[1, 0, 2], [1, 0, 1]]))]
    [3, 1]
    >>> binary = np.array([[255, 0, 255], [255, 0, 255]], np.uint8)
    >>> [int(mask.sum()) for mask in masks_of_labels(binary)]
    [2, 2]
    """
    ids = np.unique(labels)
    ids = ids[ids != 0]
    binary = labels.dtype == np.bool_ or ids.tolist() == [255]
    if objects == "components" or (objects == "auto" and binary):
        labels, count = ndimage.label(labels != 0, np.ones((3, 3), int))
        ids = np.arange(1, count + 1)
    return [labels == i for i in ids]


def _set_in(folder: Path, objects: Objects) -> list[Source]:
    """Sources of a folder that is itself one data set; none if it is not."""
    name = _set_name(folder)
    images = next((folder / n for n in _IMAGE_FOLDERS if (folder / n).is_dir()), None)
    masks = next((folder / n for n in _MASK_FOLDERS if (folder / n).is_dir()), None)
    if images is not None and masks is not None:
        found = _pairs(name, images, masks, objects)
        if found:
            return found
    for place in (folder, folder / "annotations"):
        for path in sorted(place.glob("*.json")):
            found = _coco(path, required=False)
            if found:
                return found
    return _pairs(name, folder, folder, objects)


def _set_name(folder: Path) -> str:
    """The name in ``set.json`` if there is one, else the folder's."""
    try:
        name = json.loads((folder / "set.json").read_text())["name"]
    except (OSError, ValueError, KeyError, TypeError):
        name = folder.resolve().name
    return str(name)


def _pairs(set_name: str, images: Path, masks: Path, objects: Objects) -> list[Source]:
    by_stem: dict[str, Path] = {}
    for path in sorted(masks.iterdir()):
        is_mask_file = path.is_file() and path.suffix.lower() in _MASK_SUFFIXES
        # In one folder with the images, only the ending of the name tells a mask.
        ending = next((e for e in _MASK_ENDINGS if path.stem.endswith(e)), "")
        if is_mask_file and (ending or masks != images):
            by_stem.setdefault(path.stem.removesuffix(ending), path)
            by_stem[path.stem] = path
        elif path.is_dir() and masks != images:
            by_stem[path.name] = path
    sources = []
    for path in sorted(images.iterdir()):
        found = by_stem.get(path.stem)
        if path.suffix.lower() in SUFFIXES and found is not None and found != path:
            sources.append(Source(set_name, path.stem, path, partial(_read, found, objects)))
    return sources


def _read(path: Path, objects: Objects, size: tuple[int, int]) -> list[NDArray[np.bool_]]:
    if path.is_file():
        return masks_of_labels(read_labels(path), objects)
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in _MASK_SUFFIXES)
    return [read_labels(p) != 0 for p in files]


def _coco(path: Path, required: bool) -> list[Source]:
    try:
        data = json.loads(path.read_text())
        images, annotations = data["images"], data["annotations"]
        by_image: dict[Any, list[dict[str, Any]]] = {}
        for annotation in annotations:
            if not annotation.get("iscrowd") and annotation.get("segmentation"):
                by_image.setdefault(annotation["image_id"], []).append(annotation)
        listed = [(i["file_name"], by_image[i["id"]]) for i in images if i["id"] in by_image]
    except (OSError, ValueError, KeyError, TypeError) as error:
        if required:
            raise ImageError(
                f"{path} is not COCO JSON with 'images' and 'annotations' ({error!r}); "
                "export the annotations again."
            ) from error
        return []
    top = path.parent.parent if path.parent.name == "annotations" else path.parent
    places = [path.parent, top, *sorted(p for p in top.iterdir() if p.is_dir())]
    sources = []
    for name, annotations in listed:
        image = next((place / name for place in places if (place / name).is_file()), None)
        if image is None:
            if not required:
                continue
            raise ImageError(
                f"{path} names the image {name}, which is not in {top} or a folder in it; put the "
                "images there."
            )
        read = partial(_coco_masks, path, annotations)
        sources.append(Source(_set_name(top), str(Path(name).with_suffix("")), image, read))
    return sources


def _coco_masks(
    path: Path, annotations: list[dict[str, Any]], size: tuple[int, int]
) -> list[NDArray[np.bool_]]:
    """Masks of one image's annotations: polygons, or run lengths in either form."""
    masks = []
    for annotation in annotations:
        segmentation = annotation["segmentation"]
        try:
            if not isinstance(segmentation, dict):
                segmentation = draw_polygons(segmentation, size)
            masks.append(rle.decode(rle.from_coco(segmentation)))
        except AnymaskError as error:
            raise ImageError(f"Annotation {annotation.get('id')} of {path}: {error}") from error
    return masks
