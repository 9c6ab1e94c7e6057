"""Which of several masks of one object stays."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.masks.mask_set import MaskSet
from anymask.model.config import EverythingConfig
from anymask.predict.everything.duplicates import without_duplicates
from anymask.predict.everything.generator import SamAutomaticMaskGenerator


def squares(*corners: int, iou: list[float], stability: list[float]) -> MaskSet:
    """Squares with sides of 10 pixels, by the x of their left side."""
    masks = np.zeros((len(corners), 12, 60), bool)
    for mask, x in zip(masks, corners, strict=True):
        mask[1:11, x : x + 10] = True
    return MaskSet.from_masks(masks, predicted_iou=iou, stability_score=stability)


@pytest.mark.parametrize(
    ("order_by", "stay"), [("predicted_iou", [0, 2, 3]), ("iou_times_stability", [1, 3, 2])]
)
def test_the_better_of_two_masks_stays_by_predicted_iou_or_by_its_product_with_stability(
    order_by, stay
):
    # .9·.6 < .8·.9 for the first pair, which overlap by IoU .82; the others lie alone.
    masks = squares(0, 1, 20, 40, iou=[0.9, 0.8, 0.7, 0.6], stability=[0.6, 0.9, 0.5, 1.0])
    options = EverythingConfig(order_by=order_by)
    assert without_duplicates(masks, 0.7, options).tolist() == stay


def test_a_mask_without_a_stability_score_is_the_worst_by_the_product():
    masks = squares(0, 1, iou=[0.9, 0.2], stability=[np.nan, 0.5])
    by_product = EverythingConfig(order_by="iou_times_stability")
    assert without_duplicates(masks, 0.7, by_product).tolist() == [1]
    assert without_duplicates(masks, 0.7, EverythingConfig()).tolist() == [0]


def test_the_generator_orders_and_chooses_by_the_product_when_asked(small_reference_sam, scene):
    loose = {"points_per_side": 6, "pred_iou_thresh": 0.1, "stability_score_thresh": 0.3}
    by_product = {**loose, "order_by": "iou_times_stability"}
    every = SamAutomaticMaskGenerator(small_reference_sam, **loose, box_nms_thresh=1.0)
    masks = every.generate_masks(scene)
    product = masks.predicted_iou * masks.stability_score
    expected = masks.select(
        without_duplicates(masks, 0.7, EverythingConfig(order_by="iou_times_stability"))
    )
    found = SamAutomaticMaskGenerator(small_reference_sam, **by_product).generate_masks(scene)
    np.testing.assert_array_equal(found.predicted_iou, expected.predicted_iou)
    ranked = found.predicted_iou * found.stability_score
    assert (np.diff(ranked) <= 0).all()
    assert ranked[0] == product.max()
    by_iou = SamAutomaticMaskGenerator(small_reference_sam, **loose).generate_masks(scene)
    assert {c.tobytes() for c in by_iou.counts} != {c.tobytes() for c in found.counts}
