"""Regions that nobody pointed at are dropped; nothing else changes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from anymask.masks.clicked import keep_clicked


def _mask(text: str) -> np.ndarray:
    return np.array([[c == "#" for c in row] for row in text.split()])


def test_of_several_regions_those_with_a_click_stay() -> None:
    mask = _mask("##..# ##..# ....# #....")
    assert np.array_equal(keep_clicked(mask, np.array([[4, 1]])), _mask("....# ....# ....# ....."))
    both = np.array([[0.4, -0.4], [4.0, 2.0]])
    assert np.array_equal(keep_clicked(mask, both), _mask("##..# ##..# ....# ....."))


def test_regions_that_touch_at_a_corner_are_one() -> None:
    mask = _mask("#.. .#. ...")
    assert keep_clicked(mask, np.array([[0, 0]])) is mask


def test_a_click_beside_the_mask_changes_nothing() -> None:
    mask = _mask("##..# ##..#")
    for point in ([2, 0], [-3, 0], [9, 9]):
        assert keep_clicked(mask, np.array([point])) is mask
    assert keep_clicked(mask, np.empty((0, 2))) is mask


def test_a_click_outside_the_image_by_rounding_is_on_its_edge() -> None:
    kept = keep_clicked(_mask("##..# ##..#"), np.array([[5, 0]]))
    np.testing.assert_array_equal(kept, _mask("....# ....#"))


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_it_agrees_with_labelling_the_whole_image(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((17, 23)) < 0.45
    points = np.stack([rng.integers(23, size=count), rng.integers(17, size=count)], 1)
    regions, _ = ndimage.label(mask, np.ones((3, 3)))
    wanted = {regions[y, x] for x, y in points} - {0}
    expected = np.isin(regions, list(wanted)) if wanted else mask
    assert np.array_equal(keep_clicked(mask, points), expected)
