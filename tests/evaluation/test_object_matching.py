"""Recall, precision, overlap and F1 of many masks, compared with pycocotools and by hand."""

from __future__ import annotations

import contextlib
import io
from itertools import permutations

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from anymask.evaluation.object_matching import (
    COCO_THRESHOLDS,
    Overlaps,
    average_precision,
    average_recall,
    match,
    matched_f1,
    mean_best_overlap,
    pairwise_iou,
)
from anymask.masks.rle import counts_of


def random_masks(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Rectangles with ragged sides, in 40×50 pixels."""
    masks = []
    for _ in range(count):
        x, y, w, h = rng.integers((0, 0, 4, 4), (35, 25, 15, 15))
        mask = np.zeros((40, 50), bool)
        mask[y : y + h, x : x + w] = rng.random((40, 50))[y : y + h, x : x + w] < 0.97
        masks.append(mask)
    return masks


def random_images(seed: int, count: int = 5) -> list[tuple[list, list, np.ndarray]]:
    """Images as (found masks, true masks, scores); most found masks are true ones, shifted."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        true = random_masks(rng, rng.integers(2, 7))
        found = [np.roll(m, rng.integers(-2, 3, 2), (0, 1)) for m in true[1:] for _ in range(2)]
        found += random_masks(rng, 3)
        images.append((found, true, rng.permutation(len(found)) / len(found)))
    return images


def overlaps_of(found: list, true: list, scores: np.ndarray) -> Overlaps:
    iou = pairwise_iou([counts_of(m) for m in found], [counts_of(m) for m in true], (40, 50))
    return Overlaps(iou, scores)


def coco_figures(images: list[tuple[list, list, np.ndarray]]) -> COCOeval:
    """Evaluate with pycocotools, at most 1000 masks per image, separately by class."""

    def pack(mask: np.ndarray) -> dict:
        return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))

    truth, results, number = [], [], 0
    for image_id, (found, true, scores) in enumerate(images):
        for mask in true:
            number += 1
            truth.append(
                {
                    "id": number,
                    "image_id": image_id,
                    "category_id": 1,
                    "iscrowd": 0,
                    "area": int(mask.sum()),
                    "bbox": [0, 0, 1, 1],
                    "segmentation": pack(mask),
                }
            )
        results += [
            {"image_id": image_id, "category_id": 1, "score": float(s), "segmentation": pack(m)}
            for m, s in zip(found, scores, strict=True)
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i, "height": 40, "width": 50} for i in range(len(images))],
            "categories": [{"id": 1, "name": "object"}],
            "annotations": truth,
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "segm")
        evaluation.params.maxDets = [1, 10, 1000]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


@pytest.mark.parametrize("seed", range(4))
def test_pairwise_iou_equals_the_iou_of_pixels(seed):
    found, true, scores = random_images(seed, 1)[0]
    pixels = [[(f & t).sum() / (f | t).sum() for t in true] for f in found]
    np.testing.assert_allclose(overlaps_of(found, true, scores).iou, pixels)


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_and_recall_equal_those_of_pycocotools(seed):
    images = random_images(seed)
    overlaps = [overlaps_of(*image) for image in images]
    evaluation = coco_figures(images)
    # precision: (threshold, recall, class, area, most); recall: (threshold, class, area, most).
    for threshold in (0.5, 0.75):
        place = COCO_THRESHOLDS.index(threshold)
        expected = evaluation.eval["precision"][place, :, 0, 0, -1].mean()
        assert average_precision(overlaps, threshold) == pytest.approx(expected)
    assert 0.05 < average_precision(overlaps, 0.5) < 0.98  # not a trivial case
    expected = evaluation.eval["recall"][:, 0, 0, -1].mean()
    assert average_recall(overlaps) == pytest.approx(expected)


def test_average_precision_by_hand():
    # In order of rank: right, wrong, right; one of three true masks is not found.
    iou = np.array([[0.9, 0, 0], [0.3, 0, 0], [0, 0.6, 0]])
    image = Overlaps(iou, np.array([0.9, 0.8, 0.7]))
    # Precision 1 up to recall 1/3 (34 of the 101 recalls), 2/3 up to recall 2/3 (33), then 0.
    assert average_precision([image], 0.5) == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert average_precision([image], 0.75) == pytest.approx(34 / 101)


def test_average_recall_by_hand():
    # IoU .72 counts at the thresholds .5 to .7: five of ten; the other mask is not found.
    image = Overlaps(np.array([[0.72, 0.1]]), np.ones(1))
    assert average_recall([image]) == pytest.approx(0.5 * 5 / 10)


def test_recall_counts_only_the_masks_with_the_highest_scores():
    image = Overlaps(np.array([[0.0], [0.9]]), np.array([0.8, 0.3]))
    assert average_recall([image], (0.5,), most=1) == 0
    assert average_recall([image], (0.5,), most=2) == 1


def test_a_true_mask_is_matched_once_by_the_most_confident_mask():
    image = Overlaps(np.array([[0.6], [0.9]]), np.array([0.9, 0.5]))
    assert match(image, 0.5).tolist() == [True, False]


def test_mean_best_overlap_by_hand():
    first = Overlaps(np.array([[0.2, 0.7], [0.5, 0.1]]), np.ones(2))
    nothing_found = Overlaps(np.zeros((0, 1)), np.zeros(0))
    assert mean_best_overlap([first, nothing_found]) == pytest.approx((0.5 + 0.7 + 0) / 3)


@pytest.mark.parametrize("seed", range(6))
def test_f1_pairs_as_many_masks_as_possible(seed):
    rng = np.random.default_rng(seed)
    iou = rng.random((4, 3))
    most = max(
        sum(iou[i, j] >= 0.5 for j, i in enumerate(order)) for order in permutations(range(4), 3)
    )
    f1 = matched_f1([Overlaps(iou, np.ones(4))])
    assert f1 == pytest.approx(2 * most / (4 + 3))


def test_recall_is_nan_without_true_masks_and_0_without_found_masks():
    assert np.isnan(average_recall([Overlaps(np.zeros((2, 0)), np.ones(2))]))
    assert np.isnan(average_precision([], 0.5))
    missed = Overlaps(np.zeros((0, 2)), np.zeros(0))
    assert average_recall([missed]) == 0
    assert average_precision([missed], 0.5) == 0
    assert matched_f1([missed]) == 0
