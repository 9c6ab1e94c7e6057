"""One training step: its prompts, and the effect of each part of its loss."""

from __future__ import annotations

import pytest
import torch

from anymask.model.sam import Sam
from recipes.small.auxiliary import AuxiliaryHead
from recipes.small.batches import Batch
from recipes.small.optimizer import orthogonal
from recipes.small.step import Weights, _neighbours, _ripples, training_step
from tests.recipes.tiny import TINY


def _batch(throughout: bool) -> Batch:
    labels = torch.zeros(2, 64, 64, dtype=torch.long)
    labels[:, 8:28, 8:28], labels[:, 36:56, 36:56] = 1, 2
    images = 60.0 + 90 * labels[:, None].expand(-1, 3, -1, -1)
    masks = torch.stack([labels == 1, labels == 2], 1)
    return Batch(images, labels, masks, torch.full((2,), throughout))


def _figures(batch: Batch, weights: Weights) -> dict[str, float]:
    torch.manual_seed(0)
    sam, head = Sam(TINY), AuxiliaryHead(TINY.prompt_dim)
    loss, figures = training_step(sam, head, batch, torch.Generator().manual_seed(0), 1.0, weights)
    loss.backward()
    assert not [name for name, p in sam.named_parameters() if p.grad is None]
    return {"loss": float(loss.detach()), **{k: float(v) for k, v in figures.items()}}


def test_points_on_background_are_prompted_only_if_everything_is_labelled() -> None:
    assert "nothing_iou" in _figures(_batch(True), Weights())
    assert "nothing_iou" not in _figures(_batch(False), Weights())


@pytest.mark.parametrize("part", ["boundary", "smooth", "nothing"])
def test_each_part_of_the_loss_can_be_turned_off(part: str) -> None:
    alone = dict.fromkeys(("ranking", "boundary", "smooth", "nothing", "neighbours"), 0.0)
    without = _figures(_batch(True), Weights(**alone))["loss"]
    assert _figures(_batch(True), Weights(**{**alone, part: 1.0}))["loss"] > without


def test_a_neighbour_is_another_labelled_region_of_the_same_view() -> None:
    batch = _batch(False)
    others = _neighbours(batch.labels, batch.masks)
    assert torch.equal(others[0], (batch.labels[0] == 2)[::2, ::2])
    assert torch.equal(others[1], (batch.labels[0] == 1)[::2, ::2])


def test_a_comb_pattern_is_a_ripple_but_a_slope_or_an_outline_is_not() -> None:
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    empty, half = torch.zeros(1, 64, 64), (torch.arange(64) < 33).float().expand(1, 64, 64)
    comb = (2 * (x % 2) - 1)[None, None]
    assert _ripples(comb, empty) == pytest.approx(1.0)
    assert _ripples((0.3 * x - 0.1 * y)[None, None], empty) < 1e-8
    assert _ripples(torch.where(x < 16, 8.0, -8.0)[None, None], half) < 1e-8


@pytest.mark.parametrize("shape", [(24, 60), (60, 24)])
def test_an_update_moves_all_directions_equally(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(matrix)
    sizes = torch.linalg.svdvals(found)
    assert sizes.min() > 0.6
    assert sizes.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.cosine_similarity(found.flatten(), (u @ v).flatten(), 0) > 0.98
