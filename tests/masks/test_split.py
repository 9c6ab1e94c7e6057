"""Objects that touch are split at their necks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.split import split_components, split_touching
from tests.masks.drawn import label_images, mask_sets

EIGHT = np.ones((3, 3))


def discs(*places: tuple[float, float, float], size: tuple[int, int] = (60, 90)) -> np.ndarray:
    """Union of discs given as (x, y, radius)."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.logical_or.reduce([np.hypot(y - cy, x - cx) <= r for cx, cy, r in places])


@pytest.mark.parametrize("split", [split_touching, split_components])
@given(labels=label_images())
def test_parts_cover_what_the_object_covered_and_the_largest_keeps_its_id(split, labels):
    parts = split(labels)
    np.testing.assert_array_equal(parts > 0, labels > 0)
    for number in np.unique(labels)[1:] if 0 in labels else np.unique(labels):
        inside = parts[labels == number]
        values, sizes = np.unique(inside, return_counts=True)
        assert sizes[values == number] == sizes.max()
        new = values[values != number]
        assert (new > labels.max()).all()
        assert not np.isin(parts[labels != number], values).any()


@given(mask_sets())
def test_new_parts_come_last_with_the_numbers_after_the_largest_id(masks):
    parts = split_components(masks)
    np.testing.assert_array_equal(parts.ids[: len(masks)], masks.ids)
    new = parts.ids[len(masks) :]
    np.testing.assert_array_equal(new, masks.ids.max(initial=0) + 1 + np.arange(len(new)))
    assert parts.areas.sum() == masks.areas.sum()


@given(label_images())
def test_components_are_those_of_scipy(labels):
    mask = labels > 0
    parts = split_components(mask)
    expected, count = ndimage.label(mask, EIGHT)
    assert len(np.unique(parts[mask])) == count
    for number in range(1, count + 1):
        assert len(np.unique(parts[expected == number])) == 1


@pytest.mark.parametrize("split", [split_touching, split_components])
@given(labels=label_images())
def test_splitting_components_again_changes_nothing(split, labels):
    once = split_components(split(labels))
    np.testing.assert_array_equal(split_components(once), once)


@given(st.integers(9, 14), st.integers(9, 14), st.floats(0.8, 0.95), st.integers(0, 3))
def test_two_discs_that_overlap_a_little_are_cut_between_them(left, right, apart, turns):
    distance = apart * (left + right)
    mask = discs((20, 30, left), (20 + distance, 30, right))
    parts = split_touching(np.rot90(mask, turns))
    parts = np.rot90(parts, -turns)
    assert len(np.unique(parts)) == 3
    y, x = np.nonzero(mask)
    nearer_left = np.hypot(y - 30, x - 20) / left < np.hypot(y - 30, x - 20 - distance) / right
    in_left = parts[y, x] == parts[30, 20]
    # The cut may lie beside the true line by a few pixels of the neck.
    assert np.mean(nearer_left == in_left) > 0.93


@given(st.integers(3, 25), st.integers(3, 25), st.floats(0, 3.14))
def test_an_ellipse_stays_whole(a, b, angle):
    y, x = np.mgrid[-28:29, -28:29]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    mask = (u / a) ** 2 + (v / b) ** 2 <= 1
    if min(a, b) < max(a, b) / 4:  # so thin that the steps of its outline are necks
        return
    assert split_touching(mask).max() == 1


def test_seven_coins_in_a_heap_become_seven():
    around = [(45 + 16 * np.cos(a), 30 + 16 * np.sin(a), 8.8) for a in np.arange(6) * np.pi / 3]
    parts = split_touching(discs((45, 30, 8.8), *around))
    assert set(np.unique(parts)) == set(range(8))


def test_a_larger_depth_splits_less():
    mask = discs((25, 30, 14), (45, 30, 14))
    assert split_touching(mask, min_depth=1).max() == 2
    assert split_touching(mask, min_depth=8).max() == 1


def test_centres_nearer_than_the_distance_are_one_object():
    mask = discs((25, 30, 10), (43, 30, 10))
    assert split_touching(mask, min_distance=17).max() == 2
    assert split_touching(mask, min_distance=20).max() == 1


def test_pieces_below_the_area_stay_with_the_nearest():
    mask = discs((20, 30, 10), (60, 30, 9))
    mask[30, 34] = mask[5, 60] = True
    parts = split_touching(mask, min_area=5)
    assert set(np.unique(parts)) == {0, 1, 2}
    assert parts[30, 34] == parts[30, 20]
    assert parts[5, 60] == parts[30, 60]


def test_objects_that_touch_in_a_label_image_are_not_mixed():
    labels = np.zeros((20, 40), np.uint8)
    labels[5:15, 5:15], labels[5:15, 15:25] = 9, 4
    np.testing.assert_array_equal(split_touching(labels), labels)


def test_an_object_cut_off_by_the_image_is_split_as_one_inside():
    mask = discs((20, 0, 12), (41, 0, 12))
    parts = split_touching(mask)
    assert set(np.unique(parts)) == {0, 1, 2}
    assert parts[0, 20] != parts[0, 41]


def test_a_mask_without_background_stays():
    parts = split_touching(np.ones((9, 7), bool))
    assert parts.dtype == np.uint8
    assert (parts == 1).all()


def test_parts_inherit_scores_and_class():
    mask = np.zeros((3, 9), bool)
    mask[:, :3], mask[:, 5:7] = True, True
    masks = MaskSet.from_masks(mask[None], predicted_iou=[0.7], class_names=["leaf"])
    parts = split_components(masks)
    assert parts.areas.tolist() == [9, 6]
    assert parts.predicted_iou.tolist() == [0.7, 0.7]
    assert parts.class_names == ("leaf", "leaf")


def test_the_dtype_grows_when_new_ids_need_it():
    labels = np.zeros((1, 5), np.uint8)
    labels[0, [0, 2, 4]] = 255
    parts = split_components(labels)
    assert parts.dtype == np.uint16
    np.testing.assert_array_equal(parts, [[255, 0, 256, 0, 257]])


@pytest.mark.parametrize("name", ["min_distance", "min_depth", "min_area"])
def test_limits_below_0_are_errors(name):
    with pytest.raises(AnymaskError, match=f"{name} is -1"):
        split_touching(np.ones((3, 3), bool), **{name: -1})


def test_ids_above_the_largest_possible_are_errors():
    labels = np.array([[2**63 - 1, 0, 2**63 - 1]], np.int64)
    with pytest.raises(AnymaskError, match="leaves none"):
        split_components(labels)
