""" "Everything": the masks that a model finds in images by itself, scored against true masks.

Data sets hardly ever label everything, so that precision (AP, F1) also punishes masks of real
things nobody labelled; recall and best overlap do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.data import Example
from anymask.evaluation.matching import (
    Overlaps,
    average_precision,
    average_recall,
    matched_f1,
    mean_best_overlap,
    pairwise_iou,
)
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import counts_of

Generate = Callable[[NDArray[np.uint8]], MaskSet]


@dataclass(frozen=True)
class EverythingRecord:
    """All masks of one image, scored.

    Attributes
    ----------
    set_name, image : str
        The example.
    overlaps : Overlaps
    """

    set_name: str
    image: str
    overlaps: Overlaps


def evaluate_everything(generate: Generate, examples: Iterable[Example]) -> list[EverythingRecord]:
    """Find all masks of images and compare them with the true ones.

    Parameters
    ----------
    generate : callable
        From an (H, W, 3) uint8 image to a `MaskSet`, for example
        ``SamAutomaticMaskGenerator(sam).generate_masks``.
    examples : iterable of Example
        Those without true masks are passed over.

    Returns
    -------
    list of EverythingRecord
        Masks are ranked by the mean of predicted IoU and stability (arXiv 2304.02643, appendix
        D.3).
    """
    records = []
    for example in examples:
        if not len(example.masks):
            continue
        found = generate(example.image)
        true = [counts_of(mask) for mask in example.masks]
        iou = pairwise_iou(found.counts, true, found.image_size)
        known = np.stack([found.predicted_iou, found.stability_score])
        known = np.where(np.isnan(known), 0, known)
        overlaps = Overlaps(iou, known.mean(0))
        records.append(EverythingRecord(example.set_name, example.name, overlaps))
    return records


def everything_figures(records: Sequence[EverythingRecord]) -> dict[str, dict[str, float]]:
    """Figures of each set.

    Returns
    -------
    dict
        By set: "average_recall" (at most 1,000 masks an image, IoU .5 to .95), "ap50", "ap75",
        "mean_best_overlap", "f1_50" and "masks_per_image".
    """
    by_set: dict[str, list[Overlaps]] = {}
    for record in records:
        by_set.setdefault(record.set_name, []).append(record.overlaps)
    return {
        set_name: {
            "average_recall": average_recall(images),
            "ap50": average_precision(images, 0.5),
            "ap75": average_precision(images, 0.75),
            "mean_best_overlap": mean_best_overlap(images),
            "f1_50": matched_f1(images),
            "masks_per_image": float(np.mean([len(image.iou) for image in images])),
        }
        for set_name, images in by_set.items()
    }
