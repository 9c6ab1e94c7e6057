"""Maps between rows of pixels and the mask decoder's token order.

In token order each cell of the embedding holds its finer pixels one after another: the halves of
its rows, the halves of their columns, then quarters of each. On a CPU the time such a
rearrangement takes goes by how many runs of numbers move, whatever their length.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_IN_ROWS = (0, 1, 2, 4, 6, 3, 5, 7)
_IN_CELLS = (0, 1, 2, 5, 3, 6, 4, 7)
# Numbers of twice as many bytes.
_PAIRS = {2: torch.float32, 4: torch.float64, 8: torch.complex128}


def pixels_to_token_order(maps: Tensor, size: tuple[int, int], scale: int) -> Tensor:
    """Rearrange (B, c, s·h, s·w) to (B, h·w·s², c).

    Parameters
    ----------
    maps : (B, c, s·h, s·w) tensor
    size : (int, int)
        h and w, those of the embedding.
    scale : int
        s, 2 or 4.
    """
    B, c, (h, w) = maps.shape[0], maps.shape[1], size
    maps = maps.permute(0, 2, 3, 1).contiguous()  # a pixel's channels then move together
    if scale == 2:
        maps = maps.view(B, h, 2, w, 2, c).permute(0, 1, 3, 2, 4, 5)
    else:
        maps = maps.view(B, h, 2, 2, w, 2, 2, c).permute(0, 1, 4, 2, 5, 3, 6, 7)
    return maps.reshape(B, h * w * scale * scale, c)


def pixels_in_rows(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Rearrange (n, M, h·w·16) in token order to (n, M, 4·h, 4·w).

    Parameters
    ----------
    masks : (n, M, h·w·16) tensor
    size : (int, int)
        h and w, those of the embedding.
    """
    (n, M), (h, w) = masks.shape[:2], size
    masks = masks.view(n, M, h, w, 2, 2, 2, 2)
    if masks.device.type != "cpu" or torch.jit.is_tracing() or torch.compiler.is_compiling():
        return masks.permute(_IN_ROWS).reshape(n, M, 4 * h, 4 * w)
    rows: Tensor = _InRows.apply(masks)
    return rows.view(n, M, 4 * h, 4 * w)


class _InRows(torch.autograd.Function):
    """Move two neighbours as one number of twice the width, there and back."""

    @staticmethod
    def forward(ctx: Any, masks: Tensor) -> Tensor:
        return _permuted_in_pairs(masks, _IN_ROWS)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _permuted_in_pairs(gradients[0].contiguous(), _IN_CELLS)


def _permuted_in_pairs(x: Tensor, order: tuple[int, ...]) -> Tensor:
    return x.view(_PAIRS[x.element_size()]).permute(order).contiguous().view(x.dtype)
