"""Pixels go from rows to the decoder's token order and back, and so do their gradients."""

from __future__ import annotations

import pytest
import torch

from anymask.model.token_order import pixels_in_rows, pixels_to_token_order

SIZE = (3, 5)


def test_a_cell_holds_its_halves_and_then_their_quarters():
    rows = torch.arange(16.0).view(1, 1, 4, 4)
    order = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]
    assert pixels_to_token_order(rows, (1, 1), 4).flatten().tolist() == order


def test_four_pixels_a_cell_are_those_of_its_two_rows():
    rows = torch.arange(8.0).view(1, 1, 2, 4)
    assert pixels_to_token_order(rows, (1, 2), 2).flatten().tolist() == [0, 1, 4, 5, 2, 3, 6, 7]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_masks_in_token_order_come_back_into_rows(dtype):
    rows = torch.randn(2, 4, 4 * SIZE[0], 4 * SIZE[1]).to(dtype)
    tokens = pixels_to_token_order(rows, SIZE, 4).transpose(1, 2).contiguous()
    assert torch.equal(pixels_in_rows(tokens, SIZE), rows)


def test_the_gradient_of_a_pixel_reaches_its_token():
    weights = torch.randn(2, 4, 4 * SIZE[0], 4 * SIZE[1])
    tokens = torch.randn(2, 4, 16 * SIZE[0] * SIZE[1], requires_grad=True)
    (pixels_in_rows(tokens, SIZE) * weights).sum().backward()
    expected = pixels_to_token_order(weights, SIZE, 4).transpose(1, 2)
    assert torch.equal(tokens.grad, expected)


@pytest.mark.filterwarnings("ignore:.*jit.trace:DeprecationWarning")
def test_a_traced_rearrangement_is_the_same():
    tokens = torch.randn(1, 4, 16 * SIZE[0] * SIZE[1])
    traced = torch.jit.trace(lambda x: pixels_in_rows(x, SIZE), tokens)
    assert torch.equal(traced(tokens + 1), pixels_in_rows(tokens + 1, SIZE))
