"""Holes, small things, outlines, and objects at the edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from anymask.errors import AnymaskError
from anymask.masks.clean import (
    SIDES,
    clear_border,
    fill_holes,
    keep_largest_component,
    remove_small_components,
    remove_small_objects,
    smooth,
)
from anymask.masks.mask_set import MaskSet
from tests.masks.drawn import label_images, mask_sets, same

EIGHT = np.ones((3, 3))
OPERATIONS = {
    "fill": fill_holes,
    "fill small": lambda masks: fill_holes(masks, max_size=3),
    "small objects": lambda masks: remove_small_objects(masks, 4),
    "small components": lambda masks: remove_small_components(masks, 3),
    "largest": keep_largest_component,
    "border": clear_border,
}


def disc(radius: float, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.hypot(y, x) <= radius


def components(mask: np.ndarray) -> int:
    return ndimage.label(mask, EIGHT)[1]


@pytest.mark.parametrize("name", OPERATIONS)
@given(labels=label_images())
def test_ids_dtype_and_size_of_a_label_image_stay(name, labels):
    cleaned = OPERATIONS[name](labels)
    assert cleaned.dtype == labels.dtype
    assert cleaned.shape == labels.shape
    assert set(np.unique(cleaned)) <= {0, *np.unique(labels)}


@pytest.mark.parametrize("name", OPERATIONS)
@given(labels=label_images())
def test_doing_it_twice_changes_no_more_than_once(name, labels):
    once = OPERATIONS[name](labels)
    np.testing.assert_array_equal(OPERATIONS[name](once), once)


@pytest.mark.parametrize("name", OPERATIONS)
@given(masks=mask_sets())
def test_doing_it_twice_changes_a_mask_set_no_more_than_once(name, masks):
    once = OPERATIONS[name](masks)
    assert same(OPERATIONS[name](once), once)


@pytest.mark.parametrize("name", ["fill", "fill small", "small objects", "border"])
@given(labels=label_images(), turns=st.integers(1, 3))
def test_a_rotated_image_gives_the_rotated_result(name, labels, turns):
    rotated = OPERATIONS[name](np.rot90(labels, turns))
    np.testing.assert_array_equal(rotated, np.rot90(OPERATIONS[name](labels), turns))


@pytest.mark.parametrize("name", OPERATIONS)
@given(labels=label_images())
def test_the_input_is_not_changed(name, labels):
    before = labels.copy()
    OPERATIONS[name](labels)
    np.testing.assert_array_equal(labels, before)


@given(mask_sets(max_masks=1))
def test_a_boolean_mask_gives_what_its_set_gives(masks):
    mask = masks[0] if len(masks) else np.zeros(masks.image_size, bool)
    for operation in OPERATIONS.values():
        alone = operation(mask)
        assert alone.dtype == np.bool_
        of_set = operation(masks)
        np.testing.assert_array_equal(alone, of_set[0] if len(of_set) else np.zeros_like(mask))


def test_scores_and_classes_come_along():
    stack = np.zeros((2, 5, 5), bool)
    stack[0, 1:4, 1:4], stack[0, 2, 2], stack[1, 0, 0] = True, False, True
    masks = MaskSet.from_masks(stack, predicted_iou=[0.9, 0.8], class_names=["cell", "speck"])
    cleaned = remove_small_objects(fill_holes(masks), 2)
    assert cleaned.areas.tolist() == [9]
    assert cleaned.predicted_iou.tolist() == [0.9]
    assert cleaned.class_names == ("cell",)
    assert cleaned.ids.tolist() == [1]


# Holes


@given(mask_sets())
def test_filled_masks_are_those_of_scipy(masks):
    filled = fill_holes(masks)
    expected = [ndimage.binary_fill_holes(mask) for mask in masks if mask.any()]
    assert len(filled) == len(expected)
    for one, other in zip(filled, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_holes_larger_than_the_limit_stay():
    mask = np.ones((6, 9), bool)
    mask[2:4, 2:4] = mask[2, 6] = False
    assert fill_holes(mask, max_size=1).sum() == mask.sum() + 1
    assert fill_holes(mask, max_size=3.9).sum() == mask.sum() + 1
    assert fill_holes(mask, max_size=4).all()


def test_a_bay_that_opens_to_the_edge_of_the_image_is_not_a_hole():
    mask = np.ones((4, 5), bool)
    mask[2:, 2] = False
    np.testing.assert_array_equal(fill_holes(mask), mask)


def test_what_lies_in_a_hole_keeps_its_pixels_and_the_rest_is_filled():
    labels = np.zeros((9, 9), np.uint8)
    labels[1:8, 1:8], labels[2:7, 2:7], labels[3:6, 3:6], labels[4, 4] = 5, 0, 3, 0
    expected = np.zeros_like(labels)
    expected[1:8, 1:8], expected[3:6, 3:6] = 5, 3  # the hole in the inner ring is the inner one's
    np.testing.assert_array_equal(fill_holes(labels), expected)


# Small things


@given(mask_sets(), st.integers(0, 20))
def test_objects_below_the_area_go_and_all_others_stay_as_they_are(masks, min_area):
    kept = remove_small_objects(masks, min_area)
    wanted = masks.with_ids(masks.ids).select(masks.areas >= min_area)
    assert same(kept, wanted)


@given(mask_sets(), st.integers(1, 10))
def test_each_component_left_is_large_or_the_largest(masks, min_area):
    for mask in remove_small_components(masks, min_area):
        parts, count = ndimage.label(mask, EIGHT)
        sizes = np.bincount(parts.ravel())[1:]
        assert count == 1 or sizes.min() >= min_area


@given(mask_sets())
def test_one_component_stays_and_it_is_the_largest(masks):
    originals = [mask for mask in masks if mask.any()]
    for mask, before in zip(keep_largest_component(masks), originals, strict=True):
        assert components(mask) == 1
        assert mask.sum() == np.bincount(ndimage.label(before, EIGHT)[0].ravel())[1:].max()
        assert not (mask & ~before).any()


# Outlines


@given(st.integers(3, 12), st.sampled_from([1, 2, 3.5]), st.integers(0, 2**32 - 1))
def test_a_smoothed_object_keeps_its_area(radius, smoothing, seed):
    mask = disc(radius, 40)
    rim = ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask)
    ragged = mask ^ (rim & (np.random.default_rng(seed).random(mask.shape) < 0.3))
    assert abs(int(smooth(ragged, smoothing).sum()) - int(ragged.sum())) <= 4


@given(label_images(), st.integers(1, 3), st.sampled_from([1, 2.5, 4]))
def test_a_rotated_image_is_smoothed_to_the_rotated_outlines(labels, turns, radius):
    mask = labels > 0
    np.testing.assert_array_equal(
        smooth(np.rot90(mask, turns), radius), np.rot90(smooth(mask, radius), turns)
    )


@given(label_images(), st.sampled_from([0.5, 2, 6]))
def test_no_object_is_smoothed_away(labels, radius):
    for mask in (labels == i for i in np.unique(labels) if i):
        assert smooth(mask, radius).any()


@given(label_images(), st.sampled_from([1, 3]))
def test_smoothed_labels_have_the_same_ids_and_dtype(labels, radius):
    smoothed = smooth(labels, radius)
    assert smoothed.dtype == labels.dtype
    assert set(np.unique(smoothed)) <= {0, *np.unique(labels)}


def test_a_ragged_disc_comes_near_to_the_disc():
    mask = disc(20, 60)
    rng = np.random.default_rng(0)
    near_rim = np.abs(np.hypot(*(np.mgrid[:60, :60] - 29.5)) - 20) < 4
    ragged = mask ^ (near_rim & (rng.random(mask.shape) < 0.15))
    wrong = np.count_nonzero(ragged ^ mask)
    assert wrong > 100
    assert np.count_nonzero(smooth(ragged, 3) ^ mask) < wrong / 2
    assert components(ragged) > 1
    assert components(smooth(ragged, 3)) == 1


def test_a_straight_edge_and_the_image_s_edge_stay_where_they_are():
    mask = np.zeros((30, 40), bool)
    mask[:, :17] = True
    for radius in (1, 3, 7):
        np.testing.assert_array_equal(smooth(mask, radius), mask)


def test_radius_0_changes_nothing():
    labels = np.array([[0, 4, 0], [4, 4, 4]])
    np.testing.assert_array_equal(smooth(labels, 0), labels)


# Edges


@given(label_images())
def test_no_object_is_left_at_the_edge_and_all_others_are(labels):
    cleared = clear_border(labels)
    edge = np.ones(labels.shape, bool)
    edge[1:-1, 1:-1] = False
    at_edge = set(np.unique(labels[edge]))
    assert set(np.unique(cleared)) - {0} == set(np.unique(labels)) - at_edge - {0}
    assert not cleared[edge].any()


@pytest.mark.parametrize("side", SIDES)
def test_only_the_sides_named_count(side):
    labels = np.zeros((9, 9), int)
    labels[4, 0], labels[0, 4], labels[4, 8], labels[8, 4] = 1, 2, 3, 4
    left = set(np.unique(clear_border(labels, sides=[side]))) - {0}
    assert left == {1, 2, 3, 4} - {1 + SIDES.index(side)}


def test_a_margin_removes_what_comes_near_the_edge():
    labels = np.zeros((9, 9), int)
    labels[4, 1], labels[4, 4] = 1, 2
    assert set(np.unique(clear_border(labels, margin=0))) == {0, 1, 2}
    assert set(np.unique(clear_border(labels, margin=1))) == {0, 2}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: fill_holes(m, max_size=-1), "max_size is -1"),
        (lambda m: remove_small_objects(m, float("nan")), "min_area is nan"),
        (lambda m: smooth(m, -2), "radius is -2"),
        (lambda m: clear_border(m, sides=["up"]), "'up' is not a side"),
    ],
)
def test_wrong_values_are_told(call, words):
    with pytest.raises(AnymaskError, match=words):
        call(np.ones((3, 3), int))
