"""What the kernel answers: masks of prompts, and everything in the image."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.notebook.runs import joined, runs_of
from anymask.predict.everything.found_once import find
from anymask.predict.predictor import SamPredictor

if TYPE_CHECKING:
    from anymask.model.sam import Sam

Answer = tuple[list[dict[str, float]], NDArray[np.int32]]
"""Facts of masks, with the length of their runs, and the runs of all."""


class StoppedError(Exception):
    """The page cancelled a run."""


class Answers:
    """Answers about one image, which is encoded when first needed.

    Parameters
    ----------
    sam : Sam
    pixels : (H, W, 3) uint8 array
        RGB.
    """

    def __init__(self, sam: Sam, pixels: NDArray[np.uint8]) -> None:
        self._sam, self._pixels = sam, pixels
        self._predictor: SamPredictor | None = None
        self._guard = threading.Lock()

    @property
    def config(self) -> dict[str, Any]:
        """What the page must know of the model."""
        config = self._sam.config
        return {"image_size": config.image_size, "everything": asdict(config.everything)}

    def prepare(self) -> SamPredictor:
        """Encode the image, unless it is."""
        with self._guard:
            if self._predictor is None:
                predictor = SamPredictor(self._sam)
                predictor.set_image(self._pixels)
                self._predictor = predictor
            return self._predictor

    def predict(self, points: list, labels: list, box: list | None) -> Answer:
        """Return three masks of a single point, else one; coordinates as in `SamPredictor`."""
        masks, scores, _ = self.prepare().predict(
            np.array(points, np.float64) if points else None,
            np.array(labels) if points else None,
            None if box is None else np.array(box, np.float64),
            multimask_output=len(points) == 1 and box is None,
        )
        return _answer(masks, [{"score": float(score)} for score in scores])

    def everything(
        self, points_per_side: int, limits: Mapping[str, float], progress: Callable[[float], None]
    ) -> Answer:
        """Return all masks above thresholds, without suppression."""
        own = self._sam.config.everything
        loosest = replace(
            own, pred_iou_thresh=limits["pred_iou"], stability_score_thresh=limits["stability"]
        )

        def advance(done: int, total: int) -> None:
            progress(done / total)

        found = find(
            self._sam, self._pixels, loosest, progress=advance, points_per_side=points_per_side
        )
        most = own.max_mask_share * self._pixels.shape[0] * self._pixels.shape[1]
        found = found.select(np.flatnonzero((found.areas > 0) & (found.areas <= most)))
        columns = zip(found.predicted_iou, found.stability_score, strict=True)
        facts = [{"score": float(iou), "stability": float(s)} for iou, s in columns]
        return _answer(found, facts)


def _answer(masks: Any, facts: list[dict[str, float]]) -> Answer:
    runs = [runs_of(np.asarray(mask, bool)) for mask in masks]
    for own, some in zip(facts, runs, strict=True):
        own |= {"length": len(some), "area": int((some[1::2] - some[::2]).sum())}
    return facts, joined(runs)
