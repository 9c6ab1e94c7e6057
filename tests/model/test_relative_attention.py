"""Attention with relative positions is the formula of its papers, computed in any way."""

from __future__ import annotations

import pytest
import torch

from anymask.model import relative_attention
from anymask.model.relative_attention import attend_on_grid
from tests.conftest import relative_l2


def by_the_formula(qkv, rel_pos_h, rel_pos_w):
    """The formula, pair of tokens by pair of tokens."""
    B, H, W, _, heads, D = qkv.shape
    q, k, v = qkv.flatten(1, 2).unbind(2)  # (B, N, heads, D)
    row, col = (
        x.flatten() for x in torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    )
    rows = rel_pos_h[row[:, None] - row[None, :] + H - 1]  # (N, N, D)
    cols = rel_pos_w[col[:, None] - col[None, :] + W - 1]
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / D**0.5
    scores = scores + torch.einsum("bqhd,qkd->bhqk", q, rows + cols)
    y = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v)
    return y.reshape(B, H, W, heads * D)


def draw(B, H, W, heads, D, dtype=torch.float32):
    torch.manual_seed(0)
    shapes = (B, H, W, 3, heads, D), (2 * H - 1, D), (2 * W - 1, D)
    return [
        (torch.randn(*shape) * scale).to(dtype)
        for shape, scale in zip(shapes, (1, 0.3, 0.3), strict=True)
    ]


@pytest.mark.parametrize("most_for_columns", [0, 10**6])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 2e-2)])
def test_in_use_it_is_the_formula(most_for_columns, dtype, tolerance, monkeypatch):
    monkeypatch.setattr(relative_attention, "_MOST_TOKENS_FOR_COLUMNS", most_for_columns)
    monkeypatch.setattr(relative_attention, "_SCORES_AT_A_TIME", 1000)  # blocks of unequal size
    tensors = draw(2, 6, 9, 3, 16, dtype)
    expected = by_the_formula(*(t.double() for t in tensors))
    assert relative_l2(attend_on_grid(*tensors), expected) < tolerance


def test_in_training_it_has_the_formulas_gradients():
    tensors = [t.requires_grad_() for t in draw(2, 6, 9, 3, 16)]
    weights = torch.randn(2, 6, 9, 48)
    outcomes = []
    for attend in (attend_on_grid, by_the_formula):
        y = attend(*tensors)
        outcomes.append((y, *torch.autograd.grad((y * weights).sum(), tensors)))
    for actual, expected in zip(*outcomes, strict=True):
        assert relative_l2(actual.detach(), expected.detach()) < 1e-5


def test_one_gradient_alone_is_not_forgotten():
    qkv, rel_pos_h, rel_pos_w = draw(1, 4, 4, 2, 8)
    rel_pos_w.requires_grad_()
    attend_on_grid(qkv, rel_pos_h, rel_pos_w).sum().backward()
    assert rel_pos_w.grad.abs().sum() > 0
