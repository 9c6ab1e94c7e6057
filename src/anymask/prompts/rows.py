"""What a file says row by row, shape by shape: collected to `Prompts`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anymask.errors import PromptError
from anymask.prompts.placing import Size
from anymask.prompts.prompts import PADDING, Prompts

_MOST_ID = 2**63 - 1


@dataclass(frozen=True)
class Part:
    """What a file says about one object in one place.

    Attributes
    ----------
    corners : sequence of (x, y)
        The corners of a box or another outline; the box goes around them. Empty for points.
    points : sequence of (x, y)
    label : int
        Of the points: 1 on the object, 0 off it.
    key : hashable, optional
        Parts of an image with the same key are one object; None is an object of its own.
    class_name : str
    image : str
        File name of the image; "" if the file does not say.
    """

    corners: Sequence[tuple[float, float]] | Any = ()
    points: Sequence[tuple[float, float]] | Any = ()
    label: int = 1
    key: Hashable | None = None
    class_name: str = ""
    image: str = ""


def collected(
    parts: Iterable[Part],
    *,
    image_sizes: Mapping[str, Size | None] | None = None,
    crs: str | None = None,
    one_box: bool = False,
) -> Prompts:
    """Collect parts to objects, in the order of their first parts.

    The key of an object is its id if all keys of its image are whole numbers of at least 1;
    otherwise the objects of the image are numbered 1, 2, ….

    Parameters
    ----------
    parts : iterable of Part
    image_sizes, crs
        As in `Prompts`.
    one_box : bool
        Refuse an object with two boxes, rather than draw one box around both.

    Raises
    ------
    PromptError
        If an object has two boxes and may not.

    Examples
    --------
    >>> prompts = collected([Part(points=[(4, 5)], key=7), Part(points=[(9, 9)], label=0, key=7)])
    >>> prompts.ids, prompts.point_labels
    (array([7]), array([[1, 0]]))
    """
    objects: dict[tuple[str, Hashable], list[Part]] = {}
    for number, part in enumerate(parts):
        alone_or_key = ("alone", number) if part.key is None else ("key", part.key)
        objects.setdefault((part.image, alone_or_key), []).append(part)
    if one_box:
        _check_one_box(objects)
    count = len(objects)
    boxes = np.full((count, 4), np.nan)
    outlines: list[Any] = [None] * count
    points: list[list[tuple[float, float, int]]] = []
    names, images, keys = [], [], []
    for row, ((image, _), own) in enumerate(objects.items()):
        corners = [np.asarray(part.corners, np.float64) for part in own if len(part.corners)]
        if corners:
            outline = np.concatenate(corners)
            boxes[row] = *outline.min(0), *outline.max(0)
            outlines[row] = outline
        points.append([(x, y, part.label) for part in own for x, y in part.points])
        names.append(next((part.class_name for part in own if part.class_name), ""))
        images.append(image)
        keys.append(own[0].key)
    most = max(map(len, points), default=0)
    coords, labels = np.full((count, most, 2), np.nan), np.full((count, most), PADDING)
    for row, own_points in enumerate(points):
        for at, (x, y, label) in enumerate(own_points):
            coords[row, at], labels[row, at] = (x, y), label
    return Prompts(
        boxes,
        coords,
        labels,
        class_names=names,
        ids=_ids(images, keys),
        images=images,
        image_sizes=image_sizes,
        crs=crs,
        outlines=None if crs is None else outlines,
    )


def _ids(images: Sequence[str], keys: Sequence[Hashable | None]) -> np.ndarray:
    """The keys of each image as ids, or 1, 2, … where they cannot be."""
    rows: dict[str, list[int]] = {}
    for row, image in enumerate(images):
        rows.setdefault(image, []).append(row)
    ids = np.zeros(len(images), np.int64)
    for own in rows.values():
        given = [_number(keys[row]) for row in own]
        usable = all(given) and len(set(given)) == len(given)
        ids[own] = given if usable else np.arange(1, len(own) + 1)
    return ids


def _number(key: Hashable | None) -> int:
    """A key as an id; 0 if it cannot be one."""
    if isinstance(key, str) and key.isascii() and key.isdecimal():
        key = int(key)
    return key if type(key) is int and 1 <= key <= _MOST_ID else 0


def _check_one_box(objects: Mapping[tuple[str, Hashable], Sequence[Part]]) -> None:
    for (image, _), own in objects.items():
        if sum(bool(len(part.corners)) for part in own) > 1:
            where = f" of {image}" if image else ""
            raise PromptError(
                f"The object {own[0].key}{where} has two boxes; give each object its own id."
            )
