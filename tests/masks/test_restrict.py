"""Regions of interest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import AnymaskError
from anymask.masks.restrict import region_mask, restrict
from tests.masks.drawn import label_images, mask_sets, same


@given(label_images(), st.integers(0, 2**32 - 1))
def test_cutting_leaves_what_is_in_the_region(labels, seed):
    region = np.random.default_rng(seed).random(labels.shape) < 0.5
    region[0, 0] = True
    cut = restrict(labels, region)
    assert cut.dtype == labels.dtype
    np.testing.assert_array_equal(cut, np.where(region, labels, 0))
    np.testing.assert_array_equal(restrict(cut, region), cut)


@given(mask_sets(), st.integers(0, 2**32 - 1))
def test_whole_objects_stay_whole_or_go(masks, seed):
    region = np.random.default_rng(seed).random(masks.image_size) < 0.7
    region[0, 0] = True
    pinned = masks.with_ids(masks.ids)
    found = [mask.any() for mask in masks]
    inside = [mask.any() and not (mask & ~region).any() for mask in masks]
    touching = [(mask & region).any() for mask in masks]
    assert same(restrict(masks, region, "inside"), pinned.select(np.array(inside, bool)))
    assert same(restrict(masks, region, "touching"), pinned.select(np.array(touching, bool)))
    everywhere = np.ones(masks.image_size, bool)
    for how in ("cut", "inside", "touching", "centre"):
        assert same(restrict(masks, everywhere, how), pinned.select(np.array(found, bool)))


def test_the_centre_decides_where_asked():
    labels = np.zeros((5, 9), int)
    labels[2, 0:5], labels[2, 6:9] = 1, 2  # centres at x = 2 and x = 7
    assert set(np.unique(restrict(labels, (0, 0, 2, 4), "centre"))) == {0, 1}
    assert set(np.unique(restrict(labels, (3, 0, 6, 4), "centre"))) == {0}
    assert set(np.unique(restrict(labels, (7, 2, 7, 2), "centre"))) == {0, 2}


def test_a_box_includes_its_edges_and_may_reach_beyond_the_image():
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:6] = True
    np.testing.assert_array_equal(region_mask((2, 1, 5, 3), (6, 8)), expected)
    np.testing.assert_array_equal(region_mask((1.2, 0.5, 5.9, 3.4), (6, 8)), expected)
    assert region_mask((-5, -5, 50, 50), (6, 8)).all()


def test_a_polygon_covers_the_pixels_whose_centres_are_in_it():
    box = region_mask([(1.5, 0.5), (5.5, 0.5), (5.5, 3.5), (1.5, 3.5)], (6, 8))
    np.testing.assert_array_equal(box, region_mask((2, 1, 5, 3), (6, 8)))
    beyond = region_mask([(-10, -10), (3.5, -10), (3.5, 30), (-10, 30)], (6, 8))
    np.testing.assert_array_equal(beyond, region_mask((0, 0, 3, 5), (6, 8)))


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (np.ones((3, 3), bool), "region of interest is 3×3 pixels and the image is 8×6"),
        ((5, 1, 2, 3), "ends before it begins"),
        ((20, 20, 30, 30), "no pixel in the image, which is 8 wide and 6 high"),
        (np.zeros((6, 8), bool), "no pixel in the image"),
        ((1, 2, 3), "must be a boolean mask"),
        ([(1, 2), (3, 4)], "must be a boolean mask"),
        ([[1, 2], [3]], "must be a boolean mask"),
        ("everything", "must be a boolean mask"),
        ((0, 0, float("nan"), 4), "not a finite number"),
    ],
)
def test_invalid_regions_are_errors(region, words):
    with pytest.raises(AnymaskError, match=words):
        restrict(np.ones((6, 8), int), region)


def test_an_unknown_way_is_told():
    with pytest.raises(
        AnymaskError, match=r"'around' is not a way .* cut, inside, touching, centre"
    ):
        restrict(np.ones((6, 8), int), (0, 0, 3, 3), "around")
