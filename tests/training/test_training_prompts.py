"""Simulated prompts are prompts that a user could give for the mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anymask.training.simulated_prompts import boxes_of, corrective_clicks, points_in


def _disks(count: int, side: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    centres, radii = rng.uniform(8, side - 8, (count, 2)), rng.uniform(2, side / 3, count)
    disks = [
        (x - cx) ** 2 + (y - cy) ** 2 <= r * r for (cx, cy), r in zip(centres, radii, strict=True)
    ]
    return torch.from_numpy(np.stack(disks))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(seed=st.integers(0, 10_000))
def test_a_box_without_jitter_is_the_bounding_box(seed: int) -> None:
    masks = _disks(3, 48, seed)
    boxes = boxes_of(masks, 0.0, _generator())
    for mask, box in zip(masks.numpy(), boxes.numpy(), strict=True):
        rows, cols = np.nonzero(mask)
        assert box.tolist() == [cols.min(), rows.min(), cols.max(), rows.max()]


def test_jittered_boxes_differ_but_stay_on_the_image() -> None:
    masks = _disks(200, 64, 1)
    exact, jittered = (boxes_of(masks, j, _generator()) for j in (0.0, 0.1))
    assert jittered.min() >= 0
    assert jittered.max() <= 63
    widths = (exact[:, 2] - exact[:, 0]).clamp(min=1)
    moves = (jittered - exact)[:, 0] / widths
    assert 0.03 < moves.abs().mean() < 0.12
    assert moves.abs().max() <= 0.2 + 1e-5


def test_each_box_can_have_its_own_jitter() -> None:
    masks = _disks(200, 64, 1)
    jitter = torch.tensor([0.0, 0.1]).repeat(100)[:, None]
    moved = (boxes_of(masks, jitter, _generator()) - boxes_of(masks, 0.0, _generator())).abs()
    assert moved[::2].max() == 0
    assert moved[1::2].amax(1).median() > 1


@given(seed=st.integers(0, 10_000), central=st.booleans())
def test_points_lie_on_the_object(seed: int, central: bool) -> None:
    masks = _disks(4, 48, seed)
    points = points_in(masks, torch.full((4,), central), _generator(seed)).long()
    assert all(masks[i, y, x] for i, (x, y) in enumerate(points.tolist()))


def test_central_points_are_farther_from_the_edge_than_others() -> None:
    from scipy.ndimage import distance_transform_edt

    masks = _disks(100, 64, 2)
    depth = np.stack([distance_transform_edt(m) for m in masks.numpy()])
    depth /= depth.max((1, 2), keepdims=True)

    def mean_depth(central: bool) -> float:
        points = points_in(masks, torch.full((100,), central), _generator(3)).long()
        return float(np.mean([depth[i, y, x] for i, (x, y) in enumerate(points.tolist())]))

    assert mean_depth(True) > 0.8
    assert mean_depth(False) < 0.6


def test_corrections_are_positive_on_missed_and_negative_on_added_pixels() -> None:
    masks, predicted = _disks(60, 48, 4), _disks(60, 48, 5)
    coords, labels = corrective_clicks(predicted, masks, 3, _generator())
    for i in range(60):
        for (x, y), label in zip(coords[i].long().tolist(), labels[i].tolist(), strict=True):
            missed = bool(masks[i, y, x] and not predicted[i, y, x])
            extra = bool(predicted[i, y, x] and not masks[i, y, x])
            assert (label == 1 and missed) or (label == 0 and extra)


def test_a_perfect_prediction_gets_no_clicks() -> None:
    masks = _disks(5, 48, 6)
    _, labels = corrective_clicks(masks, masks, 2, _generator())
    assert (labels == -1).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_prompts(seed: int) -> None:
    masks = _disks(8, 48, 7)
    once, again = (boxes_of(masks, 0.1, _generator(seed)) for _ in range(2))
    assert torch.equal(once, again)
