"""Boxes around masks and how they are written."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anymask.masks.boxes import (
    boxes_of_masks,
    extents,
    touches_inner_edge,
    xyxy_to_xywh,
)

stacks = hnp.arrays(
    np.bool_,
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=8),
    elements=st.sampled_from([False, False, False, True]),
)
boxes = hnp.arrays(np.int64, st.tuples(st.integers(0, 5), st.just(4)), elements=st.integers(0, 99))


@given(stacks)
def test_a_box_is_the_smallest_that_holds_the_mask(masks):
    for mask, (x0, y0, x1, y1) in zip(masks, boxes_of_masks(masks), strict=True):
        if mask.any():
            inside = mask[y0 : y1 + 1, x0 : x1 + 1]
            assert inside.sum() == mask.sum()
            assert all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
        else:
            assert [x0, y0, x1, y1] == [0, 0, 0, 0]


@given(boxes)
def test_width_and_height_lead_from_one_corner_to_the_other(corners):
    sides = xyxy_to_xywh(corners)
    np.testing.assert_array_equal(sides[:, :2], corners[:, :2])
    np.testing.assert_array_equal(sides[:, :2] + sides[:, 2:], corners[:, 2:])


def test_one_box_is_converted_as_many_are():
    assert xyxy_to_xywh([1, 2, 4, 8]).tolist() == [1, 2, 3, 6]


@given(stacks)
def test_extents_are_the_number_of_columns_and_rows(masks):
    sides = extents(boxes_of_masks(masks), masks.sum((1, 2)))
    for mask, (_, _, width, height) in zip(masks, sides, strict=True):
        x, y = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        assert width == (x[-1] - x[0] + 1 if len(x) else 0)
        assert height == (y[-1] - y[0] + 1 if len(y) else 0)


def test_only_edges_that_the_crop_adds_count():
    size, crop = (1000, 800), (0, 100, 400, 600)
    at = {
        "left, also the image's": [0, 300, 50, 350],
        "top": [200, 120, 250, 200],
        "right": [300, 300, 380, 350],
        "bottom": [200, 500, 250, 599],
        "inside": [100, 200, 300, 500],
        "21 pixels off": [100, 121, 379, 500],
    }
    found = touches_inner_edge(list(at.values()), crop, size)
    assert dict(zip(at, found.tolist(), strict=True)) == {
        "left, also the image's": False,
        "top": True,
        "right": True,
        "bottom": True,
        "inside": False,
        "21 pixels off": False,
    }


@given(boxes)
def test_no_box_touches_an_inner_edge_of_the_whole_image(corners):
    assert not touches_inner_edge(corners, (0, 0, 80, 60), (60, 80)).any()
