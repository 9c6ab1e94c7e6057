"""Of masks that overlap too much the best stays, and every mask left out had to go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anymask.errors import AnymaskError
from anymask.masks.distinct import conflicts, distinct
from anymask.masks.mask_set import MaskSet
from anymask.masks.neighbours import Neighbours
from anymask.masks.nms import nms
from anymask.predict.everything.found_once import suppress

THRESHOLDS = st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0])
STACKS = st.integers(0, 9).flatmap(
    lambda n: st.tuples(
        arrays(bool, (n, 5, 7)), arrays(np.float32, n, elements=st.sampled_from([0.1, 0.5, 0.9]))
    )
)


def iou_by_pixels(a, b):
    union = (a | b).sum()
    return (a & b).sum() / union if union else 0.0


@given(STACKS, THRESHOLDS)
def test_masks_that_stay_are_distinct_and_each_other_one_is_like_a_better_one(drawn, threshold):
    stack, scores = drawn
    masks = MaskSet.from_masks(stack) if len(stack) else MaskSet.from_counts((5, 7), [])
    chosen = distinct(masks, scores, threshold, "mask").tolist()
    rank = {int(i): place for place, i in enumerate(np.argsort(-scores, kind="stable"))}
    assert chosen == sorted(chosen, key=rank.__getitem__)
    for index in range(len(stack)):
        better = [c for c in chosen if rank[c] < rank[index]]
        like = [iou_by_pixels(stack[index], stack[c]) > threshold for c in better]
        assert any(like) == (index not in chosen)


@given(STACKS, THRESHOLDS, st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from(["box", "mask"]))
def test_conflicts_found_once_decide_at_any_threshold(drawn, threshold, share, by):
    stack, scores = drawn
    masks = MaskSet.from_masks(stack) if len(stack) else MaskSet.from_counts((5, 7), [])
    masks = masks.select(np.argsort(-scores, kind="stable"))
    scores = -np.arange(len(masks))
    expected = distinct(masks, scores, threshold, by)
    conflict = conflicts(masks, by, share * threshold)(threshold)
    np.testing.assert_array_equal(suppress(conflict), expected)
    if by == "box":
        np.testing.assert_array_equal(nms(masks.boxes, scores, threshold), expected)


@pytest.mark.parametrize(("by", "stay"), [("box", [1]), ("mask", [1, 0])])
def test_what_is_in_a_ring_stays_beside_the_ring_if_masks_are_compared(by, stay):
    y, x = np.mgrid[:60, :60]
    distance = np.hypot(y - 30, x - 30)
    ring, inside = (distance < 25) & (distance > 22), distance < 22
    assert distinct(MaskSet.from_masks([ring, inside]), [0.6, 0.7], 0.5, by).tolist() == stay


def test_masks_can_be_compared_in_two_ways_only():
    masks = MaskSet.from_masks(np.ones((1, 2, 2), bool))
    for call in (lambda: distinct(masks, [1], 0.5, "boxes"), lambda: conflicts(masks, "", 0.5)):
        with pytest.raises(AnymaskError, match="choose 'box' or 'mask'"):
            call()


@pytest.mark.parametrize("by", ["box", "mask"])
@given(drawn=STACKS, threshold=THRESHOLDS)
def test_of_very_many_masks_the_same_stay(drawn, threshold, by):
    stack, scores = drawn
    masks = MaskSet.from_masks(stack)
    expected = distinct(masks, scores, threshold, by)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("nms", "distinct"):
            patch.setattr(f"anymask.masks.{module}.MANY", -1)
        patch.setattr("anymask.masks.neighbours._SMALLEST", 1)
        np.testing.assert_array_equal(distinct(masks, scores, threshold, by), expected)


def test_thousands_of_boxes_have_the_neighbours_that_touch_them():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 3000, (2000, 2))
    sides = rng.integers(1, 60, (2000, 2))
    sides[:5] = 2500  # some are very large
    boxes = np.concatenate([corners, corners + sides], 1)
    near = Neighbours(boxes)
    for index in range(0, 2000, 97):
        low, high = boxes[index, :2], boxes[index, 2:]
        touching = np.flatnonzero(((boxes[:, :2] <= high) & (boxes[:, 2:] >= low)).all(1))
        found = near.of(index)
        assert set(touching) <= set(found)
        assert index < 5 or len(found) < 400
