"""Maps of classes of held-out images, measured one by one against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.datasets.types import Example
from anymask.errors import AnymaskError
from anymask.evaluation.metrics import Reliability, reliability
from anymask.evaluation.pictures import PICTURE_SIZE
from anymask.model.sam import Sam
from anymask.predict.class_map import class_map
from anymask.predict.predictor import SamPredictor
from anymask.training.finetune.progress import Progress
from anymask.training.verdict import watched

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassRecord:
    """A map of classes of one image, measured.

    Attributes
    ----------
    set_name, image : str
    overlap, answered, true : (K,) float arrays
        Shares of the image: where answer and truth agree on the class, where the answer has it,
        and where it is.
    predicted_iou : (K,) float array
        The model's own estimates; NaN if there is no model.
    labels : (h, w) unsigned array
        The map in few pixels, for pictures; 0 is background.
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
        """IoU of each class in this image; NaN where it neither is nor is answered."""
        with np.errstate(invalid="ignore"):
            quotient: Floats = self.overlap / (self.answered + self.true - self.overlap)
        return quotient

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that are in the image or in the answer; 1 if none is."""
        known = self.ious[~np.isnan(self.ious)]
        return float(known.mean()) if len(known) else 1.0


def class_numbers(examples: Sequence[Example], classes: Sequence[str]) -> dict[int, int]:
    """From the class ids of examples to indices into `classes`, by name; -1 is none.

    Raises
    ------
    AnymaskError
        If the examples come with a class that is not among `classes`.
    """
    own = tuple(getattr(examples, "classes", ()) or ()) or tuple(classes)
    unknown = [name for name in own if name not in classes]
    if unknown:
        raise AnymaskError(
            f"The images have the class {unknown[0]!r}, and the model was trained for "
            f"{', '.join(map(repr, classes))}; give images of these classes."
        )
    return {-1: -1, **{number: list(classes).index(name) for number, name in enumerate(own)}}


def true_masks(example: Example, number_of: Mapping[int, int], classes: int) -> NDArray[np.bool_]:
    """Where each class is, (K, H, W)."""
    masks = np.zeros((classes, *example.image.shape[:2]), bool)
    for mask, own in zip(
        example.masks, example.class_ids or (0,) * len(example.masks), strict=True
    ):
        if number_of[own] >= 0:
            masks[number_of[own]] |= mask
    return masks


def called(record: ClassRecord, number: int) -> ClassRecord:
    """What the image would have been measured with every pixel of one class."""
    alone = np.zeros_like(record.true)
    alone[number] = 1.0
    return replace(
        record,
        overlap=record.true * alone,
        answered=alone,
        predicted_iou=np.full_like(alone, np.nan),
        labels=np.full_like(record.labels, number + 1),
    )


def class_reliability(records: Sequence[ClassRecord]) -> Reliability:
    """Predicted against true IoU of the classes that are in each image."""
    seen = [(record, k) for record in records for k in np.flatnonzero(record.true)]
    predicted, true = (
        [float(getattr(r, n)[k]) for r, k in seen] for n in ("predicted_iou", "ious")
    )
    return reliability(predicted, true, [1.0] * len(seen))


def map_classes(
    sam: Sam,
    examples: Sequence[Example],
    number_of: Mapping[int, int],
    classes: int,
    what: str,
    progress: Progress,
) -> list[ClassRecord]:
    """Let a model mark the classes of every image, and measure what it marked."""
    predictor, records = SamPredictor(sam), []
    for example in watched(examples, what, progress):
        predictor.set_image(example.image)
        labels = class_map(predictor, classes)
        height, width = labels.shape
        whole = np.array([0, 0, width - 1, height - 1])
        _, predicted, _ = predictor.predict(box=whole, multimask_output=classes > 1)
        true = true_masks(example, number_of, classes)
        answered = labels == np.arange(1, classes + 1)[:, None, None]
        records.append(
            ClassRecord(
                example.set_name,
                example.name,
                (answered & true).mean((1, 2)),
                answered.mean((1, 2)),
                true.mean((1, 2)),
                np.asarray(predicted[:classes], np.float64),
                shrunk(labels),
            )
        )
    return records


def shrunk(labels: NDArray[Any]) -> NDArray[Any]:
    """Every n-th pixel, so that the longest side is about `PICTURE_SIZE`."""
    step = max(1, round(max(labels.shape[:2]) / PICTURE_SIZE))
    return labels[::step, ::step].copy()
