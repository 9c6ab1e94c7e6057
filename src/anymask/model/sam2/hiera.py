"""SAM 2's image encoder: a Hiera trunk and a feature pyramid as its neck.

Hiera (arXiv 2306.00989) is a vision transformer in four stages; at the first block of each further
stage the queries are pooled, which halves the sides of the map, and the channels double. Most
blocks attend within windows, some over the whole image (arXiv 2408.00714, appendix C). Positions
are a coarse grid enlarged to the image plus one window repeated over it (arXiv 2311.05613).

A block with windows needs nothing from outside them. On a CPU it is therefore computed a strip of
windows at a time, so that what lies between its steps stays in the processor's caches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.layers import PointwiseConv2d, apply_linear, missing
from anymask.model.products import in_inference
from anymask.model.sam2.attention import attend_tokens

if TYPE_CHECKING:
    from anymask.model.sam2.hiera_config import HieraConfig

_TOKENS_IN_A_STRIP = 4096


class HieraEncoder(nn.Module):
    """Image to an embedding at 1/16 and the trunk's maps at 1/8 and 1/4.

    Parameters
    ----------
    config : HieraConfig
    image_size : int
        Side of the square input in pixels; recorded, as `img_size`, where Meta's code has it.
    out_chans : int
        Channels of the embedding.
    """

    def __init__(self, config: HieraConfig, image_size: int, out_chans: int) -> None:
        super().__init__()
        self.img_size = image_size
        self.trunk = Hiera(config)
        self.neck = FpnNeck(config.widths, out_chans)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode normalised images.

        The finer maps are as the trunk has them: the mask decoder projects them to its few channels
        (`Sam2MaskDecoder.skips`), together with the neck's own projection.

        Parameters
        ----------
        x : (B, 3, S, S) tensor

        Returns
        -------
        embedding : (B, out_chans, S/16, S/16) tensor
        eighth : (B, 2·width, S/8, S/8) tensor
        quarter : (B, width, S/4, S/4) tensor
        """
        quarter, eighth, sixteenth, last = (y.permute(0, 3, 1, 2) for y in self.trunk(x))
        return self.neck(sixteenth, last), eighth, quarter


class Hiera(nn.Module):
    """The four stages."""

    def __init__(self, config: HieraConfig) -> None:
        super().__init__()
        width, window = config.width, config.window_sizes[0]
        self.patch_embed = PatchEmbed(width)
        self.pos_embed = nn.Parameter(torch.zeros(1, width, *config.position_grid))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, width, window, window))
        self.blocks = nn.ModuleList(_blocks(config))
        ends = [sum(config.depths[: i + 1]) - 1 for i in range(len(config.depths))]
        self.stage_ends = tuple(ends)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the map (B, H, W, C) after each stage of images (B, 3, S, S)."""
        x = self.patch_embed(x)
        x = x + self._positions(x.shape[1], x.shape[2])
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.stage_ends:
                maps.append(x)
        return maps

    def _positions(self, height: int, width: int) -> Tensor:
        side = self.pos_embed_window.shape[-1]
        whole = F.interpolate(self.pos_embed, (height, width), mode="bicubic")
        window = self.pos_embed_window.tile(1, 1, height // side, width // side)
        return (whole + window).permute(0, 2, 3, 1)


def _blocks(config: HieraConfig) -> list[Block]:
    blocks: list[Block] = []
    for stage, depth in enumerate(config.depths):
        for i in range(depth):
            first = i == 0 and stage > 0
            # The pooling block still has the finer map's width and windows.
            window = config.window_sizes[stage - 1 if first else stage]
            blocks.append(
                Block(
                    config.widths[stage - 1 if first else stage],
                    config.widths[stage],
                    config.num_heads << stage,
                    0 if len(blocks) in config.global_attn_indexes else window,
                    config.mlp_ratio,
                    pools=first,
                )
            )
    return blocks


class PatchEmbed(nn.Module):
    """Overlapping squares of 7×7 pixels, four apart, to tokens, channels last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, 7, stride=4, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        return self.proj(x).permute(0, 2, 3, 1).contiguous()


