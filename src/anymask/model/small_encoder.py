"""The image encoder that anymask 0.1 shipped: fast on a laptop, fine features for sharp edges.

Residual 3×3 convolutions at 1/4, 1/8 and 1/16 of the input, global attention at 1/32, and a
neck that joins them at 1/16. Features at 1/8 and 1/4 go straight to the mask decoder's
upscaling, as in HQ-SAM (arXiv 2306.01567) and SAM 2 (arXiv 2408.00714). There is no batch
normalisation: residual branches start small and scaled (SkipInit, arXiv 2002.10444) and each
stage begins with a layer normalisation, which costs a fraction of the convolutions and gives
the same result in training and in use, at any batch size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.attention import attend
from anymask.model.layers import LayerNorm2d, MLPBlock, PointwiseConv2d, apply_linear

if TYPE_CHECKING:
    from anymask.model.encoder_configs import SmallEncoderConfig

_BRANCH_GAIN = 0.2  # of a residual branch at the start of training


class SmallEncoder(nn.Module):
    """Image to an embedding at 1/16 and finer features at 1/8 and 1/4.

    Parameters
    ----------
    config : SmallEncoderConfig
    image_size : int
        Side of the square input in pixels; recorded, as `img_size`, where Meta's code has it.
    out_chans : int
        Channels C of the embedding; the finer features have C/4 and C/8.
    """

    def __init__(self, config: SmallEncoderConfig, image_size: int, out_chans: int) -> None:
        super().__init__()
        self.img_size = image_size
        quarter, eighth, sixteenth, last = config.widths
        self.stem = nn.Sequential(
            nn.Conv2d(3, quarter // 2, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(quarter // 2, quarter, 3, 2, 1),
            LayerNorm2d(quarter),
        )
        self.stage1 = _residual_stage(quarter, config.depths[0])
        self.down2 = _downsample(quarter, eighth)
        self.stage2 = _residual_stage(eighth, config.depths[1])
        self.down3 = _downsample(eighth, sixteenth)
        self.stage3 = _residual_stage(sixteenth, config.depths[2])
        self.down4 = _downsample(sixteenth, last)
        self.stage4 = nn.Sequential(
            *(
                AttentionBlock(last, config.num_heads, config.mlp_ratio)
                for _ in range(config.depths[3])
            )
        )
        self.norm4 = LayerNorm2d(last)
        self.from_eighth = nn.Conv2d(eighth, out_chans, 2, 2)
        self.from_sixteenth = PointwiseConv2d(sixteenth, out_chans)
        self.from_last = PointwiseConv2d(last, out_chans)
        self.fuse = ResidualBlock(out_chans)
        self.norm = LayerNorm2d(out_chans)
        self.skip_eighth = PointwiseConv2d(eighth, out_chans // 4)
        self.skip_quarter = PointwiseConv2d(quarter, out_chans // 8)

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
        x = x.contiguous(memory_format=torch.channels_last)
        quarter = self.stage1(self.stem(x))
        eighth = self.stage2(self.down2(quarter))
        sixteenth = self.stage3(self.down3(eighth))
        last = self.norm4(self.stage4(self.down4(sixteenth)))
        coarse = F.interpolate(self.from_last(last), scale_factor=2, mode="bilinear")
        joined = coarse + self.from_sixteenth(sixteenth) + self.from_eighth(eighth)
        embedding = self.norm(self.fuse(joined))
        return embedding, self.skip_eighth(eighth), self.skip_quarter(quarter)


def _downsample(in_chans: int, out_chans: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_chans, out_chans, 3, 2, 1), LayerNorm2d(out_chans))


def _residual_stage(chans: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(chans) for _ in range(depth)))


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x))))"""

    def __init__(self, chans: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(chans, chans, 3, padding=1)
        self.conv2 = nn.Conv2d(chans, chans, 3, padding=1)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        nn.init.normal_(self.conv2.weight, std=_BRANCH_GAIN * (2 / (9 * chans)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))

    def pass_on(self) -> None:
        """Become a block that returns what it is given, and can learn from there."""
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)


class AttentionBlock(nn.Module):
    """A pre-norm transformer block; a depthwise convolution tells positions apart.

    Such a conditional positional encoding (arXiv 2102.10882) works at any image size.
    """

    def __init__(self, width: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.position = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLPBlock(width, int(width * mlp_ratio))
        for layer in (self.proj, self.mlp.lin2):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        tokens = (x + self.position(x)).permute(0, 2, 3, 1).reshape(B, H * W, C)
        qkv = apply_linear(self.qkv, self.norm1(tokens)).view(
            B, H * W, 3, self.num_heads, C // self.num_heads
        )
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = attend(q, k, v).transpose(1, 2).reshape(B, H * W, C)
        tokens = apply_linear(self.proj, y, plus=tokens)
        tokens = self.mlp(self.norm2(tokens), plus=tokens)
        return tokens.view(B, H, W, C).permute(0, 3, 1, 2)

    def pass_on(self) -> None:
        """Become a block that returns what it is given, and can learn from there."""
        for layer in (self.position, self.proj, self.mlp.lin2):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
