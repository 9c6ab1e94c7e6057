"""Filling small holes and removing small islands, held to a flood fill."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anymask.errors import AnymaskError
from anymask.masks.regions import remove_small_regions

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))
areas = st.integers(0, 12)


def regions_by_flood_fill(mask):
    """Sets of pixels joined through sides and corners, topmost first."""
    left, regions = {tuple(p) for p in np.argwhere(mask).tolist()}, []
    while left:
        region, edge = set(), [min(left)]
        while edge:
            y, x = edge.pop()
            if (y, x) in left:
                left.remove((y, x))
                region.add((y, x))
                edge += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        regions.append(region)
    return regions


def painted(shape, regions):
    mask = np.zeros(shape, bool)
    for region in regions:
        mask[tuple(np.array(list(region)).T)] = True
    return mask


@given(masks, areas)
def test_small_background_regions_are_filled_and_no_other(mask, area):
    cleaned, changed = remove_small_regions(mask, area, "holes")
    small = [r for r in regions_by_flood_fill(~mask) if len(r) < area]
    np.testing.assert_array_equal(cleaned, mask | painted(mask.shape, small))
    assert changed == bool(small)


@given(masks, areas)
def test_small_islands_go_but_the_largest_of_all_small_ones_stays(mask, area):
    cleaned, changed = remove_small_regions(mask, area, "islands")
    regions = regions_by_flood_fill(mask)
    stay = [r for r in regions if len(r) >= area] or sorted(regions, key=len, reverse=True)[:1]
    np.testing.assert_array_equal(cleaned, painted(mask.shape, stay))
    assert changed == any(len(r) < area for r in regions)


def test_an_empty_mask_stays_empty():
    mask = np.zeros((5, 6), bool)
    for mode in ("holes", "islands"):
        cleaned, changed = remove_small_regions(mask, 30, mode)
        assert not cleaned.any()
        assert not changed


def test_a_mask_that_is_not_boolean_is_refused():
    with pytest.raises(AnymaskError, match="boolean array"):
        remove_small_regions(np.zeros((3, 3), np.uint8), 2, "holes")
