""" "Everything": masks that a model finds in images without prompts, scored against true masks.

Data sets rarely label everything, so precision (AP, F1) also punishes masks of real but unlabelled
things; recall and best overlap do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anymask.datasets.packed_masks import PackedMasks
from anymask.datasets.types import Example
from anymask.evaluation.object_matching import (
    Overlaps,
    average_precision,
    average_recall,
    matched_f1,
    mean_best_overlap,
    pairwise_iou,
)
from anymask.evaluation.records import spread_over_sets
from anymask.masks.mask_set import MaskSet

Generate = Callable[[NDArray[np.uint8]], MaskSet]


@dataclass(frozen=True)
class EverythingRecord:
    """All masks of one image and their scores.

    Attributes
    ----------
    set_name, image : str
        The example.
    overlaps : Overlaps
    masks : MaskSet or None
        The masks found, if they were kept.
    """

    set_name: str
    image: str
    overlaps: Overlaps
    masks: MaskSet | None = None

    @cached_property
    def figures(self) -> dict[str, float]:
        """The figures of this image alone, named as in `everything_figures`."""
        return _figures_of([self.overlaps])


def evaluate_everything(
    generate: Generate, examples: Iterable[Example], keep_masks: int = 0
) -> list[EverythingRecord]:
    """Find all masks of images and compare them with the true ones.

    Parameters
    ----------
    generate : callable
        Maps an (H, W, 3) uint8 image to a `MaskSet`, for example
        ``SamAutomaticMaskGenerator(sam).generate_masks``.
    examples : iterable of Example
        Examples without true masks are skipped.
    keep_masks : int
        Masks are kept for this many of the worst and of the best images, as chosen by
        `extremes_of_everything`. Other masks are dropped as soon as possible, to save memory.

    Returns
    -------
    list of EverythingRecord
        Masks are ranked by the mean of predicted IoU and stability (arXiv 2304.02643, appendix
        D.3).
    """
    records: list[EverythingRecord] = []
    kept: list[int] = []  # indices of records that still have their masks
    for example in examples:
        if not len(example.masks):
            continue
        found = generate(example.image)
        iou = pairwise_iou(found.counts, PackedMasks.of(example.masks).counts, found.image_size)
        known = np.stack([found.predicted_iou, found.stability_score])
        known = np.where(np.isnan(known), 0, known)
        overlaps = Overlaps(iou, known.mean(0))
        record = EverythingRecord(example.set_name, example.name, overlaps)
        if keep_masks:
            record = replace(record, masks=found)
            kept.append(len(records))
        records.append(record)
        kept = _forget_all_but_extremes(records, kept, keep_masks)
    return records


def _forget_all_but_extremes(
    records: list[EverythingRecord], kept: Sequence[int], count: int
) -> list[int]:
    """Drop the masks of records that are not shown; return the indices of the others.

    A record that is not among the extremes now cannot become one as more images are added.
    """
    with_masks = [records[i] for i in kept]
    chosen = {
        id(record)
        for worst in (True, False)
        for record in extremes_of_everything(with_masks, count, worst=worst)
    }
    left = [i for i in kept if id(records[i]) in chosen]
    for i in kept:
        if i not in left:
            records[i] = replace(records[i], masks=None)
    return left


def extremes_of_everything(
    records: Sequence[EverythingRecord], count: int, *, worst: bool
) -> list[EverythingRecord]:
    """Choose the images with the lowest or the highest mean best overlap, from several sets.

    Best overlap is used because it does not punish masks of unlabelled things.
    """
    sign = 1 if worst else -1
    ranked = sorted(
        records, key=lambda r: (sign * r.figures["mean_best_overlap"], r.set_name, r.image)
    )
    return spread_over_sets(ranked, count)


def everything_figures(records: Sequence[EverythingRecord]) -> dict[str, dict[str, float]]:
    """Figures of each set.

    Returns
    -------
    dict
        By set: "average_recall" (at most 1,000 masks per image, IoU .5 to .95), "ap50", "ap75",
        "mean_best_overlap", "f1_50" and "masks_per_image".
    """
    by_set: dict[str, list[Overlaps]] = {}
    for record in records:
        by_set.setdefault(record.set_name, []).append(record.overlaps)
    return {set_name: _figures_of(images) for set_name, images in by_set.items()}


def _figures_of(images: Sequence[Overlaps]) -> dict[str, float]:
    return {
        "average_recall": average_recall(images),
        "ap50": average_precision(images, 0.5),
        "ap75": average_precision(images, 0.75),
        "mean_best_overlap": mean_best_overlap(images),
        "f1_50": matched_f1(images),
        "masks_per_image": float(np.mean([len(image.iou) for image in images])),
    }
