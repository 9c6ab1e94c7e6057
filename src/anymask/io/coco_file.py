"""The COCO file of one image, written object by object, so that a million of them fit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anymask.masks import coco
from anymask.masks.boxes import extents
from anymask.masks.mask_set import MaskSet

_PORTION = 4096


def in_portions(masks: MaskSet) -> Iterator[MaskSet]:
    """Yield the masks in the order of their ids, some thousand at a time."""
    numbered = masks.with_ids(masks.ids)
    order = np.argsort(numbered.ids)
    for first in range(0, len(order), _PORTION):
        yield numbered.select(order[first : first + _PORTION])


def write_coco(path: Path, masks: MaskSet, image_name: str, info: Mapping[str, Any]) -> None:
    """Write ``{"info": info, **masks.to_coco(image_name)}`` as JSON."""
    classes = sorted(set(filter(None, masks.class_names or ())))
    nameless = masks.class_names is not None and "" in masks.class_names
    one = masks.select([masks.class_names.index("")] if nameless and masks.class_names else [])
    head = {"info": dict(info), **_dataset(one, image_name, classes), "annotations": []}
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, allow_nan=False).removesuffix("]}"))
        before = ""
        for portion in in_portions(masks):
            for annotation in _dataset(portion, image_name, classes)["annotations"]:
                file.write(before + json.dumps(annotation, allow_nan=False))
                before = ", "
        file.write("]}")


def _dataset(masks: MaskSet, image_name: str, classes: list[str]) -> dict[str, Any]:
    boxes = extents(masks.boxes, masks.areas)
    return coco.dataset_of(
        masks.to_records("coco_rle"), masks.ids.tolist(), boxes, masks.image_size, image_name, 1,
        classes,
    )  # fmt: skip
