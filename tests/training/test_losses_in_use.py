"""Masks are trained at the size at which they are used."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from anymask.training.losses import MASK_LOSSES, mask_losses, true_iou
from anymask.training.losses_in_use import losses_in_use, near_boundary, targets_in_use


def _some(scale: float, size: tuple[int, int] = (12, 20)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    low_res = scale * torch.randn(3, 4, *size, generator=generator)
    view = torch.rand(3, 4 * size[0], 4 * size[1], generator=generator)
    return low_res.requires_grad_(), targets_in_use(view > 0.6)


@pytest.mark.parametrize("each", ["prompt", "mask"])
@pytest.mark.parametrize("kind", MASK_LOSSES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 15.0, 300.0])
def test_losses_and_gradients_equal_the_plain_formula_on_enlarged_masks(scale, kind, each):
    low_res, targets = _some(scale)
    if each == "mask":
        targets = torch.stack([targets, targets.flip(1), 1 - targets, targets.roll(3, 2)], 1)
    losses, iou = losses_in_use(low_res, targets, kind)
    weights = torch.rand(3, 4)
    (slopes,) = torch.autograd.grad((losses * weights).sum(), low_res)

    enlarged = F.interpolate(low_res, scale_factor=2, mode="bilinear")
    plain = mask_losses(enlarged, targets, kind)
    (plain_slopes,) = torch.autograd.grad((plain * weights).sum(), low_res)
    assert torch.allclose(losses, plain, rtol=1e-4, atol=1e-5)
    assert torch.allclose(slopes, plain_slopes, rtol=1e-3, atol=1e-6)
    assert torch.allclose(
        iou, true_iou(enlarged, targets), atol=2 / targets.shape[-1] / targets.shape[-2]
    )
    assert not iou.requires_grad


def test_losses_are_float32_inside_half_precision_autocast():
    low_res, targets = _some(10.0)
    alone, _ = losses_in_use(low_res, targets)
    with torch.autocast("cpu", torch.bfloat16):
        inside, _ = losses_in_use(low_res, targets)
    assert torch.equal(inside, alone)


def test_a_target_is_the_covered_fraction_of_four_pixels():
    view = torch.tensor([[[1, 1, 0, 0], [1, 0, 0, 0]]], dtype=torch.bool)
    assert targets_in_use(view).tolist() == [[[0.75, 0.0]]]


def test_training_at_the_size_of_use_learns_a_thin_line():
    line = torch.zeros(1, 64, 64, dtype=torch.bool)
    line[:, 30:32] = True
    low_res = torch.zeros(1, 1, 16, 16, requires_grad=True)
    optimizer = torch.optim.Adam([low_res], 0.3)
    for _ in range(200):
        optimizer.zero_grad()
        losses_in_use(low_res, targets_in_use(line))[0].sum().backward()
        optimizer.step()
    used = F.interpolate(low_res.detach(), scale_factor=4, mode="bilinear")
    assert true_iou(used, line.float())[0, 0] > 0.6
    shares = F.avg_pool2d(line[:, None].float(), 4)[:, 0]
    assert not (shares > 0.5).any()  # at the size of the predictions the line covers no pixel


def test_the_outline_can_be_emphasised_with_the_gradients_of_the_plain_formula():
    view = torch.zeros(2, 64, 64, dtype=torch.bool)
    view[0, 10:40, 20:50] = view[1, 30:60, 4:60] = True
    targets = targets_in_use(view)
    band = near_boundary(targets)
    assert torch.allclose(band.sum((1, 2)), torch.ones(2))
    assert (band > 0)[0, 3:7, 10:25].all()  # the upper side, at row 5
    assert not (band > 0)[0, 9:16, 14:21].any()  # well inside
    low_res = torch.randn(2, 3, 16, 16, requires_grad=True)
    losses, _ = losses_in_use(low_res, targets, emphasis=0.5 * band)
    (slopes,) = torch.autograd.grad(losses.sum(), low_res)
    enlarged = F.interpolate(low_res, scale_factor=2, mode="bilinear")
    wanted = targets[:, None].expand_as(enlarged)
    outline = F.binary_cross_entropy_with_logits(enlarged, wanted, reduction="none")
    plain = mask_losses(enlarged, targets) + (0.5 * band[:, None] * outline).sum((2, 3))
    (plain_slopes,) = torch.autograd.grad(plain.sum(), low_res)
    assert torch.allclose(losses, plain, rtol=1e-4)
    assert torch.allclose(slopes, plain_slopes, rtol=1e-3, atol=1e-6)
