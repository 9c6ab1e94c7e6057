"""Rules for pixels that several masks cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import AnymaskError
from anymask.masks.flatten import RULES, remove_overlaps, to_label_image
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import union_of
from anymask.masks.overlap import overlaps
from tests.masks.drawn import label_images, mask_sets, same

SCORED = st.sampled_from([rule for rule in RULES if rule != "score"])


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:41, :61]
    return np.hypot(rows - y, columns - x) <= radius


@given(mask_sets(max_masks=6), SCORED)
def test_a_pixel_has_the_id_of_a_mask_that_covers_it(masks, rule):
    labels = to_label_image(masks, rule)
    np.testing.assert_array_equal(labels > 0, union_of(masks))
    for number, mask in zip(masks.ids, masks, strict=True):
        assert mask[labels == number].all()


@given(mask_sets(max_masks=6))
def test_the_smallest_on_top_is_what_a_mask_set_paints(masks):
    labels = to_label_image(masks, "smallest")
    np.testing.assert_array_equal(labels, masks.to_labels())
    assert labels.dtype == masks.to_labels().dtype


@given(mask_sets(max_masks=6))
def test_each_rule_gives_a_shared_pixel_to_the_one_it_names(masks):
    order = np.arange(len(masks))
    scores = np.nan_to_num(masks.predicted_iou, nan=-1)
    worth = {"smallest": -masks.areas, "largest": masks.areas, "first": -order, "last": order}
    if not np.isnan(masks.predicted_iou).all():
        worth["score"] = scores
    for rule, values in worth.items():
        labels = to_label_image(masks, rule)
        best = np.full(masks.image_size, -np.inf)
        chosen = np.full(masks.image_size, -np.inf)
        for number, value, mask in zip(masks.ids, values, masks, strict=True):
            best[mask] = np.maximum(best[mask], value)
            chosen[labels == number] = value
        np.testing.assert_array_equal(chosen, best)


@given(mask_sets(max_masks=6), SCORED)
def test_without_overlaps_all_rules_agree_and_the_union_stays(masks, rule):
    apart = remove_overlaps(masks, rule)
    assert len(overlaps(apart).first) == 0
    np.testing.assert_array_equal(union_of(apart), union_of(masks))
    np.testing.assert_array_equal(to_label_image(apart, "first"), to_label_image(masks, rule))
    assert same(remove_overlaps(apart, rule), apart)


@given(label_images(), SCORED)
def test_a_label_image_comes_back_by_every_rule(labels, rule):
    np.testing.assert_array_equal(to_label_image(MaskSet.from_labels(labels), rule), labels)


def test_two_discs_that_meet_divide_what_they_share_in_the_middle():
    masks = MaskSet.from_masks(np.stack([disc(20, 20, 15), disc(40, 20, 15)]), object_ids=[1, 2])
    labels = to_label_image(masks, "split")
    shared = masks[0] & masks[1]
    columns = np.nonzero(shared)[1]
    # The middle column is as near to the one as to the other; it may go to either.
    assert (labels[shared][columns < 30] == 1).all()
    assert (labels[shared][columns > 30] == 2).all()


def test_a_mask_in_another_is_on_top_of_it_by_splitting():
    masks = MaskSet.from_masks(np.stack([disc(30, 20, 18), disc(30, 20, 6)]), object_ids=[1, 2])
    labels = to_label_image(masks, "split")
    np.testing.assert_array_equal(labels == 2, masks[1])


def test_a_mask_covered_by_several_others_does_not_vanish_by_splitting():
    middle = np.zeros((41, 61), bool)
    middle[18:23, 22:38] = True
    masks = MaskSet.from_masks(
        np.stack([disc(20, 20, 15), disc(40, 20, 15), middle]), object_ids=[1, 2, 3]
    )
    labels = to_label_image(masks, "split")
    np.testing.assert_array_equal(labels == 3, middle)


def test_a_mirrored_image_is_split_in_mirrored_parts():
    stack = np.stack([disc(18, 15, 13), disc(37, 22, 16), disc(30, 30, 9)])
    labels = to_label_image(MaskSet.from_masks(stack, object_ids=[1, 2, 3]), "split")
    for axis in (0, 1):
        flipped = MaskSet.from_masks(np.flip(stack, axis + 1), object_ids=[1, 2, 3])
        np.testing.assert_array_equal(to_label_image(flipped, "split"), np.flip(labels, axis))


def test_hidden_masks_are_dropped_and_the_others_keep_ids_and_classes():
    stack = np.zeros((2, 2, 3), bool)
    stack[0, :, :2], stack[1] = True, True
    masks = MaskSet.from_masks(stack, object_ids=[9, 4], class_names=["a", "b"])
    apart = remove_overlaps(masks, "largest")
    assert apart.ids.tolist() == [4]
    assert apart.class_names == ("b",)


def test_an_unknown_rule_and_missing_scores_are_told():
    masks = MaskSet.from_labels(np.eye(3, dtype=int))
    with pytest.raises(
        AnymaskError, match="'biggest' is not a rule for overlaps; choose from small"
    ):
        to_label_image(masks, "biggest")
    with pytest.raises(AnymaskError, match="No mask has a predicted IoU"):
        to_label_image(masks, "score")
