"""The shipped model's image encoder: EfficientNet-Lite with a neck for sharp masks.

The backbone is EfficientNet (arXiv 1905.11946) in its "Lite" form, without squeeze-and-excitation
and with ReLU6, so it can start from ImageNet weights. Batch normalisation is folded into the
convolutions: each has a bias instead. Features at 1/32 pass a few blocks of global attention
and join those at 1/16 and 1/8 in the embedding. Features at 1/8 and 1/4, enriched from the coarser
ones (a feature pyramid, arXiv 1612.03144), go straight to the mask decoder's upscaling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.layers import LayerNorm2d, PointwiseConv2d
from anymask.model.products import in_inference, linear, wants_gradient
from anymask.model.small_encoder import AttentionBlock, ResidualBlock

if TYPE_CHECKING:
    from anymask.model.encoder_configs import EfficientNetLiteConfig

# Of each stage of EfficientNet: side of the depthwise filters, stride, and growth of the channels
# inside a block (arXiv 1905.11946, table 1).
_KERNELS = (3, 3, 5, 3, 5, 5, 3)
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)
# The stages whose outputs are used: at 1/4, 1/8, 1/16 and 1/32 of the input.
TAPS = (1, 2, 4, 6)
# A convolution of stride 2 looks half a pixel to the left of the cell it is for, or, padded on the
# other side, half a pixel to the right. With stem and stage 3 the other way round than the rest the
# shifts nearly cancel out, where else they would add up to half a cell.
_PADDED_AT_END = 3


class EfficientNetLiteEncoder(nn.Module):
    """Image to an embedding at 1/16 and finer features at 1/8 and 1/4.

    Parameters
    ----------
    config : EfficientNetLiteConfig
    image_size : int
        Side of the square input in pixels; recorded, as `img_size`, where Meta's code has it.
    out_chans : int
        Channels C of the embedding; the finer features have C/4 and C/8.
    """

    def __init__(self, config: EfficientNetLiteConfig, image_size: int, out_chans: int) -> None:
        super().__init__()
        self.img_size = image_size
        self.stem = BiasedConv2d(3, config.stem_width, 3, stride=2, padded_at_end=True)
        self.stages = nn.ModuleList()
        chans = config.stem_width
        for i, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
            blocks = []
            for j in range(depth):
                stride = _STRIDES[i] if j == 0 else 1
                shape = (chans, width, _KERNELS[i], stride, _EXPANSIONS[i])
                blocks.append(InvertedBottleneck(*shape, padded_at_end=i == _PADDED_AT_END))
                chans = width
            self.stages.append(nn.Sequential(*blocks))

        quarter, eighth, sixteenth, last = (config.widths[i] for i in TAPS)
        fine, finest = config.neck_widths
        self.to_attention = nn.Sequential(
            PointwiseConv2d(last, config.attention_width), LayerNorm2d(config.attention_width)
        )
        self.attention = nn.Sequential(
            *(
                AttentionBlock(config.attention_width, config.num_heads, config.mlp_ratio)
                for _ in range(config.attention_depth)
            )
        )
        self.norms = nn.ModuleList(
            LayerNorm2d(n) for n in (quarter, eighth, sixteenth, config.attention_width)
        )
        self.from_eighth = nn.Conv2d(eighth, out_chans, 2, 2)
        self.from_sixteenth = PointwiseConv2d(sixteenth, out_chans)
        self.from_last = PointwiseConv2d(config.attention_width, out_chans)
        self.fuse = nn.Sequential(ResidualBlock(out_chans), ResidualBlock(out_chans))
        self.norm = LayerNorm2d(out_chans)
        self.eighth = PointwiseConv2d(eighth, fine)
        self.sixteenth_to_eighth = PointwiseConv2d(out_chans, fine)
        self.fuse_eighth = ResidualBlock(fine)
        self.skip_eighth = PointwiseConv2d(fine, out_chans // 4)
        self.quarter = PointwiseConv2d(quarter, finest)
        self.eighth_to_quarter = PointwiseConv2d(fine, finest)
        self.fuse_quarter = ResidualBlock(finest)
        self.skip_quarter = PointwiseConv2d(finest, out_chans // 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode normalised images whose sides are multiples of 32.

        Parameters
        ----------
        x : (B, 3, H, W) tensor

        Returns
        -------
        embedding : (B, C, H/16, W/16) tensor
        eighth : (B, C/4, H/8, W/8) tensor
        quarter : (B, C/8, H/4, W/4) tensor
        """
        features = self.backbone(x)
        quarter, eighth, sixteenth = (
            norm(f) for norm, f in zip(self.norms, features[:3], strict=False)
        )
        last = self.norms[3](self.attention(self.to_attention(features[3])))
        coarse = _doubled(self.from_last(last))
        joined = coarse + self.from_sixteenth(sixteenth) + self.from_eighth(eighth)
        joined = self.fuse(joined)
        eighth = self.eighth(eighth) + _doubled(self.sixteenth_to_eighth(joined))
        eighth = self.fuse_eighth(eighth)
        quarter = self.quarter(quarter) + _doubled(self.eighth_to_quarter(eighth))
        quarter = self.fuse_quarter(quarter)
        return self.norm(joined), self.skip_eighth(eighth), self.skip_quarter(quarter)

    def backbone(self, x: Tensor) -> list[Tensor]:
        """Return the backbone's features at 1/4, 1/8, 1/16 and 1/32 of (B, 3, H, W) images."""
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.relu6(self.stem(x), inplace=True)
        features = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in TAPS:
                features.append(x)
        return features

    def backbone_parameters(self) -> list[nn.Parameter]:
        """The parameters that weights learnt on ImageNet can begin."""
        return [*self.stem.parameters(), *self.stages.parameters()]


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")


