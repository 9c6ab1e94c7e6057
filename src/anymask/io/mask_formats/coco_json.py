"""COCO's JSON: one file of run lengths or polygons, of one image or of many.

Boxes (``bbox``) are XYWH: x and y of the upper left pixel, width and height in pixels.

Run lengths lose nothing. With polygons, a mask of several parts has one for each; a mask with
holes becomes one ring that goes to its holes and back, as the format knows no holes.

Read as well: the JSON of one picture as SA-1B has it (``image`` and ``annotations``), and the
list of records that Segment Anything's automatic mask generator returns.
"""

from __future__ import annotations

import json
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
from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import joined, outlines, simplified


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write the masks of one picture; the annotations' ids are those of the masks."""
    return save_many(path, [(masks, context)])


def save_many(path: Path, pictures: Iterable[tuple[MaskSet, WriteContext]]) -> list[Path]:
    """Write the masks of several pictures into one file.

    COCO numbers the annotations of all pictures in one row, so with more than one picture the
    masks' own ids are kept beside that number, as ``object_id``.
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
    """Read the masks of one image; of several, of the one that ``file.picture`` names."""
    path, data, picture = file.path, file.json, file.picture
    if isinstance(data, list):
        return MaskSet.from_records(data)
    if "images" not in data:
        return _load_sa1b(data)
    images = data["images"]
    known = {str(image["id"]): image["id"] for image in images}
    known |= {str(image.get("file_name")): image["id"] for image in images}
    if picture is None:
        if len(images) > 1:
            raise ImageError(
                f"{path} has {len(images)} images; say which one with picture=, for instance "
                f"{images[0].get('file_name') or images[0]['id']!r}."
            )
        image_id = None
    elif picture in known:
        image_id = known[picture]
    else:
        raise ImageError(f"{path} has no image {picture!r}; it has {', '.join(known)[:200]}.")
    for image in images:
        check_size(image["height"], image["width"])
    return MaskSet.from_coco(data, image_id)


def _all_classes(pictures: Sequence[tuple[MaskSet, WriteContext]]) -> list[str]:
    """Classes of all pictures: in the order that the context asks for, else by the alphabet."""
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
        # A mask without pixels stays run lengths: pycocotools takes no empty list of polygons.
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
    return isinstance(data, list) and bool(data) and "segmentation" in _mapping(data[0])


def _images_in(file: MaskFile) -> list[tuple[str | None, str | None]]:
    data = _mapping(file.json)
    if "images" in data:
        return [
            (str(image["id"]), str(image.get("file_name") or image["id"]))
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
    sniff=_sniff,
    images_in=_images_in,
    ending=".masks.json",
    keeps_scores=True,
    keeps_prompts=True,
)
