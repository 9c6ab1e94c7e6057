"""Maps of classes of pixels: measured against the true classes, and compared between two models.

Every image has the same weight, whatever its size. IoU and Dice of a class are computed over all
pixels of a set's images together, and then averaged over sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.datasets.types import Example
from anymask.errors import AnymaskError
from anymask.evaluation.compare import (
    Difference,
    Figure,
    GroupOf,
    Pair,
    difference,
    drawn_together,
    ratio,
)
from anymask.evaluation.metrics import Reliability, reliability
from anymask.model.sam import Sam
from anymask.predict.class_map import class_map
from anymask.predict.predictor import SamPredictor

Floats = NDArray[np.float64]

MAP_SIZE = 320
"""Approximate longest side of the maps that are kept for display."""


@dataclass(frozen=True, eq=False)
class ClassMapRecord:
    """The measured class map of one image.

    Attributes
    ----------
    set_name, image : str
    overlap, answered, true : (K,) float arrays
        Fraction of the image per class: intersection of prediction and truth, prediction, truth.
    predicted_iou : (K,) float array
        The model's own estimates; NaN without a model.
    labels : (h, w) unsigned array
        The map, reduced for display; 0 is background.
    """

    set_name: str
    image: str
    overlap: Floats
    answered: Floats
    true: Floats
    predicted_iou: Floats
    labels: NDArray[Any]

    @property
    def ious(self) -> Floats:
        """IoU of each class in this image; NaN for classes neither present nor predicted."""
        with np.errstate(invalid="ignore"):
            quotient: Floats = self.overlap / (self.answered + self.true - self.overlap)
        return quotient

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that are present or predicted; 1 if there are none."""
        known = self.ious[~np.isnan(self.ious)]
        return float(known.mean()) if len(known) else 1.0


def class_numbers(examples: Sequence[Example], classes: Sequence[str]) -> dict[int, int]:
    """Map the class ids of examples to indices into `classes`, by name; -1 means no class.

    Raises
    ------
    AnymaskError
        If the examples have a class that is not in `classes`.
    """
    own = tuple(getattr(examples, "classes", ()) or ()) or tuple(classes)
    unknown = [name for name in own if name not in classes]
    if unknown:
        raise AnymaskError(
            f"The images have the class {unknown[0]!r}, but the model was trained for "
            f"{', '.join(map(repr, classes))}; give images of these classes."
        )
    return {-1: -1, **{number: list(classes).index(name) for number, name in enumerate(own)}}


def true_masks(example: Example, number_of: Mapping[int, int], classes: int) -> NDArray[np.bool_]:
    """Return the mask of each class, (K, H, W)."""
    masks = np.zeros((classes, *example.image.shape[:2]), bool)
    for mask, own in zip(
        example.masks, example.class_ids or (0,) * len(example.masks), strict=True
    ):
        if number_of[own] >= 0:
            masks[number_of[own]] |= mask
    return masks


def called(record: ClassMapRecord, number: int) -> ClassMapRecord:
    """Return the record of a map in which every pixel has the same class."""
    alone = np.zeros_like(record.true)
    alone[number] = 1.0
    return replace(
        record,
        overlap=record.true * alone,
        answered=alone,
        predicted_iou=np.full_like(alone, np.nan),
        labels=np.full_like(record.labels, number + 1),
    )


def class_reliability(records: Sequence[ClassMapRecord]) -> Reliability:
    """Compare predicted and true IoU of the classes that are present in each image."""
    seen = [(record, k) for record in records for k in np.flatnonzero(record.true)]
    predicted, true = (
        [float(getattr(r, n)[k]) for r, k in seen] for n in ("predicted_iou", "ious")
    )
    return reliability(predicted, true, [1.0] * len(seen))


def map_classes(
    sam: Sam, examples: Iterable[Example], number_of: Mapping[int, int], classes: int
) -> list[ClassMapRecord]:
    """Predict the class map of every image and measure it.

    Parameters
    ----------
    sam : Sam
        Trained for these classes.
    examples : iterable of Example
    number_of : mapping
        From the class ids of the examples to class indices; see `class_numbers`.
    classes : int
        Number of classes.
    """
    predictor, records = SamPredictor(sam), []
    for example in examples:
        predictor.set_image(example.image)
        labels = class_map(predictor, classes)
        height, width = labels.shape
        whole = np.array([0, 0, width - 1, height - 1])
        _, predicted, _ = predictor.predict(box=whole, multimask_output=classes > 1)
        true = true_masks(example, number_of, classes)
        answered = labels == np.arange(1, classes + 1)[:, None, None]
        records.append(
            ClassMapRecord(
                example.set_name,
                example.name,
                (answered & true).mean((1, 2)),
                answered.mean((1, 2)),
                true.mean((1, 2)),
                np.asarray(predicted[:classes], np.float64),
                _reduced(labels),
            )
        )
    return records


def most_common_class(records: Sequence[ClassMapRecord]) -> int:
    """Return the class with the largest mean area; every set has the same weight."""
    sets = {record.set_name for record in records}
    shares = [np.mean([r.true for r in records if r.set_name == name], 0) for name in sets]
    return int(np.mean(shares, 0).argmax())


def compare_classes(
    before: Sequence[ClassMapRecord],
    after: Sequence[ClassMapRecord],
    classes: Sequence[int],
    figure: str = "IoU",
    *,
    group: GroupOf | None = None,
    seed: int = 0,
) -> Difference:
    """Compare two maps of each image by the mean IoU or Dice over some classes.

    Parameters
    ----------
    before, after : sequences of ClassMapRecord
        Of the same images in the same order.
    classes : sequence of int
        Which classes; in each set, those present in its images count.
    figure : {"IoU", "Dice"}
    group : callable, optional
        As in `compare_objects`.
    seed : int
    """
    measure: Callable[[Floats], Figure] = {"IoU": _iou, "Dice": _dice}[figure]
    keys = [(record.set_name, record.image) for record in after]
    pairs = []
    for members in drawn_together(keys, group).values():
        here = [k for k in classes if any(after[i].true[k] for unit in members for i in unit)]
        if here:
            means = [
                _mean([measure(_sums(records, members, k)) for k in here])
                for records in (before, after)
            ]
            pairs.append(Pair(len(members), *means))
    return difference(pairs, seed)


def _reduced(labels: NDArray[Any]) -> NDArray[Any]:
    """Take every n-th pixel, so that the longest side is about `MAP_SIZE`."""
    step = max(1, round(max(labels.shape[:2]) / MAP_SIZE))
    return labels[::step, ::step].copy()


def _sums(records: Sequence[ClassMapRecord], members: list[list[int]], k: int) -> Floats:
    """Return intersection, prediction and truth of a class, (3, units)."""
    return np.array(
        [
            [sum(getattr(records[i], name)[k] for i in unit) for unit in members]
            for name in ("overlap", "answered", "true")
        ]
    )


def _iou(sums: Floats) -> Figure:
    overlap, answered, true = sums
    return ratio(overlap, answered + true - overlap)


def _dice(sums: Floats) -> Figure:
    overlap, answered, true = sums
    return ratio(2 * overlap, answered + true)


def _mean(figures: Sequence[Figure]) -> Figure:
    """Return the mean of several figures; classes missing from a draw are ignored."""

    def figure(draws: NDArray[np.int64]) -> Floats:
        values = np.array([of_class(draws) for of_class in figures])
        known = ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            mean: Floats = np.where(known, values, 0).sum(0) / known.sum(0)
        return mean

    return figure
