"""COCO JSON: one file with run lengths or polygons, for one image or many.

Boxes (``bbox``) are XYWH: x and y of the upper left pixel, width and height in pixels.

Run lengths are lossless. As polygons, each part of a mask has its own; holes are cut in by a line
to the hole and back, because the format has no holes.

As prompts, the boxes are read, also those in the list of results that detectors write.

Also read: the JSON of one image as in SA-1B (``image`` and ``annotations``), and the list of
records that Segment Anything's automatic mask generator returns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import ImageError
from anymask.files import whole_file
from anymask.io.guards import check_size
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks import coco
from anymask.masks.boxes import extents
from anymask.masks.coco_shapes import fitted
from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import joined, outlines, simplified
from anymask.notices import tell
from anymask.prompts.placing import Size
from anymask.prompts.prompts import Prompts
from anymask.prompts.rows import Part, collected


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write the masks of one image; the annotations have the ids of the masks."""
    return save_many(path, [(masks, context)])


def save_many(path: Path, pictures: Iterable[tuple[MaskSet, WriteContext]]) -> list[Path]:
    """Write the masks of several images into one file.

    COCO numbers annotations across all images, so with more than one image each mask's own id is
    kept in addition, as ``object_id``.
    """
    pictures = list(pictures)
    classes = _all_classes(pictures)
    whole: dict[str, Any] = {"info": {}, "images": [], "categories": [], "annotations": []}
    for number, (masks, context) in enumerate(pictures, start=1):
        part = _dataset(masks, context, number, classes)
        if len(pictures) > 1:
            first = len(whole["annotations"]) + 1
            for key, annotation in enumerate(part["annotations"], start=first):
                annotation["object_id"], annotation["id"] = annotation["id"], key
        whole["images"] += part["images"]
        whole["annotations"] += part["annotations"]
        if len(part["categories"]) > len(whole["categories"]):
            whole["categories"] = part["categories"]
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(whole, allow_nan=False), encoding="utf-8")
    return [path]


def load(file: MaskFile) -> MaskSet:
    """Read the masks of one image; if there are several, of the one in ``file.picture``."""
    path, data, picture = file.path, file.json, file.picture
    if isinstance(data, list):
        if data and "segmentation" not in data[0]:
            raise ImageError(
                f"{path} has boxes but no masks; 'anymask segment IMAGES --prompts {path.name}' "
                "makes masks of them."
            )
        return MaskSet.from_records(data)
    if "images" not in data:
        return _load_sa1b(data)
    images = data["images"]
    known = {coco.key_of(image["id"]): image["id"] for image in images}
    known |= {str(image.get("file_name")): image["id"] for image in images}
    if picture is None:
        if len(images) > 1:
            raise ImageError(
                f"{path} has {len(images)} images; choose one with picture=, for example "
                f"{images[0].get('file_name') or images[0]['id']!r}."
            )
        image_id = None
    elif picture in known:
        image_id = known[picture]
    else:
        raise ImageError(f"{path} has no image {picture!r}; it has {', '.join(known)[:200]}.")
    if image_id is None and images:
        image_id = images[0]["id"]
    data = _at_size(file, data, image_id)
    return MaskSet.from_coco(data, image_id)


def read_prompts(file: MaskFile) -> Prompts:
    """Read the boxes of all images."""
    data = file.json
    if isinstance(data, list):  # what a detector found, without the images and categories
        annotations = data
        names = {
            coco.key_of(a["image_id"]): str(a.get("file_name") or coco.key_of(a["image_id"]))
            for a in data
        }
        sizes: dict[str, Size | None] = {}
        numbers = [coco.key_of(a.get("category_id", "")) for a in data]
        classes: dict[str, str | None] = {number: number for number in numbers}
    else:
        annotations = data["annotations"]
        images = data["images"] if "images" in data else [{"id": None, **data["image"]}]
        names = {
            coco.key_of(image["id"]): str(image.get("file_name") or image["id"]) for image in images
        }
        sizes = {names[coco.key_of(image["id"])]: coco.stated_size(image) for image in images}
        classes = coco.classes_of(data.get("categories") or [], annotations)
    crowds = [coco.is_crowd(annotation) for annotation in annotations]
    drop_crowds = any(crowds) and not all(crowds)
    by_image: dict[str, list[Any]] = {}
    for annotation, is_crowd in zip(annotations, crowds, strict=True):
        what = f"Annotation {annotation.get('id')}"
        if is_crowd and drop_crowds:
            tell(f"{what} is marked iscrowd, a group of objects, and is left out.")
        elif not _is_box(annotation.get("bbox")):
            tell(f"{what} has no box, or one without area, and is left out.")
        else:
            by_image.setdefault(coco.key_of(annotation.get("image_id")), []).append(annotation)
    return collected(
        (
            Part(_corners(annotation["bbox"]), key=key, class_name=name, image=names[image])
            for image, own in by_image.items()
            for annotation, key in zip(own, coco.ids_of(own), strict=True)
            for name in [classes.get(coco.key_of(annotation.get("category_id"))) or ""]
        ),
        image_sizes=sizes,
    )


