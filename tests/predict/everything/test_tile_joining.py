"""Joining tiles: objects come out as if no tile had cut them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anymask.masks.mask_set import MaskSet
from anymask.masks.nms import nms
from anymask.masks.rle import counts_of
from anymask.predict.everything.grids import tiles_of
from anymask.predict.everything.tile_joining import join_tiles

SIZE = (90, 130)


def rectangle(x0, y0, x1, y1):
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def seen_in(tile, objects, scores=None):
    """What a perfect segmenter finds in a tile: the part of each object that lies in it."""
    window = rectangle(*tile.box)
    parts = [(mask & window, i) for i, mask in enumerate(objects) if (mask & window).any()]
    scores = np.linspace(0.9, 0.5, len(objects)) if scores is None else scores
    return MaskSet.from_counts(
        SIZE,
        [counts_of(part) for part, _ in parts],
        predicted_iou=[scores[i] for _, i in parts],
        stability_score=[scores[i] / 2 for _, i in parts],
        point_coords=[(tile.x0, tile.y0)] * len(parts),
        crop_box=[(tile.x0, tile.y0, tile.size[1], tile.size[0])] * len(parts),
    )


def found_in_tiles(objects, tile_size, overlap, reach=1):
    tiles = tiles_of(SIZE, tile_size, overlap)
    return join_tiles([(tile, seen_in(tile, objects)) for tile in tiles], SIZE, reach)


def as_set(masks):
    return {mask.tobytes() for mask in masks}


@pytest.mark.parametrize("size", [(90, 130), (7, 300), (64, 64), (65, 64)])
@pytest.mark.parametrize(("tile_size", "overlap"), [(64, 8), (40, 39), (50, 1)])
def test_tiles_cover_the_image_are_of_one_size_and_overlap_enough(size, tile_size, overlap):
    tiles = tiles_of(size, tile_size, overlap)
    covered = np.zeros(size, int)
    for tile in tiles:
        assert tile.size == (min(tile_size, size[0]), min(tile_size, size[1]))
        covered[tile.y0 : tile.y1, tile.x0 : tile.x1] += 1
    assert covered.min() == 1 or overlap * 2 > tile_size
    at = {(tile.row, tile.column): tile for tile in tiles}
    assert len(at) == len(tiles)
    for (row, column), tile in at.items():
        if (row, column + 1) in at:
            assert tile.x1 - at[row, column + 1].x0 >= overlap
        if (row + 1, column) in at:
            assert tile.y1 - at[row + 1, column].y0 >= overlap
    assert (tiles[0].x0, tiles[0].y0, tiles[-1].x1, tiles[-1].y1) == (0, 0, *size[::-1])


def test_an_object_within_the_strip_of_two_tiles_is_found_in_both_and_is_whole():
    one = rectangle(60, 20, 66, 30)
    tiles = tiles_of(SIZE, 90, 50)
    assert len(tiles) == 2
    found = found_in_tiles([one], 90, 50)
    assert len(found) == 2
    assert as_set(found) == as_set([one])


def test_an_object_cut_in_two_becomes_one_mask_with_the_scores_of_its_parts():
    long = rectangle(5, 40, 128, 50)
    (left, right) = tiles_of(SIZE, 90, 30)
    parts = [
        (left, seen_in(left, [long], scores=[0.9])),
        (right, seen_in(right, [long], scores=[0.6])),
    ]
    found = join_tiles(parts, SIZE, 1)
    assert as_set(found) == as_set([long])
    areas = np.array([90 - 5, 128 - 40])
    np.testing.assert_allclose(found.predicted_iou, [areas @ [0.9, 0.6] / areas.sum()])
    np.testing.assert_allclose(found.stability_score, [areas @ [0.45, 0.3] / areas.sum()])
    assert found.point_coords.tolist() == [[40, 0]]  # that of the larger part
    assert found.crop_box.tolist() == [[0, 0, 130, 90]]


def test_a_part_that_no_neighbour_carries_on_is_dropped():
    (left, right) = tiles_of(SIZE, 90, 30)
    long, other = rectangle(5, 40, 128, 50), rectangle(60, 5, 128, 12)
    parts = [(left, seen_in(left, [long])), (right, seen_in(right, [other]))]
    assert as_set(join_tiles(parts, SIZE, 1)) == as_set([other])
    # A neighbour that sees it whole on its side makes no part of it.
    short = rectangle(45, 40, 95, 50)
    assert as_set(found_in_tiles([short], 90, 50)) == as_set([short])


def test_parts_that_disagree_about_the_shared_strip_are_not_joined():
    (left, right) = tiles_of(SIZE, 90, 30)
    high, low = rectangle(5, 20, 128, 40), rectangle(5, 32, 128, 60)
    parts = [(left, seen_in(left, [high])), (right, seen_in(right, [low]))]
    assert len(join_tiles(parts, SIZE, 1)) == 0


def test_objects_inside_one_another_are_joined_each_with_its_own():
    objects = [
        rectangle(2, 2, 128, 88),
        rectangle(10, 12, 120, 78),
        rectangle(20, 25, 110, 60),
    ]
    assert as_set(found_in_tiles(objects, 70, 12)) == as_set(objects)


def test_a_ring_through_all_tiles_keeps_its_hole():
    ring = rectangle(4, 4, 126, 86) & ~rectangle(30, 25, 100, 65)
    assert len(tiles_of(SIZE, 50, 10)) == 6
    assert as_set(found_in_tiles([ring], 50, 10)) == as_set([ring])


def test_an_object_at_the_edge_of_the_image_is_not_cut():
    corner = rectangle(0, 0, 12, 12)
    assert as_set(found_in_tiles([corner], 64, 8, reach=4)) == as_set([corner])


@given(
    st.lists(
        st.tuples(st.integers(0, 129), st.integers(0, 89), st.integers(1, 60)),
        min_size=1,
        max_size=3,
    ),
    st.integers(30, 80),
    st.integers(8, 20),
    st.integers(0, 3),
    st.randoms(),
)
def test_discs_come_out_whole_whatever_the_tiles_and_their_order(
    discs, tile_size, overlap, reach, random
):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    objects = [(x - cx) ** 2 + (y - cy) ** 2 <= r**2 for cx, cy, r in discs]
    # Of discs that meet, some look the same in a strip; then nobody could tell them apart.
    assume(np.sum(objects, axis=0).max() == 1)
    parts = [(tile, seen_in(tile, objects)) for tile in tiles_of(SIZE, tile_size, overlap)]
    found = join_tiles(parts, SIZE, reach)
    assert as_set(found) == as_set(objects)
    random.shuffle(parts)
    again = join_tiles(parts, SIZE, reach)
    for name in ("predicted_iou", "stability_score", "point_coords", "crop_box"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    for one, other in zip(found.counts, again.counts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_suppression_afterwards_leaves_each_object_once():
    objects = [rectangle(20 * i, 30, 20 * i + 12, 50) for i in range(6)] + [rectangle(0, 0, 130, 9)]
    found = found_in_tiles(objects, 60, 25)
    assert len(found) > len(objects)
    left = found.select(nms(found.boxes, found.predicted_iou, 0.7))
    assert len(left) == len(objects)
    assert as_set(left) == as_set(objects)


def test_tiles_without_masks_are_no_trouble():
    tiles = tiles_of(SIZE, 64, 8)
    empty = MaskSet.from_counts(SIZE, [])
    assert len(join_tiles([(tile, empty) for tile in tiles], SIZE, 1)) == 0
