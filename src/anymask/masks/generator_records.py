"""Convert masks to the records of Segment Anything's automatic mask generator and back.

A record is a dictionary with `segmentation` and other fields of the mask. anymask adds `id` and
`class_name` and `likeness` to the published fields for masks that have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from anymask.errors import AnymaskError
from anymask.masks import rle
from anymask.masks.boxes import extents, xyxy_to_xywh

if TYPE_CHECKING:
    from anymask.masks.mask_set import MaskSet

OutputMode = Literal["binary_mask", "uncompressed_rle", "coco_rle"]


def read_records(
    records: Sequence[Mapping[str, Any]], image_size: tuple[int, int] | None
) -> tuple[tuple[int, int], list[rle.Counts], dict[str, Any]]:
    """Read records.

    Parameters
    ----------
    records : sequence of dict
        As `MaskSet.from_records` takes them.
    image_size : tuple of int, optional
        Height and width of the image, if known.

    Returns
    -------
    image_size : tuple of int
    counts : list of arrays
        Run lengths.
    columns : dict
        The keyword arguments of `MaskSet.from_counts`.

    Raises
    ------
    AnymaskError
        If a segmentation cannot be read, the masks differ in size, or only some records have an id.
    """
    if image_size is not None:
        image_size = (int(image_size[0]), int(image_size[1]))
    counts = []
    for index, record in enumerate(records):
        lengths, size = _segmentation_of(record)
        if size != (image_size := image_size or size):
            raise AnymaskError(
                f"Mask {index} is {size[1]}×{size[0]} pixels and the image is "
                f"{image_size[1]}×{image_size[0]}; a MaskSet holds the masks of one image."
            )
        counts.append(lengths)
    if image_size is None:
        raise AnymaskError(
            "The image size cannot be found without records; pass image_size as (height, width)."
        )
    height, width = image_size
    nan = float("nan")
    columns = {
        "predicted_iou": [r.get("predicted_iou", nan) for r in records],
        "stability_score": [r.get("stability_score", nan) for r in records],
        "point_coords": [r.get("point_coords", [[nan, nan]])[0] for r in records],
        "crop_box": [r.get("crop_box", (0, 0, width, height)) for r in records],
        "object_ids": _ids_of(records),
        "class_names": _class_names_of(records),
        "likeness": _likeness_of(records),
    }
    return image_size, counts, columns


def records_of_masks(masks: MaskSet, output_mode: OutputMode) -> list[dict[str, Any]]:
    """Write one record per mask, in the order of the set; see `MaskSet.to_records`."""
    sides = xyxy_to_xywh(masks.boxes)
    records = []
    for i in range(len(masks)):
        record: dict[str, Any] = {
            "segmentation": _segmentation(masks, i, output_mode),
            "area": int(masks.areas[i]),
            "bbox": sides[i].tolist(),
            "predicted_iou": float(masks.predicted_iou[i]),
            "point_coords": [masks.point_coords[i].tolist()],
            "stability_score": float(masks.stability_score[i]),
            "crop_box": masks.crop_box[i].tolist(),
        }
        if masks.object_ids is not None:
            record["id"] = int(masks.object_ids[i])
        if masks.class_names is not None:
            record["class_name"] = masks.class_names[i]
        if masks.likeness is not None:
            record["likeness"] = float(masks.likeness[i])
        records.append(record)
    return records


def table_of_masks(masks: MaskSet) -> list[dict[str, Any]]:
    """Write one row per mask, in the order of the ids; see `MaskSet.to_table`."""
    sides = extents(masks.boxes, masks.areas)
    names = masks.class_names
    return [
        {
            "id": int(masks.ids[i]),
            "area": int(masks.areas[i]),
            "bbox": sides[i].tolist(),
            "centroid": rle.centroid_of(masks.counts[i], masks.image_size),
            "predicted_iou": float(masks.predicted_iou[i]),
            "stability_score": float(masks.stability_score[i]),
            **({} if names is None else {"class_name": names[i]}),
            **({} if masks.likeness is None else {"likeness": float(masks.likeness[i])}),
        }
        for i in np.argsort(masks.ids)
    ]


def _segmentation_of(record: Mapping[str, Any]) -> tuple[rle.Counts, tuple[int, int]]:
    segmentation = record.get("segmentation")
    if isinstance(segmentation, np.ndarray):
        mask = rle.check_mask(segmentation)
        return rle.counts_of(mask), (mask.shape[0], mask.shape[1])
    return rle.read_rle(segmentation or {})


def _ids_of(records: Sequence[Mapping[str, Any]]) -> list[int] | None:
    with_id = [record["id"] for record in records if record.get("id") is not None]
    if with_id and len(with_id) != len(records):
        raise AnymaskError(
            f"{len(with_id)} of {len(records)} records have an id; give an id to all of them or to "
            "none."
        )
    return with_id or None


def _class_names_of(records: Sequence[Mapping[str, Any]]) -> list[str] | None:
    if not any(record.get("class_name") is not None for record in records):
        return None
    return [record.get("class_name") or "" for record in records]


def _likeness_of(records: Sequence[Mapping[str, Any]]) -> list[float] | None:
    if not any(record.get("likeness") is not None for record in records):
        return None
    return [record.get("likeness", float("nan")) for record in records]


def _segmentation(masks: MaskSet, index: int, mode: OutputMode) -> Any:
    if mode == "binary_mask":
        return masks[index]
    if mode == "coco_rle":
        return rle.compress(masks.counts[index], masks.image_size)
    return {"size": list(masks.image_size), "counts": masks.counts[index].tolist()}
