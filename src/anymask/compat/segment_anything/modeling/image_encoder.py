"""The ViT, and the functions that Meta's module has beside it."""

from __future__ import annotations

import torch
from torch import Tensor

from anymask.model.image_encoder import (
    Attention,
    Block,
    ImageEncoderViT,
    PatchEmbed,
    join_windows,
    split_windows,
)
from anymask.model.layers import LayerNorm2d, MLPBlock
from anymask.model.relative_attention import resized_table

__all__ = [
    "Attention",
    "Block",
    "ImageEncoderViT",
    "LayerNorm2d",
    "MLPBlock",
    "PatchEmbed",
    "add_decomposed_rel_pos",
    "get_rel_pos",
    "window_partition",
    "window_unpartition",
]


def window_partition(x: Tensor, window_size: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut (B, H, W, C) tokens into windows, with zeros at right and bottom.

    Returns
    -------
    windows : (B·n, window_size, window_size, C) tensor
    padded_size : (int, int)
        Height and width of the map with its zeros.
    """
    height, width = (-(-side // window_size) * window_size for side in x.shape[1:3])
    return split_windows(x, window_size), (height, width)


def window_unpartition(
    windows: Tensor, window_size: int, pad_hw: tuple[int, int], hw: tuple[int, int]
) -> Tensor:
    """Put windows together again, without the zeros: the inverse of `window_partition`."""
    per_image = (pad_hw[0] // window_size) * (pad_hw[1] // window_size)
    shape = torch.Size((len(windows) // per_image, *hw, windows.shape[-1]))
    return join_windows(windows, shape)


def get_rel_pos(q_size: int, k_size: int, rel_pos: Tensor) -> Tensor:
    """Vectors of relative positions for each query and key along an axis.

    Parameters
    ----------
    q_size, k_size : int
        Numbers of queries and keys. The shorter axis is spread over the longer one (arXiv
        2112.01526, section 4.1).
    rel_pos : (L, D) tensor

    Returns
    -------
    (q_size, k_size, D) tensor
    """
    longest = max(q_size, k_size)
    table = resized_table(rel_pos, 2 * longest - 1)
    queries = torch.arange(q_size, device=rel_pos.device) * max(k_size / q_size, 1.0)
    keys = torch.arange(k_size, device=rel_pos.device) * max(q_size / k_size, 1.0)
    last = (k_size - 1) * max(q_size / k_size, 1.0)
    return table[(queries[:, None] - keys[None, :] + last).long()]


def add_decomposed_rel_pos(
    attn: Tensor,
    q: Tensor,
    rel_pos_h: Tensor,
    rel_pos_w: Tensor,
    q_size: tuple[int, int],
    k_size: tuple[int, int],
) -> Tensor:
    """Add the terms for rows and columns to scores of attention.

    Parameters
    ----------
    attn : (B, q_h·q_w, k_h·k_w) tensor
    q : (B, q_h·q_w, D) tensor
    rel_pos_h, rel_pos_w : (L, D) tensors
    q_size, k_size : (int, int)
        Heights and widths.
    """
    grid = q.unflatten(1, q_size)  # (B, q_h, q_w, D)
    by_row = torch.einsum("byxd,ykd->byxk", grid, get_rel_pos(q_size[0], k_size[0], rel_pos_h))
    by_col = torch.einsum("byxd,xkd->byxk", grid, get_rel_pos(q_size[1], k_size[1], rel_pos_w))
    scores = attn.view(-1, *q_size, *k_size) + by_row[..., :, None] + by_col[..., None, :]
    return scores.view(attn.shape)
