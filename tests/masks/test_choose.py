"""Choosing masks by ids and by conditions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import AnymaskError, ExpressionError
from anymask.masks.choose import binarise, choose, keep, keep_classes, names_ids, parse_ids
from anymask.masks.mask_set import MaskSet
from tests.masks.drawn import label_images, mask_sets, same

LABELS = np.array([[3, 3, 3, 0, 0], [3, 3, 0, 8, 8], [0, 5, 0, 8, 12]])


def kept_ids(masks, choice, **options) -> list[int]:
    kept = keep(masks, choice, **options)
    return kept.ids.tolist() if isinstance(kept, MaskSet) else np.unique(kept[kept > 0]).tolist()


# Ids


@given(st.sets(st.integers(1, 300), min_size=1))
def test_ids_written_as_ranges_are_read_as_the_same_ids(ids):
    ordered = sorted(ids)
    runs = np.split(ordered, np.flatnonzero(np.diff(ordered) > 1) + 1)
    text = ",".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in runs)
    assert sorted(i for part in parse_ids(text) for i in part) == ordered


def test_spaces_and_dashes_of_typesetters_are_read():
    assert parse_ids(" 1 – 8 ,14, 19-21 ") == [range(1, 9), range(14, 15), range(19, 22)]


def test_a_range_over_all_numbers_costs_nothing():
    assert parse_ids("1-9223372036854775807")[0].stop == 2**63
    assert kept_ids(LABELS, "4-9223372036854775807") == [5, 8, 12]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "list of ids is empty"),
        ("1-8,x", "'x' is neither an id nor a range"),
        ("1,,3", "nothing between two commas"),
        ("1,", "nothing between two commas"),
        ("8-1", "'8-1' ends before it begins; write 1-8"),
        ("0,4", "there is a 0, which means background"),
        ("-4", "'-4' is neither"),
        ("1.5", "'1.5' is neither"),
        ("1-2-3", "'1-2-3' is neither"),
        ("²", "neither"),
        ("9" * 5000, "above 2⁶³−1"),
    ],
)
def test_ids_that_cannot_be_read_are_told_with_the_item(text, words):
    with pytest.raises(AnymaskError, match=words):
        parse_ids(text)


def test_what_compares_is_a_condition_and_what_begins_with_a_digit_is_ids():
    assert names_ids("1-8,14")
    assert names_ids("1-8,x")
    assert not names_ids("8 < area")
    assert not names_ids("area")


@given(label_images(), st.sets(st.integers(1, 250)))
def test_keeping_ids_leaves_just_their_pixels(labels, ids):
    kept = keep(labels, ids, missing_ids=True)
    assert kept.dtype == labels.dtype
    np.testing.assert_array_equal(kept, np.where(np.isin(labels, list(ids)), labels, 0))
    np.testing.assert_array_equal(
        binarise(labels, ids, missing_ids=True), np.isin(labels, [*ids, -1])
    )


def test_an_id_that_no_mask_has_is_told_and_one_within_a_range_is_not():
    with pytest.raises(AnymaskError, match="no mask with id 4; there are 3, 5, 8, 12"):
        keep(LABELS, "3,4")
    assert kept_ids(LABELS, "3-6") == [3, 5]
    assert kept_ids(LABELS, "3,4", missing_ids=True) == [3]
    with pytest.raises(AnymaskError, match="Ids must be whole numbers"):
        keep(LABELS, [1.5])


# Conditions


def test_conditions_on_measurements_choose_objects():
    assert kept_ids(LABELS, "area > 2") == [3, 8]
    assert kept_ids(LABELS, "area > 2 and centroid_x > 2") == [8]
    assert kept_ids(LABELS, "bbox_width == 1 or extent < 0.8") == [5, 8, 12]
    assert kept_ids(LABELS, "id >= 8") == [8, 12]
    assert kept_ids(LABELS, "not area > 2") == [5, 12]


def test_conditions_on_brightness_need_the_image():
    image = np.where(LABELS == 8, 1000, 10).astype(np.uint16)
    assert kept_ids(LABELS, "intensity_mean > 500", image=image) == [8]
    both = np.stack([image, 1000 - image], -1)
    names = ["dapi", "gfp"]
    condition = "intensity_max_gfp > 500 and area > 1"
    assert kept_ids(LABELS, condition, image=both, channel_names=names) == [3]
    with pytest.raises(AnymaskError, match="needs the image"):
        keep(LABELS, "intensity_mean > 500")
    with pytest.raises(ExpressionError, match="no 'intensity_mean', but 'intensity_mean_0'"):
        keep(LABELS, "intensity_mean > 500", image=both)


def test_areas_are_in_the_unit_of_the_pixel_size():
    assert kept_ids(LABELS, "area > 1.0", pixel_size=0.5, unit="µm") == [3]


def test_scores_and_the_nesting_are_columns():
    stack = np.zeros((3, 6, 6), bool)
    stack[0], stack[1, 1:3, 1:3], stack[2, 4, 4] = True, True, True
    masks = MaskSet.from_masks(stack, predicted_iou=[0.9, 0.5, np.nan], object_ids=[1, 2, 3])
    assert kept_ids(masks, "predicted_iou > .7") == [1]
    assert kept_ids(masks, "predicted_iou <= .7") == [2]  # an unknown score passes no limit
    assert kept_ids(masks, "depth == 0") == [1]
    assert kept_ids(masks, "parent == 1 and area > 2") == [2]
    assert kept_ids(masks, "children > 0") == [1]


def test_a_nucleus_in_a_label_image_has_its_cell_as_parent():
    labels = np.zeros((9, 9), np.uint8)
    labels[1:8, 1:8], labels[3:6, 3:6] = 4, 9
    assert kept_ids(labels, "depth == 1") == [9]


def test_columns_of_ones_own_go_before_those_measured():
    assert kept_ids(LABELS, "area > 2", table={"area": [9, 1, 1, 9]}) == [3, 12]
    assert kept_ids(LABELS, "ndvi > 0.5 and area > 2", table={"ndvi": [0, 1, 1, 0]}) == [8]


@given(mask_sets())
def test_a_condition_and_its_opposite_share_the_masks_between_them(masks):
    small, large = keep(masks, "area <= 9"), keep(masks, "area > 9")
    pinned = masks.with_ids(masks.ids)
    assert same(small, pinned.select(masks.areas <= 9))
    assert len(small) + len(large) == len(masks)
    assert same(keep(large, "area > 9"), large)


def test_choosing_rows_works_on_any_columns():
    table = {"name": np.array(["a", "b"]), "size": [1, 5]}
    assert choose("size > 2", table).tolist() == [False, True]
    assert choose("1 > 2", table).tolist() == [False, False]
    with pytest.raises(ExpressionError, match="'name' is text"):
        choose("name > 2", table)


@pytest.mark.parametrize(
    ("condition", "position", "words"),
    [
        ("aera > 3", 0, "did you mean 'area'"),
        ("area > 3 and", 12, "ends where a value is expected"),
        ("area", 0, "numbers, not yes or no"),
        ("area + predicted_iou > 3", 7, "these masks have no 'predicted_iou'"),
        ("__import__('os') > 0", 0, "there is no function"),
        ("().__class__ > 0", 2, "stands alone"),
    ],
)
def test_conditions_that_mean_nothing_are_told_with_the_place(condition, position, words):
    with pytest.raises(ExpressionError, match=words) as caught:
        keep(LABELS, condition)
    assert caught.value.position == position


# All of them


@given(mask_sets())
def test_all_masks_as_one_are_their_union(masks):
    expected = np.zeros(masks.image_size, bool)
    for mask in masks:
        expected |= mask
    np.testing.assert_array_equal(binarise(masks), expected)


def test_classes_are_chosen_by_name():
    stack = np.eye(3, dtype=bool)[:, None]
    masks = MaskSet.from_masks(stack, class_names=["leaf", "soil", "leaf"], object_ids=[4, 5, 6])
    assert keep_classes(masks, "leaf").ids.tolist() == [4, 6]
    assert keep_classes(masks, ["soil", "leaf"]).ids.tolist() == [4, 5, 6]
    with pytest.raises(AnymaskError, match="no mask of class 'lead'; these masks have leaf, soil"):
        keep_classes(masks, "lead")
