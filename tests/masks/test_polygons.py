"""Outlines along pixels: valid polygons that fill to the very same pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask
from scipy import ndimage

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import (
    fill_polygons,
    joined,
    outlines,
    polygons_of,
    signed_area,
    simplified,
)
from anymask.masks.rle import counts_of, mask_of

masks = hnp.arrays(np.bool_, st.tuples(*[st.integers(1, 12)] * 2))


def filled(polygons, shape) -> np.ndarray:
    return mask_of(fill_polygons(polygons, shape), shape)


@given(masks)
def test_filling_outlines_gives_back_every_pixel(mask):
    np.testing.assert_array_equal(filled(polygons_of(mask), mask.shape), mask)


@given(masks, st.randoms(use_true_random=False))
def test_corners_moved_by_less_than_half_a_pixel_change_no_pixel(mask, random):
    moved = [
        [ring + [[random.uniform(-0.49, 0.49) for _ in "xy"] for _ in ring] for ring in polygon]
        for polygon in polygons_of(mask)
    ]
    np.testing.assert_array_equal(filled(moved, mask.shape), mask)


@given(masks)
def test_rings_are_simple_and_turn_as_they_should(mask):
    polygons = polygons_of(mask)
    for outer, *holes in polygons:
        assert signed_area(outer) > 0
        assert all(signed_area(hole) < 0 for hole in holes)
        for ring in (outer, *holes):
            assert len({tuple(point) for point in ring}) == len(ring)  # touches itself nowhere
            steps = np.abs(np.roll(ring, -1, 0) - ring)
            assert ((steps > 0).sum(1) == 1).all()  # along rows and columns in turn
            assert ((steps[:, 0] > 0) != np.roll(steps[:, 0] > 0, 1)).all()
    assert len(polygons) == ndimage.label(mask)[1]
    areas = [sum(signed_area(ring) for ring in polygon) for polygon in polygons]
    assert sum(areas) == mask.sum()


@given(masks)
def test_each_polygon_is_one_part_connected_through_sides(mask):
    parts, _ = ndimage.label(mask)
    for polygon in polygons_of(mask):
        own = filled([polygon], mask.shape)
        assert len(np.unique(parts[own])) == 1
        np.testing.assert_array_equal(own, parts == parts[own][0])


@given(masks.filter(np.any))
def test_one_ring_for_all_fills_to_the_same_pixels_for_pycocotools_too(mask):
    ring = joined(polygons_of(mask))
    np.testing.assert_array_equal(filled([[ring]], mask.shape), mask)
    packed = coco_mask.frPyObjects([ring.reshape(-1).tolist()], *mask.shape)
    np.testing.assert_array_equal(coco_mask.decode(coco_mask.merge(packed)), mask)


def test_a_mask_with_a_thousand_holes_becomes_one_ring():
    rng = np.random.default_rng(0)
    mask = rng.random((130, 130)) < 0.9
    ring = joined(polygons_of(mask))
    np.testing.assert_array_equal(filled([[ring]], mask.shape), mask)


@given(hnp.arrays(np.bool_, (3, 6, 7)))
def test_a_set_is_outlined_in_the_coordinates_of_the_image(stack):
    found = dict(outlines(MaskSet.from_masks(stack)))
    assert sorted(found) == np.flatnonzero(stack.any((1, 2))).tolist()
    for index, polygons in found.items():
        np.testing.assert_array_equal(filled(polygons, (6, 7)), stack[index])


@given(
    hnp.arrays(np.float64, (5, 2), elements=st.floats(-3, 12)),
    hnp.arrays(np.float64, (4, 2), elements=st.floats(-3, 12)),
)
def test_a_pixel_is_inside_if_its_centre_is(a, b):
    shape = (8, 9)
    y, x = np.mgrid[: shape[0], : shape[1]]
    # A hair beside the centre: on an edge either answer is right.
    centres = np.stack([x.ravel() + 0.5 + 1e-7, y.ravel() + 0.5 + 1.3e-7], 1)
    expected = np.zeros(shape, bool)
    for ring in (a, b):
        sides = centres[:, None, 1] < ring[:, 1]
        crosses = sides != np.roll(sides, -1, 1)
        after = np.roll(ring, -1, 0)
        with np.errstate(all="ignore"):
            at = ring[:, 0] + (centres[:, None, 1] - ring[:, 1]) * (after[:, 0] - ring[:, 0]) / (
                after[:, 1] - ring[:, 1]
            )
        expected |= ((crosses & (centres[:, None, 0] < at)).sum(1) % 2 == 1).reshape(shape)
    hair = np.array([1e-7, 1.3e-7])
    found = filled([[a - hair], [b - hair]], shape)
    differs = np.argwhere(found != expected)
    for row, column in differs:
        point = np.array([column, row]) + 0.5
        assert min(_distance(point, ring) for ring in (a, b)) < 1e-5


def _distance(point: np.ndarray, ring: np.ndarray) -> float:
    ends = np.roll(ring, -1, 0)
    along = ends - ring
    length = (along**2).sum(1)
    share = np.clip(((point - ring) * along).sum(1) / np.where(length > 0, length, 1), 0, 1)
    return float(np.hypot(*(ring + share[:, None] * along - point).T).min())


def test_polygons_join_and_what_lies_outside_is_cut_off():
    square = [[-5, -5], [3, -5], [3, 3], [-5, 3]]
    other = [[2, 1], [99, 1], [99, 4], [2, 4]]
    expected = np.zeros((6, 7), bool)
    expected[:3, :3] = True
    expected[1:4, 2:] = True
    np.testing.assert_array_equal(filled([[square], [other]], (6, 7)), expected)
    assert not filled([[[[50, 50], [60, 50], [60, 60]]]], (6, 7)).any()
    assert not filled([], (6, 7)).any()


def test_simplified_outlines_have_fewer_corners_and_stay_near():
    y, x = np.mgrid[:80, :80]
    disc = (y - 40) ** 2 + (x - 40) ** 2 < 35**2
    (polygon,) = polygons_of(disc)
    few = simplified(polygon[0], 1)
    assert len(few) < len(polygon[0]) / 3
    again = filled([[few]], disc.shape)
    edge = ndimage.binary_dilation(disc) & ~ndimage.binary_erosion(disc)
    np.testing.assert_array_equal(again & ~edge, disc & ~edge)
    assert abs(int(again.sum()) - int(disc.sum())) < 0.01 * disc.sum()


def test_a_ring_that_would_become_a_line_stays():
    ring = np.array([[0, 0], [9, 0], [9, 1], [0, 1]])
    assert simplified(ring, 5).tolist() == ring.tolist()


@pytest.mark.parametrize(
    ("ring", "what"),
    [
        ([[0, 0], [1, 1]], "at least three points"),
        ([[0, 0], [1, 1], [2]], "at least three points"),
        ("abc", "at least three points"),
        (np.array([[0, 0], [1, np.inf], [2, 2]]), "far outside"),
        ([[0, 0], [1, float("nan")], [2, 2]], "far outside"),
        ([[0, 0], [1e300, 0], [2, 2]], "far outside"),
    ],
)
def test_outlines_that_are_none_are_refused_in_one_sentence(ring, what):
    with pytest.raises(AnymaskError, match=what) as caught:
        fill_polygons([[ring]], (5, 5))
    assert "\n" not in str(caught.value)


def test_polygons_that_would_fill_the_memory_are_refused():
    ring = np.tile([[0.0, 0.0], [60_000.0, 60_000.0]], (500, 1))
    with pytest.raises(AnymaskError, match="too much to fill"):
        fill_polygons([[ring]], (60_000, 60_000))


def test_counts_of_a_filled_polygon_are_those_of_the_mask():
    mask = np.zeros((5, 6), bool)
    mask[1:4, 2:5] = True
    np.testing.assert_array_equal(fill_polygons(polygons_of(mask), (5, 6)), counts_of(mask))
