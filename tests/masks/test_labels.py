"""Label images: what lies on top, which ids, which dtype."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anymask.errors import AnymaskError
from anymask.masks.labels import (
    counts_by_label,
    label_dtype,
    paint_labels,
    paint_window,
    stacking_ids,
)
from anymask.masks.rle import counts_of, mask_of

stacks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=8))
scores = st.sampled_from([0.2, 0.5, 0.9, float("nan")])
label_images = hnp.arrays(
    np.int32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.sampled_from([0, 0, 1, 2, 7, 70_000]),
)


@given(st.data(), stacks)
def test_a_pixel_holds_the_smallest_mask_that_covers_it_and_of_equals_the_best(data, masks):
    n = len(masks)
    iou = data.draw(st.lists(scores, min_size=n, max_size=n))
    areas = masks.sum((1, 2))
    ids = stacking_ids(areas, iou)
    labels = paint_labels([counts_of(m) for m in masks], ids, masks.shape[1:])
    assert sorted(ids) == list(range(1, n + 1))
    for y, x in np.ndindex(labels.shape):
        covering = np.flatnonzero(masks[:, y, x])
        if len(covering) == 0:
            assert labels[y, x] == 0
            continue
        quality = [(-areas[i], -1 if np.isnan(iou[i]) else iou[i]) for i in covering]
        top = covering[ids[covering] == labels[y, x]]
        assert len(top) == 1
        assert quality[covering.tolist().index(top[0])] == max(quality)


def test_of_equal_areas_the_higher_score_is_on_top_and_of_equal_scores_the_earlier_mask():
    nan = float("nan")
    assert stacking_ids([7, 7, 7], [0.5, 0.5, 0.5]).tolist() == [3, 2, 1]
    assert stacking_ids([7, 9, 7, 7], [0.5, 0.1, 0.8, 0.5]).tolist() == [3, 1, 4, 2]
    assert stacking_ids([7, 7, 7], [nan, 0.1, nan]).tolist() == [2, 3, 1]


@given(st.lists(st.integers(0, 5), max_size=12))
def test_ids_are_in_order_of_decreasing_area(areas):
    by_id = [areas[i] for i in np.argsort(stacking_ids(areas, np.zeros(len(areas))))]
    assert by_id == sorted(areas, reverse=True)


@given(label_images)
def test_a_label_image_taken_apart_and_painted_again_is_the_same(labels):
    ids, counts = counts_by_label(labels)
    assert ids.tolist() == sorted(set(labels.ravel().tolist()) - {0})
    for number, lengths in zip(ids, counts, strict=True):
        np.testing.assert_array_equal(mask_of(lengths, labels.shape), labels == number)
        np.testing.assert_array_equal(lengths, counts_of(labels == number))
    np.testing.assert_array_equal(paint_labels(counts, ids, labels.shape), labels)


@pytest.mark.parametrize(
    ("largest", "dtype"),
    [(0, "uint8"), (255, "uint8"), (256, "uint16"), (65_535, "uint16"), (65_536, "uint32")],
)
def test_the_dtype_is_the_smallest_that_holds_the_ids(largest, dtype):
    assert label_dtype(largest) == dtype
    assert paint_labels([np.array([0, 1])], [largest or 1], (1, 1)).dtype == dtype


def test_no_masks_are_a_background():
    labels = paint_labels([], [], (3, 4))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("bad", "part"),
    [
        (np.full((2, 2), 0.5), "fractions"),
        (np.full((2, 2), np.nan), "fractions"),
        (np.full((2, 2), 2.0**24 + 2, np.float32), "fractions"),
        (np.full((2, 2), -1), "the id -1, but ids begin at 1"),
        (np.full((2, 2), -1.0), "the id -1, but ids begin at 1"),
        (np.full((2, 2), 2**64 - 1, np.uint64), "ids end at 2⁶³−1"),
        (np.zeros((2, 2, 2), int), "one channel of whole numbers"),
        (np.zeros((2, 2), "c8"), "one channel of whole numbers"),
    ],
)
def test_anything_but_a_label_image_is_refused_in_one_sentence(bad, part):
    with pytest.raises(AnymaskError, match=rf"^The label image .*{part}.*\.$"):
        counts_by_label(bad)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.uint64])
def test_whole_numbers_are_ids_in_any_type(dtype):
    ids, counts = counts_by_label(np.array([[0, 7], [2, 7]], dtype))
    assert (ids.tolist(), [c.tolist() for c in counts]) == ([2, 7], [[1, 1, 2], [2, 2]])


@settings(deadline=None)
@given(st.data(), stacks)
def test_a_window_is_a_part_of_the_label_image_or_every_so_many_of_its_pixels(data, masks):
    height, width = masks.shape[1:]
    ids = np.arange(1, len(masks) + 1)
    counts = [counts_of(m) for m in masks]
    labels = paint_labels(counts, ids, (height, width))
    y0, y1 = sorted(data.draw(st.lists(st.integers(0, height), min_size=2, max_size=2)))
    x0, x1 = sorted(data.draw(st.lists(st.integers(0, width), min_size=2, max_size=2)))
    step = data.draw(st.integers(1, 4))
    found = paint_window(counts, ids, height, (x0, y0, x1, y1), labels.dtype, step)
    np.testing.assert_array_equal(found, labels[y0:y1:step, x0:x1:step])
