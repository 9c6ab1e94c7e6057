"""Convert masks to and from a COCO data set, as pycocotools and annotation tools use it.

https://cocodataset.org/#format-data, "Object Detection".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.masks.coco_shapes import counts_of_shape
from anymask.notices import tell

# Fields of a record that COCO does not define; they are written in addition.
_SCORES = ("predicted_iou", "stability_score")
_PLACES = ("point_coords", "crop_box")
_LIKENESS = "likeness"
# The category of masks without a class; marked, to distinguish it from a class of that name.
_NO_CLASS = {"name": "object", "supercategory": "", "unnamed": True}


def dataset_of(
    records: Iterable[Mapping[str, Any]],
    ids: Iterable[int],
    boxes: NDArray,
    image_size: tuple[int, int],
    image_name: str,
    image_id: int,
    class_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Write the masks of one image as a COCO data set.

    Parameters
    ----------
    records : iterable of dict
        As `MaskSet.to_records` returns them, with compressed run lengths, or with polygons
        instead.
    ids : iterable of int
        Ids of the annotations.
    boxes : (N, 4) array
        COCO's XYWH, where a mask of one pixel is one wide.
    image_size : tuple of int
        Height and width.
    image_name : str
    image_id : int
    class_names : sequence of str, optional
        All classes, in the order of the categories; by default those of the records, in
        alphabetical order.

    Returns
    -------
    dict
        `images`, `categories` and `annotations`, ready for strict JSON: unknown scores are None.
    """
    height, width = image_size
    records = list(records)
    names = [record.get("class_name") or "" for record in records]
    if class_names is None:
        class_names = sorted(set(filter(None, names)))
    number_of = {name: number for number, name in enumerate(class_names, start=1)}
    categories = [{"id": n, "name": k, "supercategory": ""} for k, n in number_of.items()]
    if "" in names or not categories:
        number_of[""] = len(categories) + 1
        categories.append({"id": number_of[""], **_NO_CLASS})
    annotations = [
        {
            "id": int(number),
            "image_id": image_id,
            "category_id": number_of[name],
            "segmentation": record["segmentation"],
            "area": record["area"],
            "bbox": box.tolist(),
            "iscrowd": 0,
            **{k: None if math.isnan(record[k]) else record[k] for k in _SCORES},
            **{k: None if _has_nan(record[k]) else record[k] for k in _PLACES},
            **_likeness(record),
        }
        for number, record, box, name in zip(ids, records, boxes, names, strict=True)
    ]
    return {
        "images": [{"id": image_id, "file_name": image_name, "height": height, "width": width}],
        "categories": categories,
        "annotations": annotations,
    }


def _likeness(record: Mapping[str, Any]) -> dict[str, float | None]:
    """The likeness to examples, of masks that have one."""
    known = record.get(_LIKENESS)
    if known is None:
        return {}
    return {_LIKENESS: None if math.isnan(known) else known}


def records_of(
    dataset: Mapping[str, Any], image_id: int | None = None
) -> tuple[list[dict[str, Any]], tuple[int, int]]:
    """Read the masks of one image from a COCO data set.

    Parameters
    ----------
    dataset : dict
        With `images` and `annotations`; segmentations may be run lengths or polygons.
    image_id : int, optional
        Id of the image; the first one by default.

    Returns
    -------
    records : list of dict
        With `segmentation` as run lengths, `id`, `class_name` (None for no class) and, if present,
        the scores that anymask writes.
    image_size : tuple of int
        Height and width.

    Raises
    ------
    AnymaskError
        If there is no such image, or the data set lacks a required field.
    """
    try:
        images = {key_of(image["id"]): image for image in dataset["images"]}
        key = next(iter(images), "") if image_id is None else key_of(image_id)
        if key not in images:
            known = ", ".join(list(images)[:5]) or "none at all"
            raise AnymaskError(
                f"The COCO data set has no image with id {image_id}; it has {known}."
            )
        size = (int(images[key]["height"]), int(images[key]["width"]))
        annotations = [a for a in dataset["annotations"] if key_of(a["image_id"]) == key]
        names = classes_of(dataset.get("categories") or [], annotations)
        records = [
            {
                "segmentation": _run_lengths(annotation, size),
                "id": number,
                "class_name": names.get(key_of(annotation.get("category_id"))),
                **{
                    k: annotation[k]
                    for k in (*_SCORES, *_PLACES, _LIKENESS)
                    if annotation.get(k) is not None
                },
            }
            for annotation, number in zip(annotations, ids_of(annotations), strict=True)
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnymaskError(
            f"The data set is not in COCO format: {error} is missing or wrong; check that it is a "
            "file of annotations."
        ) from None
    return records, size


def is_crowd(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation is marked as a group of objects; some programs write text.

    >>> is_crowd({"iscrowd": 1}), is_crowd({"iscrowd": "0"}), is_crowd({})
    (True, False, False)
    """
    return str(annotation.get("iscrowd") or 0).lower() not in ("0", "0.0", "false")


def stated_size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    """Height and width of an entry of `images`; None if it does not have both.

    Raises
    ------
    AnymaskError
        If they are not whole numbers.
    """
    sides = (image.get("height"), image.get("width"))
    if not all(sides):
        return None
    try:
        return int(sides[0]), int(sides[1])  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise AnymaskError(
            f"The image {image.get('file_name')} has the size {sides[1]!r}×{sides[0]!r} in the "
            "COCO data set; these must be whole numbers."
        ) from None


def key_of(number: Any) -> str:
    """An id for comparing: programs write 1, "1" and 1.0 in different places of one file.

    >>> key_of(1) == key_of("1") == key_of(1.0), key_of("a")
    (True, 'a')
    """
    whole = isinstance(number, float) and number.is_integer()
    return str(int(number) if whole else number)


def classes_of(
    categories: Sequence[Mapping[str, Any]], annotations: Sequence[Mapping[str, Any]]
) -> dict[str, str | None]:
    """Return the classes of annotations by the key of their category.

    A category that the file does not declare is called by its number, and told.
    """
    names = {key_of(category["id"]): class_of(category) for category in categories}
    used = (a.get("category_id") for a in annotations)
    lacking = [key for key in dict.fromkeys(key_of(c) for c in used if c is not None)]
    lacking = [key for key in lacking if key not in names] if names else []
    if lacking:
        tell(
            f"The file does not declare the category {', '.join(lacking)}, so objects of it are "
            "called by the number."
        )
    return names | {key: key for key in lacking}


def class_of(category: Mapping[str, Any]) -> str | None:
    """Return the name of a category; None for the one that means no class."""
    return None if category.get("unnamed") is True else str(category["name"])


def ids_of(annotations: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the ids of an image's objects: unchanged if they are valid, otherwise 1, 2, …

    In a file with several images, `id` numbers all annotations, and `object_id` is anymask's id of
    the object in its image.
    """
    ids = [annotation.get("object_id", annotation.get("id")) for annotation in annotations]
    usable = all(type(number) is int and 1 <= number < 2**63 for number in ids)
    return ids if usable and len(set(ids)) == len(ids) else list(range(1, len(ids) + 1))


def _run_lengths(annotation: Mapping[str, Any], size: tuple[int, int]) -> Any:
    shape, what = annotation.get("segmentation"), f"Annotation {annotation.get('id')}"
    if not shape:
        tell(f"{what} has a box but no pixels, and is read as an empty mask.")
    counts, own_size = counts_of_shape(shape or [], size, what)
    return {"size": list(own_size), "counts": counts}


def _has_nan(values: Any) -> bool:
    return any(map(_has_nan, values)) if isinstance(values, list) else math.isnan(values)
