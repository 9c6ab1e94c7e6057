"""Objects and masks as JSON: facts, and outlines or run lengths."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Collection
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.masks.objects import ObjectCrop, boxed, counts_of_crop
from anymask.masks.polygons import polygons_of
from anymask.masks.rle import compress
from anymask.session import LayerKey, ObjectInfo, Preview, Session

Form = Literal["outline", "rle", "none"]
# Outlines in memory, and numbers in all of them.
_MOST_OUTLINES, _MOST_NUMBERS = 20_000, 20_000_000

Rings = list[list[int]]


class Outlines:
    """Outlines of masks; those of masks that were outlined before are remembered.

    A step or a slider changes few objects of many.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Rings] = OrderedDict()
        self._numbers = 0
        self._guard = threading.Lock()

    def of(self, crop: ObjectCrop, step: int = 1, origin: tuple[int, int] = (0, 0)) -> Rings:
        """Return the rings of a mask, each [x0, y0, x1, y1, …] along the sides of its pixels.

        A pixel belongs to the mask if an odd number of rings hold its centre.

        Parameters
        ----------
        crop : ObjectCrop
        step : int
            Image pixels that a pixel of the mask stands for, in both directions.
        origin : tuple of int
            x and y of the mask's frame in the image.
        """
        facts = (crop.top, crop.left, crop.pixels.shape, step, origin)
        digest = hashlib.blake2b(repr(facts).encode(), digest_size=16)
        digest.update(np.packbits(crop.pixels).tobytes())
        key = digest.digest()
        with self._guard:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        shift = np.array([crop.left, crop.top])
        rings = [
            ((ring + shift) * step + origin).ravel().tolist()
            for polygon in polygons_of(crop.pixels)
            for ring in polygon
        ]
        with self._guard:
            if key not in self._known:
                self._known[key] = rings
                self._numbers += sum(map(len, rings))
            while len(self._known) > _MOST_OUTLINES or self._numbers > _MOST_NUMBERS:
                _, old = self._known.popitem(last=False)
                self._numbers -= sum(map(len, old))
        return rings


def objects_of(
    session: Session,
    layer: LayerKey,
    outlines: Outlines,
    plane: int = 0,
    form: Form = "outline",
    ids: Collection[int] | None = None,
) -> dict[str, Any]:
    """Return the objects of a layer (of one plane) as JSON data, with the layer's revision.

    Parameters
    ----------
    session, layer
    outlines : Outlines
    plane : int
    form : {"outline", "rle", "none"}
        How the mask of each is given.
    ids : collection of int, optional
        Only these, those of them that are there.
    """
    with session.layers.held_at(layer) as revision:
        labels = session.layers.labels(layer, plane)
        size = labels.shape
        known = session.layers.ids(layer)
        facts = []
        for label in known if ids is None else sorted(set(ids).intersection(known)):
            box = session.layers.box(layer, label)
            crop = _crop_of(labels, label, box[-2:])
            if crop is not None:
                facts.append((label, session.layers.info(layer, label), crop))
        history = _history(session, layer)
    objects = [_object(label, info, crop) for label, info, crop in facts]
    if form != "none":
        for each, (_, _, crop) in zip(objects, facts, strict=True):
            each |= mask_of(crop, (size[0], size[1]), form, outlines)
    return {"revision": revision, **history, "objects": objects}


def label_objects(labels: NDArray[Any], outlines: Outlines) -> list[dict[str, Any]]:
    """Return the objects of a label image (H, W), without facts, with outlines."""
    from scipy import ndimage

    found = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        crop = None if box is None else _crop_of(labels, label, box)
        if crop is not None:
            found.append({"id": label, "outline": outlines.of(crop)})
    return found


def mask_of(
    crop: ObjectCrop, size: tuple[int, int], form: Form, outlines: Outlines
) -> dict[str, Any]:
    """Return a mask as JSON data: {"outline": rings} or {"rle": COCO's compressed run lengths}."""
    if form == "outline":
        return {"outline": outlines.of(crop)}
    return {"rle": compress(counts_of_crop(crop, size), size)}


def candidates_of(preview: Preview, size: tuple[int, int], form: Form, outlines: Outlines) -> Any:
    """Return the masks of a preview as JSON data, each with its score."""
    answers = []
    for index, score in enumerate(preview.scores.tolist()):
        one = preview.choose(index)
        answer: dict[str, Any] = {"score": round(float(score), 4)}
        crop = boxed(one.shown)
        answer["area"] = int(np.count_nonzero(crop.pixels)) * preview.region.step**2
        if form == "outline":
            region = preview.region
            answer["outline"] = outlines.of(crop, region.step, (region.left, region.top))
        elif form == "rle":
            whole = one.mask if crop.pixels.size else ObjectCrop(np.zeros((1, 1), bool), 0, 0)
            answer["rle"] = compress(counts_of_crop(whole, size), size)
        answers.append(answer)
    return answers


def _history(session: Session, layer: LayerKey) -> dict[str, Any]:
    return {
        "state": session.layers.state(layer),
        "undo": session.edits.can_undo(layer),
        "redo": session.edits.can_redo(layer),
    }


def _object(label: int, info: ObjectInfo, crop: ObjectCrop) -> dict[str, Any]:
    height, width = crop.pixels.shape
    return {
        "id": label,
        "class": info.class_name,
        "score": _known(info.predicted_iou),
        "stability": _known(info.stability_score),
        "reviewed": info.reviewed,
        "origin": info.origin,
        "area": int(np.count_nonzero(crop.pixels)),
        "box": [crop.left, crop.top, width, height],
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _crop_of(labels: NDArray[Any], label: int, box: tuple[slice, ...]) -> ObjectCrop | None:
    """Return an object of a label image; None if it has no pixel in the box."""
    rows, columns = box
    crop = boxed(labels[rows, columns] == label)
    if not crop.pixels.size:
        return None
    return ObjectCrop(crop.pixels, rows.start + crop.top, columns.start + crop.left)
