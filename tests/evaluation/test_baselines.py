"""Baselines on synthetic objects with known masks."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from anymask.datasets.types import Example
from anymask.errors import AnymaskError
from anymask.evaluation.baselines import (
    BASELINES,
    available_baselines,
    ellipse,
    evaluate_baselines,
    filled_box,
)
from anymask.evaluation.metrics import mask_iou
from anymask.evaluation.records import targets_of


def test_the_filled_box_matches_a_box_and_has_the_iou_of_an_inscribed_ellipse(ellipses):
    rectangle = np.zeros((30, 40), bool)
    rectangle[5:20, 8:33] = True
    example = Example("box", np.zeros((30, 40, 3), np.uint8), [rectangle], "drawn")
    (record,) = evaluate_baselines([example], ["filled_box"])
    assert record.scores["filled_box"].iou == 1
    for record in evaluate_baselines([ellipses], ["filled_box"]):
        assert record.scores["filled_box"].iou == pytest.approx(np.pi / 4, abs=0.03)


def test_the_ellipse_baseline_finds_an_ellipse(ellipses):
    for target in targets_of(ellipses):
        drawn = ellipse(ellipses.image, target)
        assert mask_iou(drawn, target.mask) > 0.95
        rows, cols = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
        np.testing.assert_array_equal([cols[0], rows[0], cols[-1], rows[-1]], target.box)


@pytest.mark.parametrize("name", ["grabcut_box", "grabcut_click", "flood_fill", "random_walker"])
def test_methods_that_use_pixels_find_objects_of_one_colour(ellipses, name):
    for record in evaluate_baselines([ellipses], [name]):
        assert record.scores[name].iou > 0.9


@pytest.mark.parametrize("name", list(BASELINES))
def test_extreme_objects_give_masks_of_the_size_of_the_image(name):
    image = np.random.default_rng(1).integers(0, 256, (12, 17, 3)).astype(np.uint8)
    dot, full = np.zeros((12, 17), bool), np.ones((12, 17), bool)
    dot[0, 16] = True
    for picture in (image, np.zeros_like(image)):
        for target in targets_of(Example("x", picture, [dot, full], "x")):
            assert BASELINES[name](picture, target).shape == (12, 17)


def test_the_same_images_give_the_same_masks(ellipses):
    noisy = np.random.default_rng(2).integers(0, 256, ellipses.image.shape).astype(np.uint8)
    blend = Example("noise", noisy // 2 + ellipses.image // 2, ellipses.masks, "drawn")
    first, second = evaluate_baselines([blend]), evaluate_baselines([blend])
    assert [r.scores for r in first] == [r.scores for r in second]


def test_large_images_give_masks_in_the_scoring_frame(ellipses):
    large = Example(
        "large",
        ellipses.image.repeat(8, 0).repeat(8, 1),
        [mask.repeat(8, 0).repeat(8, 1) for mask in ellipses.masks],
        "drawn",
    )
    for record in evaluate_baselines([large], ["ellipse", "flood_fill"], score_size=120):
        assert record.size == (90, 120)
        assert record.scores["ellipse"].iou > 0.95
        assert record.scores["flood_fill"].iou > 0.85


def test_the_error_for_an_unknown_baseline_lists_the_known_ones(ellipses):
    with pytest.raises(AnymaskError, match=r"'magic'.*filled_box"):
        evaluate_baselines([ellipses], ["magic"])


def test_without_opencv_other_baselines_run_and_the_error_of_grabcut_says_what_to_install(
    ellipses, monkeypatch
):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert available_baselines() == ["filled_box", "ellipse", "flood_fill", "random_walker"]
    with pytest.raises(AnymaskError, match=r"OpenCV.*pip install"):
        evaluate_baselines([ellipses], ["grabcut_box"])
    assert mask_iou(filled_box(ellipses.image, targets_of(ellipses)[0]), ellipses.masks[0]) > 0.7
