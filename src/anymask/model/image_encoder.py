"""The ViT image encoder of "Segment Anything" (arXiv 2304.02643, appendix A).

A plain vision transformer after "Exploring Plain Vision Transformer Backbones for Object
Detection" (arXiv 2203.16527): most blocks attend within windows, a few over the whole image,
with relative positions decomposed into a row and a column term (arXiv 2112.01526, section 4.1).
The token stream is kept as a contiguous (B, H, W, C) tensor throughout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.layers import LayerNorm2d, Linear, MLPBlock, PointwiseConv2d, missing
from anymask.model.products import linear
from anymask.model.relative_attention import attend_on_grid

if TYPE_CHECKING:
    from anymask.model.encoder_configs import ViTConfig


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
            PointwiseConv2d(config.width, out_chans, bias=False),
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
        # The squares do not overlap, so the convolution is a product over them.
        B, chans, H, W = x.shape
        _, _, *side = self.proj.weight.shape
        x = x.view(B, chans, H // side[0], side[0], W // side[1], side[1])
        squares = x.permute(0, 2, 4, 1, 3, 5).flatten(3)  # (B, H/16, W/16, 3·16·16)
        return linear(squares, self.proj.weight.flatten(1), self.proj.bias)


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
        x = self.attn(self.norm1(x), self.window_size, plus=x)
        return self.mlp(self.norm2(x), plus=x)


class Attention(nn.Module):
    """Multi-head attention over a square of tokens with decomposed relative positions."""

    def __init__(self, width: int, num_heads: int, side: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = Linear(width, 3 * width)
        self.proj = Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, width // num_heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, width // num_heads))

    def forward(self, x: Tensor, window_size: int, plus: Tensor) -> Tensor:
        """Attend within windows, or over the whole image if `window_size` is 0.

        Parameters
        ----------
        x : (B, H, W, C) tensor
        window_size : int
        plus : (B, H, W, C) tensor
            The shortcut around the attention.

        Returns
        -------
        (B, H, W, C) tensor
        """
        y = _split_windows(x, window_size) if window_size else x
        qkv = self.qkv(y).view(*y.shape[:3], 3, self.num_heads, -1)
        y = attend_on_grid(qkv, self.rel_pos_h, self.rel_pos_w)
        if window_size:
            y = _join_windows(y, x.shape)
        return self.proj(y, plus=plus)


def _split_windows(x: Tensor, size: int) -> Tensor:
    """Cut a (B, H, W, C) map, zero-padded at right and bottom, into (B·n, size, size, C)."""
    B, H, W, C = x.shape
    x = F.pad(x, (0, 0, 0, missing(W, size), 0, missing(H, size)))
    x = x.view(B, x.shape[1] // size, size, x.shape[2] // size, size, C)
    return x.transpose(2, 3).reshape(-1, size, size, C)


def _join_windows(windows: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of `_split_windows`, for a map of this shape."""
    B, H, W, C = shape
    size = windows.shape[1]
    rows, cols = (H + missing(H, size)) // size, (W + missing(W, size)) // size
    x = windows.view(B, rows, cols, size, size, C).transpose(2, 3)
    return x.reshape(B, rows * size, cols * size, C)[:, :H, :W]
