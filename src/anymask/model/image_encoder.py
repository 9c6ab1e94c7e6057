"""The ViT image encoder of "Segment Anything" (arXiv 2304.02643, appendix A).

A plain vision transformer after "Exploring Plain Vision Transformer Backbones for Object
Detection" (arXiv 2203.16527): most blocks attend within windows, a few over the whole image,
with relative positions decomposed into a row and a column term (arXiv 2112.01526, section 4.1).
The token stream is kept as a contiguous (B, H, W, C) tensor throughout.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.config import ViTConfig
from anymask.model.layers import LayerNorm2d, MLPBlock

# Attention over more tokens than this goes head by head, so that the table of position terms
# (tokens² floats a head) stays small: 64 MB at 4096 tokens instead of 770 MB for 12 heads.
_MAX_TOKENS_ALL_HEADS = 1024


class ImageEncoderViT(nn.Module):
    """Image to embedding at 1/16 of its size.

    Parameters
    ----------
    config : ViTConfig
    image_size : int
        Side of the square input in pixels; recorded, as `img_size`, where Meta's code has it.
    out_chans : int
        Channels of the embedding.
    """

    def __init__(self, config: ViTConfig, image_size: int, out_chans: int) -> None:
        super().__init__()
        self.img_size = image_size
        side = image_size // config.patch_size
        self.patch_embed = PatchEmbed(config.patch_size, config.width)
        self.pos_embed = nn.Parameter(torch.zeros(1, side, side, config.width))
        self.blocks = nn.ModuleList(
            Block(config, 0 if i in config.global_attn_indexes else config.window_size, side)
            for i in range(config.depth)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(config.width, out_chans, 1, bias=False),
            LayerNorm2d(out_chans),
            nn.Conv2d(out_chans, out_chans, 3, padding=1, bias=False),
            LayerNorm2d(out_chans),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode normalised images.

        Parameters
        ----------
        x : (B, 3, S, S) tensor

        Returns
        -------
        (B, out_chans, S/16, S/16) tensor
        """
        x = self.patch_embed(x) + self.pos_embed  # (B, H, W, C)
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))


class PatchEmbed(nn.Module):
    """Squares of pixels to tokens, channels last."""

    def __init__(self, patch_size: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch_size, patch_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).permute(0, 2, 3, 1).contiguous()


class Block(nn.Module):
    """One transformer block; `window_size` 0 attends over the whole image."""

    def __init__(self, config: ViTConfig, window_size: int, side: int) -> None:
        super().__init__()
        self.window_size = window_size
        self.norm1 = nn.LayerNorm(config.width, eps=1e-6)
        self.attn = Attention(config.width, config.num_heads, window_size or side)
        self.norm2 = nn.LayerNorm(config.width, eps=1e-6)
        self.mlp = MLPBlock(config.width, int(config.width * config.mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        if self.window_size:
            windows, padded = _split_windows(y, self.window_size)
            y = _join_windows(self.attn(windows), self.window_size, padded, x.shape)
        else:
            y = self.attn(y)
        x = x + y
        return x + self.mlp(self.norm2(x))


class Attention(nn.Module):
    """Multi-head attention over a square of tokens with decomposed relative positions."""

    def __init__(self, width: int, num_heads: int, side: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, width // num_heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, width // num_heads))

    def forward(self, x: Tensor) -> Tensor:
        B, H, W, C = x.shape
        qkv = self.qkv(x).view(B, H * W, 3, self.num_heads, C // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, H·W, C/heads)
        rows = _relative_table(self.rel_pos_h, H)  # (H, H, C/heads)
        cols = _relative_table(self.rel_pos_w, W)
        if H * W <= _MAX_TOKENS_ALL_HEADS:
            y = _attend(q, k, v, rows, cols)
        else:
            by_head = zip(q.split(1, 1), k.split(1, 1), v.split(1, 1), strict=True)
            y = torch.cat([_attend(*head, rows, cols) for head in by_head], 1)
        return self.proj(y.transpose(1, 2).reshape(B, H, W, C))


def _attend(q: Tensor, k: Tensor, v: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    B, heads, N, D = q.shape
    H, W = len(rows), len(cols)
    grid = q.reshape(B, heads, H, W, D)
    by_row = grid @ rows.transpose(1, 2)  # (B, heads, H, W, H)
    by_col = (grid.transpose(2, 3) @ cols.transpose(1, 2)).transpose(2, 3)  # (…, H, W, W)
    bias = (by_row[..., :, None] + by_col[..., None, :]).reshape(B, heads, N, N)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def _relative_table(rel_pos: Tensor, side: int) -> Tensor:
    """Vectors for every pair of positions along one axis, as (query, key, channel)."""
    positions = torch.arange(side, device=rel_pos.device)
    return rel_pos[positions[:, None] - positions[None, :] + side - 1]


def _split_windows(x: Tensor, size: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut a (B, H, W, C) map, zero-padded at right and bottom, into (B·n, size, size, C)."""
    B, H, W, C = x.shape
    padded_h, padded_w = -(-H // size) * size, -(-W // size) * size
    x = F.pad(x, (0, 0, 0, padded_w - W, 0, padded_h - H))
    x = x.view(B, padded_h // size, size, padded_w // size, size, C)
    return x.transpose(2, 3).reshape(-1, size, size, C), (padded_h, padded_w)


def _join_windows(windows: Tensor, size: int, padded: tuple[int, int], shape: torch.Size) -> Tensor:
    B, H, W, C = shape
    rows, cols = padded[0] // size, padded[1] // size
    x = windows.view(B, rows, cols, size, size, C).transpose(2, 3)
    return x.reshape(B, *padded, C)[:, :H, :W]