class BiasedConv2d(nn.Conv2d):
    """A convolution with a bias that keeps the size of its input, or halves it.

    Of stride 2 it is padded at the beginning, or `padded_at_end` as TensorFlow pads.
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        padded_at_end: bool = False,
    ) -> None:
        self._extra = stride == 2 and padded_at_end
        padding = kernel // 2 - self._extra
        super().__init__(in_chans, out_chans, kernel, stride, padding, groups=groups)
        nn.init.kaiming_normal_(self.weight, mode="fan_out" if groups == 1 else "fan_in")
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel_size == (1, 1) and x.device.type == "cpu" and in_inference(x, self.weight):
            # A matrix product of the pixels: a fifth less time for the whole encoder and, unlike
            # oneDNN's convolution, the same bits with any number of threads.
            x = x.permute(0, 2, 3, 1)
            pixels = linear(x, self.weight.flatten(1), self.bias, same_bits=True)
            return pixels.permute(0, 3, 1, 2)
        x = F.pad(x, (0, 1, 0, 1)) if self._extra else x
        half_on_cpu = x.device.type == "cpu" and x.dtype == torch.bfloat16
        if self.groups > 1 and half_on_cpu and wants_gradient(x, self.weight):
            return self._in_float32(x)
        return super().forward(x)

    def _in_float32(self, x: Tensor) -> Tensor:
        """Filter with gradients in float32, which autocast would compute in bfloat16.

        oneDNN's bfloat16 gradients of depthwise filters are up to twenty times slower, half of
        the time of a training step.
        """
        with torch.autocast("cpu", enabled=False):
            assert self.bias is not None
            y = self._conv_forward(x.float(), self.weight.float(), self.bias.float())
        return y.to(x.dtype)


class InvertedBottleneck(nn.Module):
    """Widen, filter by depth, narrow (arXiv 1801.04381), plus the input where shapes allow."""

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        kernel: int,
        stride: int,
        expansion: int,
        *,
        padded_at_end: bool = False,
    ) -> None:
        super().__init__()
        inner = in_chans * expansion
        self.expand = BiasedConv2d(in_chans, inner, 1) if expansion > 1 else None
        self.depthwise = BiasedConv2d(
            inner, inner, kernel, stride=stride, groups=inner, padded_at_end=padded_at_end
        )
        self.project = BiasedConv2d(inner, out_chans, 1)
        self.has_shortcut = stride == 1 and in_chans == out_chans

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return x + y if self.has_shortcut else y
