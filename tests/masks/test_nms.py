"""Suppression of duplicates, held to its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.masks.nms import box_iou, nms

coordinate = st.integers(0, 12)
box = st.tuples(coordinate, coordinate, coordinate, coordinate).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
scored = st.lists(st.tuples(box, st.sampled_from([0.1, 0.5, 0.5, 0.9])), max_size=14)
thresholds = st.sampled_from([0.0, 0.25, 0.5, 0.6, 0.7, 1.0])


def iou_by_cells(a, b):
    """IoU counted in unit cells; NaN for two boxes without any."""
    grids = np.zeros((2, 12, 12), bool)
    for grid, (x0, y0, x1, y1) in zip(grids, (a, b), strict=True):
        grid[y0:y1, x0:x1] = True
    union = (grids[0] | grids[1]).sum()
    return (grids[0] & grids[1]).sum() / union if union else np.nan


def nms_by_definition(boxes, scores, threshold):
    kept = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        overlaps = [iou_by_cells(boxes[index], boxes[k]) for k in kept]
        # As published: the ratio is rounded to float32 before it is compared.
        if not any(np.float64(np.float32(iou)) > threshold for iou in overlaps):
            kept.append(index)
    return kept


@given(box, st.lists(box, min_size=1, max_size=5))
def test_iou_is_that_of_the_cells_covered(one, others):
    expected = [iou_by_cells(one, other) for other in others]
    np.testing.assert_allclose(box_iou(one, others), expected, rtol=1e-6)


@given(scored, thresholds)
def test_nms_keeps_what_its_definition_keeps_in_order_of_score(items, threshold):
    boxes, scores = [b for b, _ in items], [s for _, s in items]
    assert nms(boxes, scores, threshold).tolist() == nms_by_definition(boxes, scores, threshold)


@given(scored, thresholds)
def test_nms_of_what_nms_kept_keeps_all(items, threshold):
    boxes = np.array([b for b, _ in items]).reshape(-1, 4)
    scores = np.array([s for _, s in items])
    kept = nms(boxes, scores, threshold)
    assert nms(boxes[kept], scores[kept], threshold).tolist() == list(range(len(kept)))


def test_boxes_without_area_never_suppress_each_other():
    assert nms([[0, 0, 0, 0]] * 3, [0.1, 0.3, 0.2], 0.0).tolist() == [1, 2, 0]


def test_equal_scores_keep_their_order():
    boxes = [[10 * i, 0, 10 * i + 5, 5] for i in range(50)]
    assert nms(boxes, np.full(50, 0.5), 0.5).tolist() == list(range(50))


def test_no_boxes_are_no_boxes():
    assert nms(np.zeros((0, 4)), [], 0.5).tolist() == []


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 400])
def test_many_boxes_are_kept_and_dropped_as_one_after_the_other(count, threshold):
    rng = np.random.default_rng(count)
    corners = rng.integers(0, 80, (count, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, 60, (count, 2))], 1)
    scores = rng.integers(0, 20, count) / 20  # with ties
    overlaps = box_iou(boxes[:, None], boxes).astype(np.float64) > threshold
    kept = []
    for index in np.argsort(-scores, kind="stable"):
        if not overlaps[kept, index].any():
            kept.append(index)
    assert nms(boxes, scores, threshold).tolist() == kept
