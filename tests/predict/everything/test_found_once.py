"""Masks found once give, at any thresholds, what the generator gives."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from anymask.model.config import EverythingConfig
from anymask.predict.everything.found_once import find, kept
from anymask.predict.everything.generator import SamAutomaticMaskGenerator

LOOSEST = EverythingConfig(0.0, 0.0, 0.5)
BY_PRODUCT = "iou_times_stability"


@pytest.fixture(scope="module", params=[(7, 0), (4, 1)], ids=["image", "crops"])
def grid(request):
    return {"points_per_side": request.param[0], "crop_n_layers": request.param[1]}


@pytest.fixture(scope="module")
def found(small_reference_sam, scene, grid):
    return find(small_reference_sam, scene, LOOSEST, **grid)


@pytest.mark.parametrize(
    "config",
    [
        LOOSEST,
        replace(LOOSEST, pred_iou_thresh=0.2, box_nms_thresh=0.3),
        EverythingConfig(0.15, 0.4, 0.5, 0.5, 0),
        EverythingConfig(0.05, 0.3, 0.5, 0.5, 40),
        EverythingConfig(0.1, 0.4, 0.5, 0.5, 0, nms_by="mask"),
        EverythingConfig(0.05, 0.3, 0.5, 0.3, 40, nms_by="mask"),
        EverythingConfig(0.05, 0.3, 0.5, 0.3, 40, order_by=BY_PRODUCT),
        EverythingConfig(0.05, 0.4, 0.5, 0.5, 0, nms_by="mask", order_by=BY_PRODUCT),
        EverythingConfig(0.1, 0.4, 0.5, 0.95, 400),
    ],
    ids=str,
)
def test_thresholds_chosen_afterwards_keep_what_the_generator_returns(
    found, small_reference_sam, scene, grid, config
):
    generator = SamAutomaticMaskGenerator(small_reference_sam, **grid, **asdict(config))
    expected = generator.generate_masks(scene)
    masks = kept(found, config)
    assert len(masks) == len(expected) > 1
    for a, b in zip(masks.counts, expected.counts, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(masks.predicted_iou, expected.predicted_iou)
    np.testing.assert_array_equal(masks.point_coords, expected.point_coords)
