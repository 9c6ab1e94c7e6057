"""Clicks at the centre of objects and of errors."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.evaluation.simulated_clicks import Click, centre_of, first_click, next_click


def farthest_by_hand(region: np.ndarray) -> float:
    """Largest distance from a pixel of a region to a pixel outside it, from all pairs."""
    padded = np.pad(region, 1)
    inside, outside = np.argwhere(padded), np.argwhere(~padded)
    return np.linalg.norm(inside[:, None] - outside[None], axis=2).min(1).max()


@pytest.mark.parametrize("seed", range(8))
def test_the_centre_is_as_far_from_the_boundary_as_any_pixel(seed):
    rng = np.random.default_rng(seed)
    region = rng.random((14, 19)) < rng.choice([0.3, 0.7, 0.95])
    x, y, distance = centre_of(region)
    assert distance == pytest.approx(farthest_by_hand(region))
    padded, outside = np.pad(region, 1), np.argwhere(~np.pad(region, 1))
    assert padded[y + 1, x + 1]
    assert np.linalg.norm(outside - (y + 1, x + 1), axis=1).min() == pytest.approx(distance)


def test_the_border_of_the_image_counts_as_boundary():
    # Otherwise a corner of the image would be the centre of an object that fills it.
    assert centre_of(np.ones((9, 21), bool)) == (10, 4, 5.0)
    assert centre_of(np.ones((9, 9), bool)) == (4, 4, 5.0)


def test_the_centre_of_a_ring_lies_on_the_ring():
    y, x = np.ogrid[:41, :41]
    radius = np.hypot(x - 20, y - 20)
    ring = (radius < 18) & (radius > 10)
    click = first_click(ring)
    assert ring[click.y, click.x]
    assert np.hypot(click.x - 20, click.y - 20) == pytest.approx(14, abs=1)


def test_the_second_click_is_positive_on_the_larger_miss_and_negative_on_the_larger_addition():
    target = np.zeros((40, 60), bool)
    target[10:30, 10:30] = True
    predicted = np.zeros_like(target)
    predicted[10:30, 10:20] = True  # misses a block 10 wide
    predicted[12:18, 40:46] = True  # adds a block 6 wide
    click = next_click(predicted, target)
    assert click is not None
    assert click.label == 1
    assert 20 <= click.x < 30
    predicted[5:35, 34:54] = True  # now adds a block 20 wide
    assert next_click(predicted, target) == Click(43, 19, 0)


def test_a_blob_is_corrected_before_a_thin_strip_of_larger_area():
    target = np.zeros((60, 60), bool)
    target[4:8, 2:58] = True  # 4 rows of 56 pixels missed
    target[30:42, 20:32] = True  # 12×12 missed
    click = next_click(np.zeros_like(target), target)
    assert click is not None
    assert 30 <= click.y < 42


def test_a_perfect_prediction_needs_no_click():
    target = np.zeros((20, 20), bool)
    target[5:9, 5:9] = True
    assert next_click(target.copy(), target) is None
