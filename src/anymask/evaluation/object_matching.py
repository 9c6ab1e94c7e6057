"""Figures for all masks of images at once: found masks are matched with true ones.

A found mask and a true one match if their IoU reaches a threshold; each matches at most once.
Recall, precision and their averages are COCO's, without classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from anymask.masks.rle import Counts, compress

COCO_THRESHOLDS = tuple(float(t) for t in np.linspace(0.5, 0.95, 10).round(2))
"""IoU thresholds .50, .55 … .95 over which recall is averaged."""

_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Overlaps:
    """Overlap of the masks found in an image with the true ones.

    Attributes
    ----------
    iou : (N, M) float array
        Of N found and M true masks.
    scores : (N,) float array
        Confidence of the found masks; they are ranked by it.
    """

    iou: NDArray[np.float64]
    scores: NDArray[np.float64]


def pairwise_iou(
    found: Sequence[Counts], true: Sequence[Counts], size: tuple[int, int]
) -> NDArray[np.float64]:
    """IoU of each found mask with each true mask, from run lengths.

    Parameters
    ----------
    found, true : sequences of arrays
        Run lengths of N and M masks of an image of `size` (H, W).

    Returns
    -------
    (N, M) float64 array

    Examples
    --------
    >>> a, b = np.array([1, 2, 1], np.uint32), np.array([2, 2], np.uint32)
    >>> pairwise_iou([a], [a, b], (2, 2)).round(3)
    array([[1.   , 0.333]])
    """
    from pycocotools import mask as coco_mask

    if not len(found) or not len(true):
        return np.zeros((len(found), len(true)))
    packed = [[compress(counts, size) for counts in masks] for masks in (found, true)]
    iou = coco_mask.iou(packed[0], packed[1], [0] * len(true))
    return np.asarray(iou, np.float64).reshape(len(found), len(true))


def match(image: Overlaps, threshold: float, most: int = 1000) -> NDArray[np.bool_]:
    """Return which of the found masks, ranked by score, match a true one.

    From the highest score down, each found mask takes the true mask with the highest IoU among
    those not yet taken.

    Parameters
    ----------
    image : Overlaps
    threshold : float
        Lowest IoU of a match.
    most : int
        At most this many masks, those with the highest scores, take part.

    Returns
    -------
    (min(N, most),) bool array
        In order of decreasing score; equal scores keep their order.
    """
    order = np.argsort(-image.scores, kind="stable")[:most]
    free = np.ones(image.iou.shape[1], bool)
    matched = np.zeros(len(order), bool)
    for rank, index in enumerate(order):
        overlap = np.where(free, image.iou[index], -1)
        if overlap.size and overlap.max() >= threshold:
            free[overlap.argmax()] = False
            matched[rank] = True
    return matched


def average_recall(
    images: Sequence[Overlaps],
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    most: int = 1000,
) -> float:
    """Fraction of the true masks that are found, averaged over IoU thresholds.

    NaN if there are no true masks.
    """
    total = sum(image.iou.shape[1] for image in images)
    if total == 0:
        return float("nan")
    found = [sum(int(match(i, t, most).sum()) for i in images) for t in thresholds]
    return float(np.mean(found)) / total


def average_precision(images: Sequence[Overlaps], threshold: float, most: int = 1000) -> float:
    """Area under the precision-recall curve of all found masks, as COCO measures it.

    The precision at a recall is the highest precision at that recall or above, averaged over the
    recalls 0, .01 … 1. NaN if there are no true masks.

    Parameters
    ----------
    images : sequence of Overlaps
    threshold : float
        Lowest IoU of a match.
    most : int
        At most this many masks per image count, by score.

    Examples
    --------
    >>> right = Overlaps(np.array([[0.9], [0.1]]), np.array([0.8, 0.7]))
    >>> average_precision([right], 0.5)
    1.0
    """
    total = sum(image.iou.shape[1] for image in images)
    if total == 0:
        return float("nan")
    return area_under([rank(image, threshold, most) for image in images], total)


def rank(
    image: Overlaps, threshold: float, most: int = 1000
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores of an image's found masks in descending order, and whether each is a match."""
    return np.sort(image.scores)[::-1][:most], match(image, threshold, most)


def area_under(
    ranked: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]], total: int
) -> float:
    """Area under the precision-recall curve of images that `rank` has ranked.

    Parameters
    ----------
    ranked : sequence of (scores, matched)
    total : int
        Number of true masks in all images.
    """
    scores = np.concatenate([of_image for of_image, _ in ranked])
    matched = np.concatenate([of_image for _, of_image in ranked])
    hits = np.cumsum(matched[np.argsort(-scores, kind="stable")])
    if len(hits) == 0:
        return 0.0
    precision = hits / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(hits / total, _RECALLS, side="left")
    return float(np.append(best_from_here, 0.0)[np.minimum(place, len(hits))].mean())


def mean_best_overlap(images: Sequence[Overlaps]) -> float:
    """Mean, over true masks, of the highest IoU with any found mask.

    NaN if there are no true masks.
    """
    best = [
        image.iou.max(0) if len(image.iou) else np.zeros(image.iou.shape[1]) for image in images
    ]
    values = np.concatenate(best) if best else np.zeros(0)
    return float(values.mean()) if len(values) else float("nan")


def matched_f1(images: Sequence[Overlaps], threshold: float = 0.5) -> float:
    """F1 of found masks against true ones, with the best possible pairing; common for cells.

    2·TP / (2·TP + FP + FN), where pairs with an IoU of at least `threshold` are true positives.
    Scores are not used. NaN if there are neither true nor found masks.

    Examples
    --------
    >>> matched_f1([Overlaps(np.array([[0.9, 0.0], [0.6, 0.0]]), np.ones(2))])
    0.5
    """
    pairs = masks = 0
    for image in images:
        allowed = image.iou >= threshold
        # First as many pairs as possible, then as much overlap as possible.
        rows, cols = linear_sum_assignment(np.where(allowed, 1 + image.iou * 1e-6, 0), True)
        pairs += int(allowed[rows, cols].sum())
        masks += sum(image.iou.shape)
    return 2 * pairs / masks if masks else float("nan")
