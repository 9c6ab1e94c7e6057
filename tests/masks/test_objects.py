"""Objects cut out of an image and put back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import as_set, counts_of_crop, map_objects, objects_of, union_of
from tests.masks.drawn import label_images, mask_sets, same


@given(mask_sets(), st.integers(0, 3))
def test_a_crop_holds_the_pixels_of_its_mask_and_no_other_pixel_is_set(masks, margin):
    seen = []
    for index, crop in objects_of(masks, margin):
        whole = np.zeros(masks.image_size, bool)
        whole[crop.window] = crop.pixels
        np.testing.assert_array_equal(whole, masks[index])
        seen.append(index)
    assert seen == np.flatnonzero(masks.areas).tolist()


@given(mask_sets(), st.integers(0, 3))
def test_a_crop_that_is_put_back_gives_the_same_run_lengths(masks, margin):
    for index, crop in objects_of(masks, margin):
        back = counts_of_crop(crop, masks.image_size)
        np.testing.assert_array_equal(back, masks.counts[index])


def test_a_margin_ends_where_the_image_ends():
    masks = MaskSet.from_labels(np.pad([[1]], ((0, 5), (2, 1))))
    ((_, crop),) = objects_of(masks, 2)
    assert (crop.top, crop.left, crop.pixels.shape) == (0, 0, (3, 4))


@given(label_images())
def test_changing_nothing_gives_the_same_label_image_in_the_same_dtype(labels):
    back = map_objects(labels, lambda pixels: pixels.copy())
    assert back.dtype == labels.dtype
    np.testing.assert_array_equal(back, labels)


@given(mask_sets())
def test_changing_nothing_gives_the_same_masks_without_the_empty_ones(masks):
    wanted = masks.with_ids(masks.ids).select(masks.areas > 0)
    assert same(map_objects(masks, lambda pixels: pixels.copy()), wanted)


def test_ids_of_a_set_stay_when_areas_change_their_order():
    stack = np.zeros((2, 4, 9), bool)
    stack[0, :, :5], stack[1, :, 6:] = True, True
    masks = MaskSet.from_masks(stack)
    assert masks.ids.tolist() == [1, 2]

    def shrink_the_wide(pixels):
        return pixels & (np.arange(pixels.shape[1]) < 1) if pixels.shape[1] == 5 else pixels

    changed = map_objects(masks, shrink_the_wide)
    assert changed.areas.tolist() == [4, 12]
    assert changed.ids.tolist() == [1, 2]


def test_an_object_that_grows_takes_no_pixel_of_another_one():
    labels = np.array([[1, 1, 2, 2, 0, 0]])
    grown = map_objects(labels, np.ones_like, margin=1)
    np.testing.assert_array_equal(grown, [[1, 1, 2, 2, 2, 0]])


def test_a_pixel_that_an_object_gives_up_goes_to_the_one_that_wants_it():
    labels = np.array([[1, 1, 1, 2, 0]])

    def change(pixels):
        return np.array([[1, 1, 0, 0]], bool) if pixels.sum() == 3 else np.ones_like(pixels)

    np.testing.assert_array_equal(map_objects(labels, change, margin=1), [[1, 1, 2, 2, 2]])


@given(mask_sets())
def test_the_union_is_every_pixel_of_any_mask(masks):
    expected = np.zeros(masks.image_size, bool)
    for mask in masks:
        expected |= mask
    np.testing.assert_array_equal(union_of(masks), expected)


@pytest.mark.parametrize("wrong", [np.zeros((2, 3, 4), bool), np.zeros(5, int), [[1.5]]])
def test_what_is_no_mask_is_refused(wrong):
    with pytest.raises(AnymaskError, match="label image"):
        as_set(wrong)


def test_negative_labels_are_refused():
    with pytest.raises(AnymaskError, match="has the id -1"):
        as_set(np.array([[-1, 0]]))


def test_labels_in_floats_come_back_as_whole_numbers():
    labels = np.array([[0, 3, 3], [9, 0, 3]], np.float32)
    changed = map_objects(labels, np.zeros_like, margin=0)
    assert changed.dtype.kind in "iu"
    np.testing.assert_array_equal(map_objects(labels, lambda pixels: pixels, margin=0), labels)
