"""Masks found once by "everything" (see `found_once`), compared with the true masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.datasets.packed_masks import PackedMasks
from anymask.datasets.types import Example
from anymask.evaluation.object_matching import Overlaps, pairwise_iou
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import Counts, compress
from anymask.model.config import EverythingConfig
from anymask.model.sam import Sam
from anymask.predict.everything.found_once import find, kept, passing, suppress

__all__ = ["Candidates", "Labels", "find_candidates", "is_judged", "suppress"]

Labels = Literal["complete", "sparse"]

# Where labels are sparse, a found mask is judged if at least this share of it is labelled.
_ABOUT_LABELLED = 0.5


@dataclass
class Candidates:
    """Masks found in one image at permissive thresholds, highest predicted IoU first.

    Attributes
    ----------
    set_name, name : str
        The example.
    masks : MaskSet
        N masks, before suppression and cleaning.
    true : tuple of arrays
        Run lengths of the M true masks.
    iou : (N, M) float64 array
    judged : (N,) bool array
        Whether a mask is a mistake if it matches no true mask. With complete labels: all masks.
        With sparse labels: masks that lie mostly on labelled objects.
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
        """Whether each mask (N,) reaches the scores that a configuration requires."""
        return passing(self.masks, config)

    def kept(self, config: EverythingConfig) -> MaskSet:
        """Return the masks that the generator would return with a configuration.

        The stability offset is that of the candidates. Thresholds must not be below those of the
        candidates.
        """
        return kept(self.masks, config, self._cleaned)

    def overlaps(self, found: MaskSet) -> tuple[Overlaps, NDArray[np.bool_]]:
        """Compare masks with the true ones; also return which are `judged`."""
        iou = pairwise_iou(found.counts, self.true, found.image_size)
        scores = np.nan_to_num(np.stack([found.predicted_iou, found.stability_score])).mean(0)
        return Overlaps(iou, scores), is_judged(found, self.true, self.labels)

    def only(self, wanted: NDArray[np.bool_]) -> Candidates:
        """Return a subset of the candidates, such as those that any threshold of interest keeps."""
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
        The lowest thresholds that will be needed, and the stability offset. Its NMS and area are
        not used.
    labels : {"complete", "sparse"}
        Whether all objects of the image are labelled, or only some.
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
    """Whether each found mask is a mistake if it matches no true mask, (N,).

    With sparse labels, a mask of an unlabelled thing is no mistake. But if at least half of a mask
    lies on labelled objects and it matches none, it is a fragment or a duplicate.
    """
    from pycocotools import mask as coco_mask

    if labels == "complete" or not len(found):
        return np.ones(len(found), bool)
    if not true:
        return np.zeros(len(found), bool)
    size = found.image_size
    union = coco_mask.merge([compress(counts, size) for counts in true])
    packed = [compress(counts, size) for counts in found.counts]
    # For a "crowd", pycocotools divides the intersection by the area of the found mask.
    inside = np.asarray(coco_mask.iou(packed, [union], [1]), np.float64).reshape(len(found))
    judged: NDArray[np.bool_] = inside >= _ABOUT_LABELLED
    return judged
