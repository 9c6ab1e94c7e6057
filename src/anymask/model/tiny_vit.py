"""TinyViT, the image encoder of MobileSAM (variant ``vit_t``).

The hierarchical network of "TinyViT: Fast Pretraining Distillation for Small Vision Transformers"
(arXiv 2207.10666, section 3.3), a convolutional stem and stage followed by three stages of window
attention, cut down and given SAM's neck in "Faster Segment Anything" (MobileSAM, arXiv 2306.14289).
The last stage does not halve the resolution, so the embedding is SAM's: 256 channels at a
sixteenth of the input size. Parameter names are those of MobileSAM's published file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.layers import LayerNorm2d, PointwiseConv2d, apply_linear, missing

if TYPE_CHECKING:
    from anymask.model.encoder_configs import TinyViTConfig

STEM_STRIDE = 4
MBCONV_EXPANSION = 4
IMAGENET_CLASSES = 1000


class TinyViT(nn.Module):
    """MobileSAM's image encoder.

    The network has no position tables, so it takes any input whose sides are multiples of 16;
    `image_size` is recorded, as `img_size`, for the rest of the model.

    Parameters
    ----------
    config : TinyViTConfig
        Width, depth, heads and window of each stage. The first stage is convolutional: its heads
        and window mean nothing.
    image_size : int
        Side of the square input in pixels, a multiple of 16.
    out_chans : int
        Channels of the embedding.

    Raises
    ------
    ValueError
        `image_size` is not a multiple of 16, or a width is not a multiple of its heads.

    Examples
    --------
    >>> import torch
    >>> from anymask.model.config import TinyViTConfig
    >>> encoder = TinyViT(TinyViTConfig(depths=(1, 1, 1, 1)), image_size=64, out_chans=256).eval()
    >>> encoder(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 256, 4, 4])
    """

    def __init__(self, config: TinyViTConfig, image_size: int, out_chans: int) -> None:
        super().__init__()
        if image_size % config.patch_size:
            raise ValueError(
                f"image_size is {image_size}; TinyViT needs a multiple of {config.patch_size}."
            )
        self.img_size = image_size
        self.patch_embed = PatchEmbed(config.widths[0])

        self.layers = nn.ModuleList()
        stride = STEM_STRIDE
        for stage, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
            blocks: list[nn.Module] = []
            for _ in range(depth):
                if stage == 0:
                    blocks.append(MBConv(width))
                else:
                    heads, window = config.num_heads[stage], config.window_sizes[stage]
                    blocks.append(TinyViTBlock(width, heads, window, config.mlp_ratio))
            downsample = None
            if stage + 1 < len(config.widths):
                step = 2 if stride < config.patch_size else 1
                downsample = PatchMerging(width, config.widths[stage + 1], step)
                stride *= step
            self.layers.append(Stage(blocks, downsample))

        # The published file still carries the classifier TinyViT was distilled with. Nothing here
        # computes with it, so it is held as buffers: it loads and saves like every other tensor,
        # yet optimisers, parameter counts and gradient checks never meet it.
        self.norm_head = CarriedTensors(weight=(config.widths[-1],), bias=(config.widths[-1],))
        self.head = CarriedTensors(
            weight=(IMAGENET_CLASSES, config.widths[-1]), bias=(IMAGENET_CLASSES,)
        )

        self.neck = nn.Sequential(
            PointwiseConv2d(config.widths[-1], out_chans, bias=False),
            LayerNorm2d(out_chans),
            nn.Conv2d(out_chans, out_chans, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(out_chans),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Embed images that are normalised and padded already.

        Parameters
        ----------
        x : Tensor
            (B, 3, S, S), the dtype of the weights.

        Returns
        -------
        Tensor
            (B, out_chans, S / 16, S / 16), same dtype.
        """
        # With channels last in memory, the blocks' change between maps and tokens copies nothing.
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.patch_embed(x)  # (B, C0, S/4, S/4)
        for layer in self.layers:
            x = layer(x)
        return self.neck(x)