class Block(nn.Module):
    """One transformer block; `window` 0 attends over the whole image."""

    def __init__(
        self, dim: int, dim_out: int, num_heads: int, window: int, mlp_ratio: float, pools: bool
    ) -> None:
        super().__init__()
        self.window = window
        self.pools = pools
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = MultiScaleAttention(dim, dim_out, num_heads, pools)
        self.norm2 = nn.LayerNorm(dim_out, eps=1e-6)
        self.mlp = HieraMLP(dim_out, int(dim_out * mlp_ratio))
        if dim != dim_out:
            self.proj = nn.Linear(dim, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, dim) to the same or, pooled, to (B, H/2, W/2, dim_out)."""
        rows = self._rows_at_a_time(x)
        if rows >= x.shape[1]:
            return self._apply_to(x)
        return torch.cat([self._apply_to(strip) for strip in x.split(rows, 1)], 1)

    def _apply_to(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        shortcut = x
        if hasattr(self, "proj"):
            shortcut = apply_linear(self.proj, y)
            if self.pools:
                shortcut = _pooled(shortcut)
        x = self.attn(y, self.window, plus=shortcut)
        return self.mlp(self.norm2(x), plus=x)

    def _rows_at_a_time(self, x: Tensor) -> int:
        """Whole rows of windows with few enough tokens for the caches."""
        height = x.shape[1]
        if not self.window or x.device.type != "cpu" or not in_inference(x, self.norm1.weight):
            return height
        tokens = x.shape[0] * x.shape[2] * self.window
        return self.window * max(1, _TOKENS_IN_A_STRIP // tokens)


class HieraMLP(nn.Module):
    """Two linear layers with a GELU between them, and a shortcut around them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(dim, hidden), nn.Linear(hidden, dim)])

    def forward(self, x: Tensor, plus: Tensor) -> Tensor:
        hidden = apply_linear(self.layers[0], x, activation="gelu")
        return apply_linear(self.layers[1], hidden, plus=plus)


class MultiScaleAttention(nn.Module):
    """Multi-head attention within windows, whose queries may be pooled."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, pools: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.pools = pools
        self.qkv = nn.Linear(dim, 3 * dim_out)
        self.proj = nn.Linear(dim_out, dim_out)

    def forward(self, x: Tensor, window: int, plus: Tensor) -> Tensor:
        """Attend within windows, or over the whole map if `window` is 0.

        Parameters
        ----------
        x : (B, H, W, dim) tensor
        window : int
        plus : (B, h, w, dim_out) tensor
            The shortcut around the attention; h and w are half of H and W if queries are pooled.

        Returns
        -------
        (B, h, w, dim_out) tensor
        """
        H, W = x.shape[1:3]
        side = (window, window) if window else (H, W)
        x = split_windows(x, side)
        q, k, v = apply_linear(self.qkv, x).chunk(3, -1)  # each (B·n, *side, dim_out)
        if self.pools:
            q = _pooled(q)
        y = attend_tokens(q.flatten(1, 2), k.flatten(1, 2), v.flatten(1, 2), self.num_heads)
        count = (H + missing(H, side[0])) // side[0], (W + missing(W, side[1])) // side[1]
        y = join_windows(y.view(*q.shape), count)
        return apply_linear(self.proj, y[:, : plus.shape[1], : plus.shape[2]], plus=plus)


def split_windows(x: Tensor, side: tuple[int, int]) -> Tensor:
    """Cut a (B, H, W, C) map, zero-padded at right and bottom, into (B·n, *side, C).

    Padding takes part in the attention, as in Meta's models.
    """
    B, H, W, C = x.shape
    if side == (H, W):
        return x
    h, w = side
    if H % h or W % w:
        x = F.pad(x, (0, 0, 0, missing(W, w), 0, missing(H, h)))
    x = x.view(B, x.shape[1] // h, h, x.shape[2] // w, w, C)
    return x.transpose(2, 3).reshape(-1, h, w, C)


def join_windows(windows: Tensor, count: tuple[int, int]) -> Tensor:
    """Put (B·n, h, w, C) windows together, `count` rows and columns of them, with padding."""
    _, h, w, C = windows.shape
    rows, cols = count
    x = windows.view(-1, rows, cols, h, w, C).transpose(2, 3)
    return x.reshape(-1, rows * h, cols * w, C)


def _pooled(x: Tensor) -> Tensor:
    """Largest of every 2×2 tokens of a (B, H, W, C) map with even sides."""
    x = x.unflatten(1, (-1, 2)).unflatten(3, (-1, 2))  # (B, H/2, 2, W/2, 2, C)
    # Two at a time: torch's own maximum over several axes is many times slower.
    x = torch.maximum(x[:, :, 0], x[:, :, 1])
    return torch.maximum(x[:, :, :, 0], x[:, :, :, 1])


class FpnNeck(nn.Module):
    """A feature pyramid (arXiv 1612.03144): each stage projected, the coarsest two joined."""

    def __init__(self, widths: tuple[int, ...], out_chans: int) -> None:
        super().__init__()
        # From the coarsest stage to the finest, as in Meta's files.
        self.convs = nn.ModuleList(Lateral(width, out_chans) for width in reversed(widths))
        self.stages = len(widths)

    def forward(self, sixteenth: Tensor, last: Tensor) -> Tensor:
        """Join the maps at 1/16 and 1/32 to the embedding (B, out_chans, h, w)."""
        coarse = self.lateral(self.stages - 1)(last)
        return self.lateral(self.stages - 2)(sixteenth) + F.interpolate(coarse, scale_factor=2.0)

    def lateral(self, stage: int) -> PointwiseConv2d:
        """Return the projection of a stage, counted from the finest."""
        lateral = self.convs[self.stages - 1 - stage]
        assert isinstance(lateral, Lateral)
        return lateral.conv


class Lateral(nn.Module):
    """The projection of one stage, named as in Meta's files."""

    def __init__(self, width: int, out_chans: int) -> None:
        super().__init__()
        self.conv = PointwiseConv2d(width, out_chans)
