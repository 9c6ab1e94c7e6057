"""Masks that "everything" found once (see `found_once`), compared with the true masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.datasets.packed_masks import PackedMasks
from anymask.datasets.types import Example
from anymask.evaluation.matching import Overlaps, pairwise_iou
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import Counts, compress
from anymask.model.config import EverythingConfig
from anymask.model.sam import Sam
from anymask.predict.everything.found_once import find, kept, passing, suppress

__all__ = ["Candidates", "Labels", "find_candidates", "is_judged", "suppress"]

Labels = Literal["complete", "sparse"]

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
        return passing(self.masks, config)

    def kept(self, config: EverythingConfig) -> MaskSet:
        """Return the masks that the generator returns with a configuration.

        The stability offset is that of the candidates, and the thresholds must not be below
        theirs.
        """
        return kept(self.masks, config, self._cleaned)

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
    masks = find(sam, example.image, loosest, **options)
    true = PackedMasks.of(example.masks).counts
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