class ConvBN(nn.Sequential):
    """Convolution without bias and batch normalisation, named ``c`` and ``bn`` in the files."""

    def __init__(
        self, in_chans: int, out_chans: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        conv = (
            PointwiseConv2d(in_chans, out_chans, bias=False)
            if kernel == 1
            else nn.Conv2d(
                in_chans, out_chans, kernel, stride, padding=kernel // 2, groups=groups, bias=False
            )
        )
        self.add_module("c", conv)
        self.add_module("bn", nn.BatchNorm2d(out_chans))


class PatchEmbed(nn.Module):
    """The stem: two strided 3×3 convolutions, (B, 3, S, S) to (B, width, S/4, S/4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            ConvBN(3, width // 2, kernel=3, stride=2),
            nn.GELU(),
            ConvBN(width // 2, width, kernel=3, stride=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.seq(x)


class MBConv(nn.Module):
    """Inverted residual block of the first stage: expand, depthwise 3×3, project, add, GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = width * MBCONV_EXPANSION
        self.conv1 = ConvBN(width, hidden)
        self.conv2 = ConvBN(hidden, hidden, kernel=3, groups=hidden)
        self.conv3 = ConvBN(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.conv1(x))
        y = F.gelu(self.conv2(y))
        return F.gelu(x + self.conv3(y))


class PatchMerging(nn.Module):
    """Between two stages: to the next width, and to half the resolution where `stride` is 2."""

    def __init__(self, in_chans: int, out_chans: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(in_chans, out_chans)
        self.conv2 = ConvBN(out_chans, out_chans, kernel=3, stride=stride, groups=out_chans)
        self.conv3 = ConvBN(out_chans, out_chans)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.conv1(x))
        x = F.gelu(self.conv2(x))
        return self.conv3(x)


class Stage(nn.Module):
    """Blocks of one width, and the merging that leads to the next."""

    def __init__(self, blocks: list[nn.Module], downsample: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class TinyViTBlock(nn.Module):
    """Window attention, a depthwise 3×3 convolution, an MLP (TinyViT paper, section 3.3).

    The convolution sits between attention and MLP, where it carries information across the
    window borders; it alone has no shortcut around it.
    """

    def __init__(self, width: int, num_heads: int, window_size: int, mlp_ratio: float) -> None:
        super().__init__()
        self.window_size = window_size
        self.attn = WindowAttention(width, num_heads, window_size)
        self.local_conv = ConvBN(width, width, kernel=3, groups=width)
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        x = x + self._attend_in_windows(x)
        x = self.local_conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x = x + self.mlp(x)
        return x.permute(0, 3, 1, 2)  # (B, C, H, W)

    def _attend_in_windows(self, x: Tensor) -> Tensor:
        """Attention within each window; tokens that only fill up the last ones take part."""
        batch, height, width, chans = x.shape
        size = self.window_size
        x = F.pad(x, (0, 0, 0, missing(width, size), 0, missing(height, size)))
        rows, cols = x.shape[1] // size, x.shape[2] // size
        x = x.view(batch, rows, size, cols, size, chans).transpose(2, 3)
        x = self.attn(x.reshape(batch * rows * cols, size * size, chans))
        x = x.view(batch, rows, cols, size, size, chans).transpose(2, 3)
        return x.reshape(batch, rows * size, cols * size, chans)[:, :height, :width]


class WindowAttention(nn.Module):
    """Multi-head attention among the tokens of one window, with a learned bias for each offset.

    The bias of a pair of tokens depends on the absolute offsets (|dy|, |dx|) alone and lies in
    column |dy| * window_size + |dx| of `attention_biases` (num_heads, window_size²).
    """

    def __init__(self, width: int, num_heads: int, window_size: int) -> None:
        super().__init__()
        if width % num_heads:
            raise ValueError(f"Stage width {width} is not a multiple of its {num_heads} heads.")
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(num_heads, window_size**2))
        self.offset_index: Tensor
        self.register_buffer("offset_index", _offset_index(window_size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        windows, tokens, chans = x.shape
        qkv = apply_linear(self.qkv, self.norm(x))
        # Each head's query, key and value lie side by side: (windows, tokens, heads, 3·head width).
        qkv = qkv.view(windows, tokens, self.num_heads, -1).transpose(1, 2)
        q, k, v = qkv.chunk(3, dim=-1)  # (windows, heads, tokens, head width)
        bias = self.attention_biases[None, :, self.offset_index]  # (1, heads, tokens, tokens)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return apply_linear(self.proj, x.transpose(1, 2).reshape(windows, tokens, chans))


class Mlp(nn.Module):
    """Two linear layers with a GELU between, behind a norm of their own."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return apply_linear(self.fc2, apply_linear(self.fc1, self.norm(x), activation="gelu"))


class CarriedTensors(nn.Module):
    """Tensors that are loaded, moved and saved with the model and used by nothing."""

    def __init__(self, **shapes: tuple[int, ...]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))


def _offset_index(window_size: int) -> Tensor:
    """Column of the bias table for each pair of tokens in row-major order, (ws², ws²) int64."""
    row, col = torch.meshgrid(torch.arange(window_size), torch.arange(window_size), indexing="ij")
    row, col = row.flatten(), col.flatten()
    dy = (row[:, None] - row[None, :]).abs()
    dx = (col[:, None] - col[None, :]).abs()
    return dy * window_size + dx