def _is_box(box: Any) -> bool:
    """Whether this is XYWH, and has an area."""
    if not isinstance(box, Sequence) or len(box) != 4:
        return False
    numbers = all(isinstance(v, int | float) and math.isfinite(v) for v in box)
    return numbers and box[2] > 0 and box[3] > 0


def _corners(box: Sequence[float]) -> list[tuple[float, float]]:
    """The corners of a box, where the centre of the first pixel is (0, 0)."""
    x, y, width, height = box
    return [(x - 0.5, y - 0.5), (x + width - 0.5, y + height - 0.5)]


def _at_size(file: MaskFile, data: Mapping[str, Any], image_id: Any) -> Mapping[str, Any]:
    """The annotations of one image, at the size of the image itself if that is known."""
    key = coco.key_of(image_id)
    own = [image for image in data["images"] if coco.key_of(image["id"]) == key]
    if not own:
        return data
    mine = file.annotations_of.get(key, [])
    stated = coco.stated_size(own[0])
    known = file.image_size or stated
    if known is None:
        raise ImageError(
            f"{file.path} does not say how large the image is; give its size (height, width)."
        )
    size = check_size(*known)
    what = str(own[0].get("file_name") or image_id)
    shapes = fitted(
        [a.get("segmentation") or [] for a in mine], stated, size, what, turned=file.is_turned
    )
    pairs = zip(mine, shapes, strict=True)
    return {
        **data,
        "images": [{**own[0], "height": size[0], "width": size[1]}],
        "annotations": [{**annotation, "segmentation": shape} for annotation, shape in pairs],
    }


def _all_classes(pictures: Sequence[tuple[MaskSet, WriteContext]]) -> list[str]:
    """Classes of all images: in the order given by the context, otherwise alphabetical."""
    found = [context.classes_of(masks) for masks, context in pictures]
    if pictures and pictures[0][1].class_names is not None:
        return found[0]
    return sorted({name for names in found for name in names})


def _dataset(
    masks: MaskSet, context: WriteContext, image_id: int, classes: list[str]
) -> dict[str, Any]:
    chosen = masks.with_ids(masks.ids).select(np.argsort(masks.ids))
    records = chosen.to_records("coco_rle")
    if context.polygons:
        # A mask without pixels stays as run lengths: pycocotools refuses an empty list of polygons.
        for index, polygons in outlines(chosen):
            records[index]["segmentation"] = [
                simplified(joined([polygon]), context.simplify).reshape(-1).tolist()
                for polygon in polygons
            ]
    return coco.dataset_of(
        records,
        chosen.ids.tolist(),
        extents(chosen.boxes, chosen.areas),
        chosen.image_size,
        context.image_name,
        image_id,
        classes,
    )


def _load_sa1b(data: Mapping[str, Any]) -> MaskSet:
    image = data["image"]
    size = check_size(image["height"], image["width"])
    dataset = {
        "images": [{"id": 1, "height": size[0], "width": size[1]}],
        "annotations": [
            {k: v for k, v in annotation.items() if v is not None} | {"image_id": 1}
            for annotation in data["annotations"]
        ],
    }
    return MaskSet.from_coco(dataset)


def _sniff(file: MaskFile) -> bool:
    data = file.json
    if isinstance(data, dict):
        return "annotations" in data and ("images" in data or "image" in data)
    first = _mapping(data[0]) if isinstance(data, list) and data else {}
    return "segmentation" in first or {"image_id", "bbox"} <= first.keys()


def _images_in(file: MaskFile) -> list[tuple[str | None, str | None]]:
    data = _mapping(file.json)
    if "images" in data:
        return [
            (coco.key_of(image["id"]), str(image.get("file_name") or coco.key_of(image["id"])))
            for image in data["images"]
        ]
    return [(None, _mapping(data.get("image")).get("file_name"))]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


FORMAT = MaskFormat(
    name="coco",
    title="COCO JSON",
    suffixes=(".json",),
    write=save,
    write_many=save_many,
    read=load,
    read_prompts=read_prompts,
    dataset_images="images",
    sniff=_sniff,
    images_in=_images_in,
    ending=".masks.json",
    keeps_scores=True,
    keeps_prompts=True,
)
