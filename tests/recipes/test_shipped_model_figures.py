"""The shipped weights are as accurate as when they were added to the package."""

from __future__ import annotations

import json

import pytest
import torch
from tools.shipped_figures import TARGET, coins_example, drawn_examples, measure

from anymask.checkpoints.registry import SMALL_SHA256

RECORDED = json.loads(TARGET.read_text(encoding="utf-8"))
# Other processors round differently, which sometimes moves a click.
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def measured():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measure()
    finally:
        torch.set_num_threads(threads)


def test_the_figures_are_those_of_the_weights_in_the_package():
    # After other weights were shipped: python -m tools.shipped_figures
    assert RECORDED["weights"] == SMALL_SHA256


@pytest.mark.parametrize("set_name", ["drawn", "coins"])
@pytest.mark.slow
def test_clicks_boxes_and_calibration_have_not_changed(measured, set_name):
    assert measured[set_name] == pytest.approx(RECORDED["figures"][set_name], abs=TOLERANCE)


def test_the_images_of_the_test_have_not_changed():
    """There are 24 coins, and each scene contains objects."""
    coins = coins_example()
    assert len(coins.masks) == 24
    assert all(500 < mask.sum() < 4000 for mask in coins.masks)
    assert all(len(example.masks) for example in drawn_examples())
