"""Where "segment everything" asks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.predict.everything.grids import crops_of, point_grid, point_grids

sides = st.integers(1, 400)


@given(st.integers(1, 40))
def test_grid_points_are_evenly_spread_row_by_row(n):
    points = point_grid(n).reshape(n, n, 2)
    expected = (np.arange(n) + 0.5) / n
    np.testing.assert_allclose(points[..., 0], np.tile(expected, (n, 1)))
    np.testing.assert_allclose(points[..., 1], np.tile(expected, (n, 1)).T)


def test_grids_of_layers_thin_out_down_to_one_point():
    assert [len(grid) for grid in point_grids(32, 3, 2)] == [1024, 256, 64, 16]
    assert [len(grid) for grid in point_grids(2, 3, 2)] == [4, 1, 1, 1]


@given(sides, sides, st.integers(0, 3), st.floats(0, 1))
def test_crops_of_each_layer_cover_the_image_and_stay_inside(height, width, layers, overlap):
    crops = crops_of((height, width), layers, overlap)
    assert crops[0] == (0, 0, width, height, 0)
    for layer in range(layers + 1):
        covered = np.zeros((height, width), bool)
        for x0, y0, x1, y1, _ in (crop for crop in crops if crop.layer == layer):
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height
            covered[y0:y1, x0:x1] = True
        assert covered.all()


@pytest.mark.parametrize("overlap", [0.0, 512 / 1500])
def test_neighbouring_crops_overlap_by_the_ratio_of_the_shorter_side(overlap):
    crops = [crop for crop in crops_of((600, 900), 1, overlap) if crop.layer == 1]
    assert len(crops) == 4
    assert crops[0].x1 - crops[2].x0 == int(overlap * 600)
    assert crops[0].y1 - crops[1].y0 == int(overlap * 600)
