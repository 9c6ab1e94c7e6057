"""Masks found once in crops give, at any thresholds, what the generator gives with these crops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anymask.model.config import EverythingConfig
from anymask.predict.everything.found_once import find, kept
from anymask.predict.everything.generator import SamAutomaticMaskGenerator

LOOSEST = EverythingConfig(0.0, 0.3, 0.5)


@pytest.fixture(scope="module")
def found(small_reference_sam, scene):
    return find(small_reference_sam, scene, LOOSEST, points_per_side=4, crop_n_layers=1)


@pytest.mark.parametrize(
    "config",
    [
        replace(LOOSEST, box_nms_thresh=0.5),
        EverythingConfig(0.1, 0.4, 0.5, 0.7, 0),
        EverythingConfig(0.05, 0.5, 0.5, 0.3, 60),
        EverythingConfig(0.05, 0.4, 0.5, 0.4, 60, nms_by="mask"),
    ],
)
def test_candidates_of_crops_at_thresholds_are_what_the_generator_returns(
    found, small_reference_sam, scene, config
):
    generator = SamAutomaticMaskGenerator(
        small_reference_sam,
        points_per_side=4,
        crop_n_layers=1,
        pred_iou_thresh=config.pred_iou_thresh,
        stability_score_thresh=config.stability_score_thresh,
        stability_score_offset=config.stability_score_offset,
        box_nms_thresh=config.box_nms_thresh,
        min_mask_region_area=config.min_mask_region_area,
        nms_by=config.nms_by,
    )
    expected = generator.generate_masks(scene)
    masks = kept(found, config)
    assert len(masks) == len(expected) > 1
    assert len(np.unique(masks.crop_box, axis=0)) > 1
    for a, b in zip(masks.counts, expected.counts, strict=True):
        np.testing.assert_array_equal(a, b)
