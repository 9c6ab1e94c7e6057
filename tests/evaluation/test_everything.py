"""Whole images: the masks of the generator compared with true ones."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from anymask.datasets.types import Example
from anymask.evaluation.everything import (
    evaluate_everything,
    everything_figures,
    extremes_of_everything,
)
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import counts_of
from anymask.predict.everything.generator import SamAutomaticMaskGenerator


def found(masks: list[np.ndarray], predicted: list[float], stability: list[float]) -> MaskSet:
    return MaskSet.from_counts(
        masks[0].shape,
        [counts_of(mask) for mask in masks],
        predicted_iou=predicted,
        stability_score=stability,
    )


def test_perfect_masks_score_1_in_all_figures(ellipses):
    records = evaluate_everything(
        lambda image: found(list(ellipses.masks), [0.9, 0.8], [0.9, 0.9]), [ellipses]
    )
    assert everything_figures(records) == {
        "drawn": {
            "average_recall": 1.0,
            "ap50": 1.0,
            "ap75": 1.0,
            "mean_best_overlap": 1.0,
            "f1_50": 1.0,
            "masks_per_image": 2.0,
        }
    }


def test_a_wrong_mask_lowers_precision_only_with_high_confidence(ellipses):
    wrong = np.zeros((90, 120), bool)
    wrong[:9, :9] = True
    masks = [*ellipses.masks, wrong]

    def figures(stability: float) -> dict[str, float]:
        answer = found(masks, [0.8, 0.8, 0.8], [0.9, 0.9, stability])
        return everything_figures(evaluate_everything(lambda image: answer, [ellipses]))["drawn"]

    assert figures(0.5)["ap50"] == pytest.approx(1)
    # Ranked first: precision is 1/2 at the first true mask, and at most 2/3 afterwards.
    assert figures(1.0)["ap50"] == pytest.approx(2 / 3)
    assert figures(1.0)["average_recall"] == pytest.approx(1)
    assert figures(1.0)["f1_50"] == pytest.approx(4 / 5)


def test_images_without_true_masks_are_skipped_and_sets_are_separate(ellipses):
    answer = found(list(ellipses.masks), [0.9, 0.8], [0.9, 0.9])
    empty = Example("empty", ellipses.image, [], "drawn")
    other = Example("other", ellipses.image, [~ellipses.masks[0]], "inverse")
    records = evaluate_everything(lambda image: answer, [ellipses, empty, other])
    assert [record.image for record in records] == ["pair", "other"]
    figures = everything_figures(records)
    assert figures["drawn"]["mean_best_overlap"] == 1
    blue, rest = ellipses.masks[1], ~ellipses.masks[0]
    assert figures["inverse"]["mean_best_overlap"] == pytest.approx(blue.sum() / rest.sum())


def test_masks_are_kept_only_for_the_worst_and_the_best_images(ellipses):
    red = ellipses.masks[0]
    examples = []
    for n in np.random.default_rng(0).permutation(40):
        image = ellipses.image.copy()
        image[0, 0] = n
        examples.append(Example(f"{n:02}", image, [red], f"set{n % 5}"))
    alive: weakref.WeakSet[MaskSet] = weakref.WeakSet()
    counted = []

    def generate(image):
        # Images with higher numbers have more of the red ellipse found.
        answer = found([red & (np.arange(120) < 16 + int(image[0, 0, 0]))], [0.9], [0.9])
        alive.add(answer)
        counted.append(len(alive))
        return answer

    records = evaluate_everything(generate, examples, keep_masks=3)
    kept = sorted(record.image for record in records if record.masks is not None)
    assert kept == ["00", "01", "02", "37", "38", "39"]
    assert max(counted) <= 8  # six kept ones, the last one and the new one
    assert all(record.masks is None for record in evaluate_everything(generate, examples))
    for worst, expected in ((True, ["00", "01", "02"]), (False, ["39", "38", "37"])):
        chosen = extremes_of_everything(records, 3, worst=worst)
        assert [record.image for record in chosen] == expected


def test_masks_of_a_real_generator_are_scored_at_the_size_of_the_image(
    small_reference_sam, scene_examples
):
    generator = SamAutomaticMaskGenerator(
        small_reference_sam, points_per_side=6, pred_iou_thresh=0.0, stability_score_thresh=0.0
    )
    masks = generator.generate_masks(scene_examples[0].image)
    (record,) = evaluate_everything(generator.generate_masks, scene_examples[:1])
    true = scene_examples[0].masks
    expected = [[(m & t).sum() / (m | t).sum() for t in true] for m in masks]
    np.testing.assert_allclose(record.overlaps.iou, expected)
