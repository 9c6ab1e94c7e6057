"""Images and masks of a data set in a COCO JSON file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from anymask.datasets.label_files import joined_by_class
from anymask.datasets.packed_masks import PackedMasks
from anymask.datasets.types import Found, Objects, Source, Truth
from anymask.errors import AnymaskError, ImageError
from anymask.masks import rle
from anymask.masks.coco import draw_polygons


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
        by_image: dict[Any, list[dict[str, Any]]] = {}
        for annotation in data["annotations"]:
            if not annotation.get("iscrowd") and annotation.get("segmentation"):
                by_image.setdefault(annotation["image_id"], []).append(annotation)
        listed = [(str(i["file_name"]), by_image.get(i["id"], [])) for i in data["images"]]
        names = {
            category["id"]: "" if category.get("unnamed") else str(category["name"])
            for category in data.get("categories") or []
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
    for name, own in listed:
        image = next((place / name for place in places if (place / name).is_file()), None)
        if own and image is None:
            found.without_image.append(top / name)
        elif own and image is not None:
            read = partial(_read, path, own, names, objects)
            found.sources.append(Source(set_name, str(Path(name).with_suffix("")), image, read))
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


def _read(
    path: Path,
    annotations: list[dict[str, Any]],
    names: dict[Any, str],
    objects: Objects,
    size: tuple[int, int],
) -> Truth:
    """Read the objects of one image from polygons, or from run lengths in either form."""
    counts, sizes = [], []
    for annotation in annotations:
        segmentation = annotation["segmentation"]
        try:
            if not isinstance(segmentation, dict):
                segmentation = draw_polygons(segmentation, size)
            of_mask, size_of_mask = rle.read_rle(rle.from_coco(segmentation))
            known = annotation.get("category_id") in names or not names
        except (AnymaskError, TypeError) as error:
            raise ImageError(f"Annotation {annotation.get('id')} of {path}: {error}") from error
        if not known:
            raise ImageError(
                f"Annotation {annotation.get('id')} of {path} has the category "
                f"{annotation.get('category_id')}, which the file does not declare; add it to "
                "'categories' or correct the annotation."
            )
        counts.append(of_mask)
        sizes.append(size_of_mask)
    classes = tuple(names[a["category_id"]] for a in annotations) if any(names.values()) else ()
    truth = Truth(PackedMasks(counts, sizes), classes)
    return joined_by_class(truth) if objects == "classes" and classes else truth
