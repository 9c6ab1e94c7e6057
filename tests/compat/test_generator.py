"""Everything in an image, step by step and at once."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.compat import CompatWarning
from anymask.compat.segment_anything import SamAutomaticMaskGenerator

_LOOSE = {"pred_iou_thresh": 0.3, "stability_score_thresh": 0.5}
SETTINGS = {
    "crops": {**_LOOSE, "points_per_side": 4, "crop_n_layers": 1},
    "loose": {**_LOOSE, "points_per_side": 8},
    # Below its range a threshold filters nothing; above it, no overlap is too large.
    "open": {
        "points_per_side": 7,
        "pred_iou_thresh": -1,
        "stability_score_thresh": -1,
        "box_nms_thresh": 1.5,
        "min_mask_region_area": -1,
    },
    "cleaned": {**_LOOSE, "points_per_side": 6, "min_mask_region_area": 60},
}


def masks_of(records):
    return [record["segmentation"] for record in records]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_records_are_metas(ours, theirs, metas_package, scene, settings):
    settings = {**settings, "output_mode": "uncompressed_rle"}
    expected = metas_package.SamAutomaticMaskGenerator(theirs, **settings).generate(scene)
    found = SamAutomaticMaskGenerator(ours, **settings).generate(scene)
    assert len(expected) > 3
    assert masks_of(found) == masks_of(expected)
    for mine, other in zip(found, expected, strict=True):
        assert mine.keys() == other.keys()
        assert mine["bbox"] == other["bbox"]
        assert mine["crop_box"] == other["crop_box"]
        assert mine["point_coords"][0] == pytest.approx(other["point_coords"][0])
        assert mine["predicted_iou"] == pytest.approx(other["predicted_iou"], abs=1e-5)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_steps_that_a_program_changes_are_taken_one_by_one(ours, scene, settings):
    asked = []

    class Listening(SamAutomaticMaskGenerator):
        def _process_batch(self, points, im_size, crop_box, orig_size):
            data = super()._process_batch(points, im_size, crop_box, orig_size)
            asked.append((len(points), tuple(crop_box)))
            return data

    settings = {**settings, "points_per_batch": 16}
    found = Listening(ours, **settings).generate(scene)
    at_once = SamAutomaticMaskGenerator(ours, **settings).generate(scene)
    assert len(asked) > 2
    assert len(found) == len(at_once)
    for mine, other in zip(found, at_once, strict=True):
        assert np.array_equal(mine.pop("segmentation"), other.pop("segmentation"))
        # An empty mask has no stability: NaN, as in Meta's code.
        same = {n: np.allclose(mine[n], other[n], equal_nan=True) for n in mine}
        assert same == dict.fromkeys(other, True)


def test_a_step_can_drop_masks(ours, scene):
    class OnlySmall(SamAutomaticMaskGenerator):
        def _process_crop(self, *args):
            data = super()._process_crop(*args)
            boxes = data["boxes"]
            data.filter((boxes[:, 2] - boxes[:, 0]) < 60)
            return data

    settings = SETTINGS["loose"]
    every = SamAutomaticMaskGenerator(ours, **settings).generate(scene)
    small = OnlySmall(ours, **settings).generate(scene)
    assert 0 < len(small) < len(every)
    assert all(record["bbox"][2] < 60 for record in small)


def test_options_are_attributes_and_grids_can_be_replaced(ours, scene):
    generator = SamAutomaticMaskGenerator(ours, points_per_side=4, pred_iou_thresh=0)
    assert generator.pred_iou_thresh == 0
    assert generator.stability_score_thresh == 0.95
    generator.stability_score_thresh = 0
    generator.point_grids = [np.array([[0.5, 0.5]])]
    records = generator.generate(scene)
    assert {tuple(r["point_coords"][0]) for r in records} == {(120.0, 90.0)}


def test_a_picture_of_floating_point_is_taken_with_a_warning(ours, scene):
    generator = SamAutomaticMaskGenerator(ours, points_per_side=3, pred_iou_thresh=0.3)
    with pytest.warns(CompatWarning, match="cut to 8 bits"):
        found = generator.generate(scene.astype(np.float32))
    expected = generator.generate(scene)
    assert all(
        np.array_equal(a, b) for a, b in zip(masks_of(found), masks_of(expected), strict=True)
    )
