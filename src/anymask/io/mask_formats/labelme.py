"""LabelMe JSON: one polygon for each part of a mask, with the mask's id as its group.

Parts of one mask have the same label and ``group_id``. Holes are cut in by a line to the hole and
back. Rectangles, also turned ones, circles and masks are read too, and so are the shapes that
X-AnyLabeling adds. Points and lines, which cover no pixels, are left out with a notice.

As prompts, points are points and all other shapes give the box around them. A point lies off the
object if it says "negative" in its description or has a flag of that name.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.files import whole_file
from anymask.images.memory import check_fits
from anymask.io.guards import check_size
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import ObjectCrop, counts_of_crop
from anymask.masks.polygons import fill_polygons, joined, outlines, simplified, union_of_counts
from anymask.masks.rle import Counts
from anymask.notices import tell
from anymask.prompts.prompts import Prompts
from anymask.prompts.rows import Part, collected

# The version of the LabelMe format that is written.
_VERSION = "5.5.0"
_NO_CLASS = "object"
_UNNAMED = "no class"  # distinguishes no class from a class named "object"
_NEGATIVE = "negative"
_CIRCLE_CORNERS = 360
# Shapes whose points are corners; the last three are X-AnyLabeling's and LabelMe's turned boxes.
_FLAT = ("point", "line", "linestrip", "points")
_OUTLINES = ("polygon", "rectangle", "rotation", "quadrilateral", "oriented_rectangle")
_AREAS = (*_OUTLINES, "circle", "mask")


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write polygons ordered by id; masks without pixels are left out."""
    height, width = masks.image_size
    shapes = {}
    for index, polygons in outlines(masks):
        name = masks.class_names[index] if masks.class_names else ""
        id_ = int(masks.ids[index])
        shapes[id_] = [
            {
                "label": name or _NO_CLASS,
                "points": joined([[simplified(r, context.simplify) for r in polygon]])
                .astype(float)
                .tolist(),
                "group_id": id_,
                "description": "" if name else _UNNAMED,
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
            for polygon in polygons
        ]
    data: dict[str, Any] = {
        "version": _VERSION,
        "flags": {},
        "shapes": [shape for id_ in sorted(shapes) for shape in shapes[id_]],
        "imagePath": _path_from(path.parent, context),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    with whole_file(path) as part:
        part.write_text(json.dumps(data, allow_nan=False, indent=1), encoding="utf-8")
    return [path]


def _path_from(folder: Path, context: WriteContext) -> str:
    """The image's path as LabelMe stores it: relative to the JSON, so that both can move."""
    if context.image_path is None:
        return context.image_name
    try:
        relative = os.path.relpath(context.image_path, folder)
    except ValueError:  # on another drive of Windows
        return context.image_path.as_posix()
    return Path(relative).as_posix()


def load(file: MaskFile) -> MaskSet:
    """Read shapes: those of one label and group are one mask, and so is each without a group."""
    path, data = file.path, file.json
    stated = (data.get("imageHeight"), data.get("imageWidth"))
    known = stated if all(stated) else file.image_size
    if known is None:
        raise ImageError(
            f"{path} does not say how large the image is; give its size (height, width)."
        )
    size = check_size(*known)
    parts: dict[tuple[Any, ...], list[Counts]] = {}
    names: dict[tuple[Any, ...], str] = {}
    alone, left_out = False, set()
    for number, shape in enumerate(data["shapes"], start=1):
        pixels = _pixels(shape, size, path)
        if pixels is None:
            kind, name = shape.get("shape_type") or "polygon", str(shape.get("label"))[:30]
            what = f"a {str(kind)[:20]} called {name!r}"
            unknown = kind not in (*_FLAT, *_AREAS)
            why = "is of a kind that anymask does not know" if unknown else "covers no pixels"
            tell(f"Shape {number}, {what}, {why} and is left out.")
            left_out.add(str(kind)[:20])
            continue
        key = _key(number, shape)
        alone |= len(key) == 1
        parts.setdefault(key, []).append(pixels)
        names.setdefault(key, _class_of(shape))
    if data["shapes"] and not parts:
        raise ImageError(
            f"{path} has nothing that covers pixels, but shapes of the kind "
            f"{', '.join(sorted(left_out))}; draw polygons."
        )
    ids = [key[-1] for key in parts]
    if not _are_ids(ids) or alone:
        ids = list(range(1, len(parts) + 1))
    return MaskSet.from_counts(
        size,
        [
            several[0] if len(several) == 1 else union_of_counts(several, size)
            for several in parts.values()
        ],
        object_ids=ids,
        class_names=list(names.values()) if any(names.values()) else None,
    )


def read_prompts(file: MaskFile) -> Prompts:
    """Read points and boxes: those of one label and group are one object."""
    data = file.json
    image = str(data.get("imagePath") or "")
    shapes = list(enumerate(data["shapes"], start=1))
    keys = list(dict.fromkeys(_key(number, shape) for number, shape in shapes))
    groups = [key[-1] for key in keys]
    # Ids are the groups if every object has its own.
    ids = (
        groups
        if _are_ids(groups) and all(len(key) > 1 for key in keys)
        else range(1, len(keys) + 1)
    )
    id_of = dict(zip(keys, ids, strict=True))
    parts = []
    for number, shape in shapes:
        kind = shape.get("shape_type") or "polygon"
        points = np.array(shape["points"], np.float64).reshape(-1, 2) - 0.5
        known: dict[str, Any] = {
            "key": id_of[_key(number, shape)],
            "class_name": _class_of(shape),
            "image": image,
        }
        if kind == "point":
            parts.append(Part(points=points, label=0 if _is_negative(shape) else 1, **known))
        elif kind == "circle" and len(points) == 2:
            radius = math.dist(points[0], points[1])
            parts.append(Part([points[0] - radius, points[0] + radius], **known))
        elif (kind in _OUTLINES or kind == "mask") and len(points) > 1:
            parts.append(Part(points, **known))
        else:
            what = f"Shape {number}, a {str(kind)[:20]}"
            tell(f"{what}, is neither a point nor an area, and is left out.")
    stated = (data.get("imageHeight"), data.get("imageWidth"))
    sizes = {image: (float(stated[0]), float(stated[1])) if all(stated) else None}
    return collected(parts, image_sizes=sizes)


def _key(number: int, shape: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the shapes of one object share: label and group, or nothing if there is no group."""
    group = shape.get("group_id")
    return (number,) if group is None else (str(shape["label"]), group)


def _class_of(shape: Mapping[str, Any]) -> str:
    unnamed = shape["label"] == _NO_CLASS and shape.get("description") == _UNNAMED
    return "" if unnamed else str(shape["label"])


def _are_ids(numbers: Sequence[Any]) -> bool:
    """Whether these can be the ids of objects."""
    usable = all(type(number) is int and number >= 1 for number in numbers)
    return usable and len(set(numbers)) == len(numbers)


def _is_negative(shape: Mapping[str, Any]) -> bool:
    """Whether a point is marked as lying off the object."""
    flags = shape.get("flags") or {}
    return bool(flags.get(_NEGATIVE)) or shape.get("description") == _NEGATIVE


def _pixels(shape: Mapping[str, Any], size: tuple[int, int], path: Path) -> Counts | None:
    """The pixels that a shape covers; None for points, lines and unknown shapes."""
    kind = shape.get("shape_type") or "polygon"
    points = np.array(shape["points"], np.float64)
    if kind == "rectangle" and points.shape == (2, 2):
        (x0, y0), (x1, y1) = points
        return fill_polygons([[[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]]], size)
    if kind in _OUTLINES and len(points) > 2:
        return fill_polygons([[points]], size)
    if kind == "circle" and points.shape == (2, 2):
        angles = np.linspace(0, 2 * math.pi, _CIRCLE_CORNERS, endpoint=False)
        radius = math.dist(points[0], points[1])
        ring = points[0] + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
        return fill_polygons([[ring]], size)
    if kind == "mask" and points.shape == (2, 2):
        return _painted(shape["mask"], points, size, path)
    return None


def _painted(text: str, points: NDArray[np.float64], size: tuple[int, int], path: Path) -> Counts:
    """The pixels of a mask shape: a small PNG, placed by its upper left corner."""
    from PIL import Image as Pillow

    with Pillow.open(io.BytesIO(base64.b64decode(text)), formats=("PNG",)) as image:
        check_fits(check_size(*image.size), 4, f"A mask of {path}", "draw polygons")
        pixels = np.asarray(image.convert("L")) > 0
    left, top = (int(v) for v in points[0])
    inside = pixels[max(0, -top) : max(0, size[0] - top), max(0, -left) : max(0, size[1] - left)]
    if not inside.size:
        return fill_polygons([], size)
    return counts_of_crop(ObjectCrop(inside, max(top, 0), max(left, 0)), size)


def _sniff(file: MaskFile) -> bool:
    data = file.json
    if not isinstance(data, dict):
        return False
    return "shapes" in data and ("imageHeight" in data or "imagePath" in data)


def _images_in(file: MaskFile) -> list[tuple[str | None, str | None]]:
    return [(None, file.json.get("imagePath"))]


FORMAT = MaskFormat(
    name="labelme",
    title="LabelMe JSON",
    suffixes=(".json",),
    write=save,
    read=load,
    read_prompts=read_prompts,
    dataset_images="",
    sniff=_sniff,
    images_in=_images_in,
    ending=".labelme.json",
    keeps_empty=False,
)
