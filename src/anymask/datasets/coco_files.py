"""Images and masks of a data set in a COCO JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from scipy import ndimage

from anymask.datasets.label_files import joined_by_class
from anymask.datasets.packed_masks import PackedMasks
from anymask.datasets.types import Found, Objects, Source, Truth
from anymask.errors import AnymaskError, ImageError
from anymask.io.image_formats.photo import is_turned
from anymask.masks.coco import is_crowd, stated_size
from anymask.masks.coco_shapes import counts_of_shape, fitted
from anymask.masks.objects import crop_of
from anymask.masks.rle import Counts, box_of
from anymask.notices import tell

_NOT_COCO = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


def find(path: Path, set_name: str, objects: Objects, *, required: bool) -> Found:
    """List the images of a COCO file.

    Parameters
    ----------
    path : Path
        The JSON file. Its images are beside it or, if it is in ``annotations/``, in the folder
        above or in another folder there.
    set_name : str
    objects : {"auto", "ids", "components", "classes"}
        "classes" joins all objects of a category into one.
    required : bool
        Whether a file that is not COCO is an error.

    Raises
    ------
    ImageError
        If it is required and is not COCO, or all of its images are missing.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        by_image: dict[str, list[dict[str, Any]]] = {}
        for annotation in data["annotations"]:
            if annotation.get("segmentation"):
                # Some programs write ids as text in one place and as numbers in another.
                by_image.setdefault(str(annotation["image_id"]), []).append(annotation)
        boxes = sum(not annotation.get("segmentation") for annotation in data["annotations"])
        listed = [
            (str(i["file_name"]), by_image.get(str(i["id"]), []), stated_size(i))
            for i in data["images"]
        ]
        names = {
            category["id"]: "" if category.get("unnamed") else str(category["name"])
            for category in data.get("categories") or []
        }
    except (*_NOT_COCO, AnymaskError) as error:
        if required:
            raise ImageError(
                f"{path} is not COCO JSON with 'images' and 'annotations' ({error!r}); "
                "export the annotations again."
            ) from error
        return Found()
    top = folder_of(path)
    inside = sorted(place for place in top.iterdir() if place.is_dir())
    places = list(dict.fromkeys([path.parent, top, *inside]))
    found = Found()
    if boxes and (boxes < len(data["annotations"]) or required):
        count = "1 annotation has" if boxes == 1 else f"{boxes} annotations have"
        found.notices.append(f"{path}: {count} a box but no pixels, and cannot be used.")
    for name, own, size in listed:
        image = _image_in(places, name)
        if own and image is None:
            found.without_image.append(top / name)
        elif own and image is not None:
            read = partial(_read, path, image, size, own, names, objects)
            called = Path(name.replace("\\", "/")).with_suffix("").as_posix()
            found.sources.append(Source(set_name, called, image, read))
        elif image is not None:
            found.without_masks.append(image)
    if required and found.without_image and not found.sources:
        raise ImageError(
            f"{path} names the image {found.without_image[0].name}, which is not in {top} or a "
            "folder in it, and neither are its other images; put the images there."
        )
    return found


def folder_of(path: Path) -> Path:
    """Return the folder of the data set that a COCO file belongs to."""
    return path.parent.parent if path.parent.name == "annotations" else path.parent


def _image_in(places: Sequence[Path], name: str) -> Path | None:
    """Find an image by its name in the file, as written on Windows or in a URL if need be."""
    slashes = name.replace("\\", "/")
    for written in dict.fromkeys((name, slashes, unquote(slashes))):
        for place in places:
            if (place / written).is_file():
                return place / written
    return None


def _read(
    path: Path,
    image: Path,
    stated: tuple[int, int] | None,
    annotations: list[dict[str, Any]],
    names: dict[Any, str],
    objects: Objects,
    size: tuple[int, int],
) -> Truth:
    """Read the objects of one image from polygons, or from run lengths in either form."""
    turned = stated is not None and stated != size and is_turned(image)
    shapes = fitted(
        [annotation["segmentation"] for annotation in annotations],
        stated, size, f"{image.name} in {path}", turned=turned,
    )  # fmt: skip
    kept, counts, sizes = [], [], []
    for annotation, shape in zip(annotations, shapes, strict=True):
        what = f"Annotation {annotation.get('id')} of {path}"
        try:
            of_mask, size_of_mask = counts_of_shape(shape, size, what)
            known = annotation.get("category_id") in names or not names
        except (AnymaskError, TypeError) as error:
            raise ImageError(f"{what}: {error}") from error
        if not known:
            raise ImageError(
                f"{what} has the category {annotation.get('category_id')}, which the file does "
                "not declare; add it to 'categories' or correct the annotation."
            )
        if is_crowd(annotation) and not _is_one_object(of_mask, size_of_mask, what):
            continue
        kept.append(annotation)
        counts.append(of_mask)
        sizes.append(size_of_mask)
    classes = tuple(names[a["category_id"]] for a in kept) if any(names.values()) else ()
    truth = Truth(PackedMasks(counts, sizes), classes)
    return joined_by_class(truth) if objects == "classes" and classes else truth


def _is_one_object(counts: Counts, size: tuple[int, int], what: str) -> bool:
    """Whether what is marked as a crowd is a single object; says what is done with it.

    Programs with a brush mark all their masks as crowds. COCO itself marks groups of objects, which
    would teach a model wrong boundaries.
    """
    crop = crop_of(counts, box_of(counts, size), size)
    pieces = ndimage.label(crop.pixels, np.ones((3, 3), int))[1]
    if pieces > 1:
        tell(f"{what} is marked iscrowd and has {pieces} pieces, so it is left out as a group.")
        return False
    tell(f"{what} is marked iscrowd and is one piece, so it is taken as an object.")
    return True
