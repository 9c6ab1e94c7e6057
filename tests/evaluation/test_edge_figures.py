"""ODS, OIS and AP of edges whose agreement is known."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.datasets.types import Example
from anymask.evaluation.edge_figures import (
    EDGE_BASELINES,
    boundaries_of,
    edge_figures,
    matched,
)


def square(shift: int = 0, seed: int = 0) -> Example:
    """A bright square of 60 pixels on noise in an image of 120."""
    mask = np.zeros((120, 120), bool)
    mask[30 + shift : 90 + shift, 30:90] = True
    image = np.random.default_rng(seed).integers(40, 60, (120, 120, 3)).astype(np.uint8)
    image[mask] += 150
    return Example(f"square{seed}", image, [mask, ~mask])


def test_true_boundaries_agree_with_themselves_wholly():
    examples = [square(), square(5, 1)]
    known = {e.image.tobytes(): boundaries_of(e) for e in examples}
    found = edge_figures(examples, lambda image: known[image.tobytes()].astype(np.float32))
    assert (found.ods, found.ois, found.ap) == (1, 1, 1)


def test_half_of_the_edges_and_as_many_wrong_ones_give_half():
    true = np.zeros((200, 200), bool)
    true[:, 50] = true[:, 150] = True
    found = np.zeros_like(true)
    found[:, 51] = found[:, 100] = True  # one is a pixel away, the other nowhere near
    assert matched(found, true) == 200
    assert matched(found[:, ::-1], true[:, ::-1]) == 200


def test_each_true_pixel_is_matched_once():
    true = np.zeros((200, 200), bool)
    true[:, 50] = True
    twice = np.zeros_like(true)
    twice[:, 49] = twice[:, 51] = True
    assert matched(twice, true) == 200


def test_thresholds_of_each_image_are_at_least_as_good_as_one_for_all():
    examples = [square(0, 1), square(3, 2)]
    strengths = iter([0.3, 0.9])

    def edges(image: np.ndarray) -> np.ndarray:
        example = next(e for e in examples if e.image is image)
        wrong = np.zeros((120, 120), np.float32)
        wrong[5, :] = 0.6
        return np.maximum(wrong, next(strengths) * boundaries_of(example))

    found = edge_figures(examples, edges)
    assert 0.5 < found.ods < found.ois < 1


@pytest.mark.parametrize("name", EDGE_BASELINES)
def test_classical_edges_find_a_bright_square(name):
    assert edge_figures([square()], EDGE_BASELINES[name]).ods > 0.9


def test_nothing_to_compare_is_not_a_number():
    assert np.isnan(edge_figures([], EDGE_BASELINES["Sobel"]).ods)
