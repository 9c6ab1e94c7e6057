"""The memory encoder: a frame and its mask to a map (arXiv 2408.00714, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anymask.model.config import Sam2Config
from anymask.model.layers import LayerNorm2d, PointwiseConv2d, apply_linear

_HALVINGS = 4
# Masks, as probabilities, are stretched and moved to about logits.
_SCALE, _SHIFT = 20.0, -10.0


class MemoryEncoder(nn.Module):
    """Add a frame's embedding and its mask, and mix them."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        assert config.memory is not None
        dim = config.prompt_dim
        self.mask_downsampler = MaskDownSampler(dim)
        self.pix_feat_proj = PointwiseConv2d(dim, dim)
        self.fuser = Fuser(dim, config.memory.fuser_depth)
        self.out_proj = PointwiseConv2d(dim, config.memory.channels)

    def forward(self, frame: Tensor, masks: Tensor, certain: bool) -> Tensor:
        """Encode N masks of a frame.

        Parameters
        ----------
        frame : (1, C, h, w) tensor
            The image embedding.
        masks : (N, 1, 16·h, 16·w) tensor
            Logits.
        certain : bool
            Whether a person has prompted for these masks: a pixel then belongs to one or not,
            without probabilities between.

        Returns
        -------
        (N, c, h, w) tensor
        """
        shares = (masks > 0).to(frame.dtype) if certain else masks.to(frame.dtype).sigmoid()
        x = self.pix_feat_proj(frame) + self.mask_downsampler(shares * _SCALE + _SHIFT)
        return self.out_proj(self.fuser(x))


class MaskDownSampler(nn.Module):
    """A mask to a map at 1/16: each convolution halves its sides."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(_HALVINGS):
            chans = 4 ** (i + 1)
            layers += [
                nn.Conv2d(chans // 4, chans, 3, stride=2, padding=1),
                LayerNorm2d(chans),
                nn.GELU(),
            ]
        self.encoder = nn.Sequential(*layers, nn.Conv2d(4**_HALVINGS, dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x)


class Fuser(nn.Module):
    """A stack of `ConvNeXtBlock`."""

    def __init__(self, dim: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConvNeXtBlock(dim) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution and an MLP, with a scaled residual branch (arXiv 2201.03545)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = LayerNorm2d(dim)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        y = apply_linear(self.pwconv2, apply_linear(self.pwconv1, y, activation="gelu"))
        return x + (self.gamma * y).permute(0, 3, 1, 2)
