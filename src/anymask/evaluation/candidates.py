"""All masks that "everything" could return for an image, found once and kept.

What `SamAutomaticMaskGenerator` returns at given thresholds is a part of what it returns at
permissive ones. So an image is segmented once, and thresholds are then tried on what was found,
without the network: `kept` gives the very masks that the generator would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.data import Example
from anymask.evaluation.matching import Overlaps, pairwise_iou
from anymask.masks.mask_set import MaskSet
from anymask.masks.nms import box_iou
from anymask.masks.rle import Counts, compress, counts_of
from anymask.model.config import EverythingConfig
from anymask.model.sam import Sam
from anymask.predict.automatic import SamAutomaticMaskGenerator, clean

Labels = Literal["complete", "sparse"]

# The generator cleans by this too, between the masks of crops; without crops it is its default.
_CROP_NMS = 0.7
# Of a found mask's pixels, so many on labelled objects make it a statement about them.
_ABOUT_LABELLED = 0.5


@dataclass
class Candidates:
    """Masks found in one image at permissive thresholds, best predicted IoU first.

    Attributes
    ----------
    set_name, name : str
        The example.
    masks : MaskSet
        N masks, none suppressed and none cleaned.
    true : tuple of arrays
        Run lengths of the M true masks.
    iou : (N, M) float64 array
    judged : (N,) bool array
        Which of the masks are mistakes if they match no true mask. Where all objects are
        labelled, all; where only some are, those that lie mostly on labelled ones.
    labels : {"complete", "sparse"}
    """

    set_name: str
    name: str
    masks: MaskSet
    true: tuple[Counts, ...]
    iou: NDArray[np.float64]
    judged: NDArray[np.bool_]
    labels: Labels
    _cleaned: dict[tuple[int, float], MaskSet] = field(default_factory=dict, repr=False)

    def passing(self, config: EverythingConfig) -> NDArray[np.bool_]:
        """Which masks (N,) have the scores that a configuration asks for."""
        # In float32, in which the scores were computed and compared.
        good = self.masks.predicted_iou.astype(np.float32) > np.float32(config.pred_iou_thresh)
        if config.pred_iou_thresh <= 0:
            good[:] = True
        if config.stability_score_thresh > 0:
            stability = self.masks.stability_score.astype(np.float32)
            good &= stability >= np.float32(config.stability_score_thresh)
        return good

    def kept(self, config: EverythingConfig) -> MaskSet:
        """Return the masks that the generator returns with a configuration.

        The stability offset is that of the candidates, and the thresholds must not be below
        theirs.
        """
        good = np.flatnonzero(self.passing(config))
        boxes = self.masks.boxes[good]
        chosen = good[suppress(conflicts(boxes, config.box_nms_thresh), np.ones(len(good), bool))]
        found = self.masks.select(chosen)
        area = config.min_mask_region_area
        if area <= 0:
            return found
        cleaned = [self._clean(int(i), area) for i in chosen]
        counts = tuple(c.counts[0] for c in cleaned)
        touched = [c is not self.masks.counts[i] for c, i in zip(counts, chosen, strict=True)]
        whole = replace(found, counts=counts)
        order = np.argsort(touched, kind="stable")
        limit = max(config.box_nms_thresh, _CROP_NMS)
        ordered = whole.select(order)
        return ordered.select(suppress(conflicts(ordered.boxes, limit), np.ones(len(order), bool)))

    def overlaps(self, found: MaskSet) -> tuple[Overlaps, NDArray[np.bool_]]:
        """Compare masks with the true ones; also say which are `judged`."""
        iou = pairwise_iou(found.counts, self.true, found.image_size)
        scores = np.nan_to_num(np.stack([found.predicted_iou, found.stability_score])).mean(0)
        return Overlaps(iou, scores), is_judged(found, self.true, self.labels)

    def only(self, wanted: NDArray[np.bool_]) -> Candidates:
        """Return some of the candidates: those that any thresholds of interest keep."""
        return replace(
            self,
            masks=self.masks.select(wanted),
            iou=self.iou[wanted],
            judged=self.judged[wanted],
            _cleaned={},
        )

    def _clean(self, index: int, area: float) -> MaskSet:
        """One mask cleaned, remembered."""
        key = (index, area)
        if key not in self._cleaned:
            self._cleaned[key] = clean(self.masks.select([index]), area, 1.0)
        return self._cleaned[key]


def find_candidates(
    sam: Sam,
    example: Example,
    loosest: EverythingConfig,
    labels: Labels = "complete",
    **options: Any,
) -> Candidates:
    """Segment an image at permissive thresholds.

    Parameters
    ----------
    sam : Sam
    example : Example
    loosest : EverythingConfig
        The least thresholds that will be asked for, and the stability offset. Its NMS and area
        play no part.
    labels : {"complete", "sparse"}
        Whether all objects of the image are labelled.
    **options
        Further options of `SamAutomaticMaskGenerator`, such as `points_per_side`.
    """
    generator = SamAutomaticMaskGenerator(
        sam,
        pred_iou_thresh=loosest.pred_iou_thresh,
        stability_score_thresh=loosest.stability_score_thresh,
        stability_score_offset=loosest.stability_score_offset,
        box_nms_thresh=1.0,
        min_mask_region_area=0,
        **options,
    )
    masks = generator.generate_masks(example.image)
    true = tuple(counts_of(mask) for mask in example.masks)
    return Candidates(
        example.set_name,
        example.name,
        masks,
        true,
        pairwise_iou(masks.counts, true, masks.image_size),
        is_judged(masks, true, labels),
        labels,
    )


def is_judged(found: MaskSet, true: Sequence[Counts], labels: Labels) -> NDArray[np.bool_]:
    """Which found masks are mistakes if they match no true one, (N,).

    Where only some objects are labelled, a mask of something else is no mistake; but one that
    lies by half or more on labelled objects and is none of them is: a fragment, a duplicate.
    """
    from pycocotools import mask as coco_mask

    if labels == "complete" or not len(found):
        return np.ones(len(found), bool)
    if not true:
        return np.zeros(len(found), bool)
    size = found.image_size
    union = coco_mask.merge([compress(counts, size) for counts in true])
    packed = [compress(counts, size) for counts in found.counts]
    # Against a "crowd" pycocotools divides the common area by the found mask's own.
    inside = np.asarray(coco_mask.iou(packed, [union], [1]), np.float64).reshape(len(found))
    judged: NDArray[np.bool_] = inside >= _ABOUT_LABELLED
    return judged


def conflicts(boxes: NDArray[np.int64], threshold: float) -> NDArray[np.bool_]:
    """Which boxes (N, 4) overlap which by more than a threshold, (N, N)."""
    rows = [box_iou(box, boxes).astype(np.float64) > threshold for box in boxes]
    return np.stack(rows) if rows else np.zeros((0, 0), bool)


def suppress(conflict: NDArray[np.bool_], alive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Greedy suppression of candidates that come best first; as `masks.nms` does it.

    Parameters
    ----------
    conflict : (N, N) bool array
        Which cannot stay beside which.
    alive : (N,) bool array
        Which take part.

    Returns
    -------
    (K,) int64 array
        Indices of those that stay, in order.
    """
    waiting = alive.copy()
    stay = []
    for index in np.flatnonzero(alive):
        if waiting[index]:
            stay.append(index)
            waiting &= ~conflict[index]
    return np.array(stay, np.int64)
