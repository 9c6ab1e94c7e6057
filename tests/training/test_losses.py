"""Losses are lower for better predictions."""

from __future__ import annotations

import pytest
import torch

from anymask.training.losses import ambiguous_loss, mask_losses, ranking_loss, true_iou


def _square(low: int, high: int) -> torch.Tensor:
    mask = torch.zeros(1, 32, 32)
    mask[:, low:high, low:high] = 1
    return mask


def test_a_better_mask_has_a_smaller_loss() -> None:
    target = _square(8, 24)
    logits = torch.stack([_square(8, 24 - shift)[0] for shift in (0, 2, 6, 12)])[None] * 20 - 10
    losses = mask_losses(logits, target)[0]
    assert losses[0] < 1e-3
    assert (losses.diff() > 0).all()


def test_focal_and_dice_have_the_values_of_their_formulas() -> None:
    target = _square(0, 16)
    logits = torch.zeros(1, 1, 32, 32)
    focal = 0.25 * torch.log(torch.tensor(2.0))
    dice = 1 - (2 * 128 + 1) / (512 + 256 + 1)
    assert mask_losses(logits, target).item() == pytest.approx(20 * focal.item() + dice, rel=1e-5)


def test_the_loss_of_a_boundary_pixel_is_lowest_at_its_coverage() -> None:
    target = torch.full((1, 4, 4), 0.3)
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        mask_losses(logits, target).sum().backward()
        optimizer.step()
    assert 0.2 < logits.sigmoid().mean().item() < 0.6


def test_iou_of_known_squares() -> None:
    logits = torch.stack([_square(0, 16)[0], _square(8, 24)[0]])[None] * 2 - 1
    iou = true_iou(logits, _square(0, 16))
    assert iou[0].tolist() == pytest.approx([1.0, 64 / (512 - 64)])


def test_only_the_best_candidate_has_full_weight() -> None:
    losses = torch.tensor([[1.0, 4.0, 7.0]], requires_grad=True)
    ambiguous_loss(losses).backward()
    assert losses.grad is not None
    assert losses.grad[0].tolist() == pytest.approx([1 + 0.1 / 3, 0.1 / 3, 0.1 / 3])


def test_the_ranking_loss_is_lower_if_the_better_candidate_is_predicted_better() -> None:
    actual = torch.tensor([[0.9, 0.5, 0.1]])
    right, wrong = torch.tensor([[0.8, 0.5, 0.2]]), torch.tensor([[0.2, 0.5, 0.8]])
    assert ranking_loss(right, actual) < 0.2 * ranking_loss(wrong, actual)
    predicted = wrong.clone().requires_grad_()
    ranking_loss(predicted, actual).backward()
    assert predicted.grad is not None
    assert predicted.grad[0, 0] < 0 < predicted.grad[0, 2]
    # Equally good candidates have no order.
    assert ranking_loss(wrong, torch.full((1, 3), 0.4)) == 0
