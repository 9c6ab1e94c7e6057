"""The ViT image encoder of "Segment Anything" (arXiv 2304.02643, appendix A).

A plain vision transformer after "Exploring Plain Vision Transformer Backbones for Object
Detection" (arXiv 2203.16527): most blocks attend within windows, a few over the whole image,
with relative positions decomposed into a row and a column term (arXiv 2112.01526, section 4.1).
The token stream is kept as a contiguous (B, H, W, C) tensor throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.as_built import is_own
from anymask.model.layers import LayerNorm2d, MLPBlock, PointwiseConv2d, apply_linear, missing
from anymask.model.products import linear
from anymask.model.relative_attention import attend_on_grid

MakeLayer = Callable[..., nn.Module]


class ImageEncoderViT(nn.Module):
    """Image to embedding at 1/16 of its size.

    The parameters are those of Meta's class. `ViTConfig.build` gives the values of the published
    models.

    Parameters
    ----------
    img_size : int
        Side of the square input in pixels.
    patch_size : int
        Side of the square of pixels that becomes a token.
    in_chans : int
        Channels of the input.
    embed_dim, depth, num_heads : int
        Width, number of blocks and heads of attention.
    mlp_ratio : float
        Inner width of the MLPs, as a multiple of `embed_dim`.
    out_chans : int
        Channels of the embedding.
    qkv_bias : bool
        Whether queries, keys and values have a bias.
    norm_layer, act_layer : callable
        Make the blocks' norms from a width, and the activation of their MLPs.
    use_abs_pos : bool
        Whether each token has a learnt vector for its place.
    use_rel_pos : bool
        Whether attention has learnt terms for relative places.
    rel_pos_zero_init : bool
        Has no effect, as in Meta's class: these terms begin at zero.
    window_size : int
        Side in tokens of the windows within which most blocks attend; 0 is the whole image.
    global_attn_indexes : sequence of int
        Blocks that attend over the whole image.
    """

    def __init__(
        self,
        img_size: int = 1024,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        out_chans: int = 256,
        qkv_bias: bool = True,
        norm_layer: MakeLayer = nn.LayerNorm,
        act_layer: MakeLayer = nn.GELU,
        use_abs_pos: bool = True,
        use_rel_pos: bool = False,
        rel_pos_zero_init: bool = True,
        window_size: int = 0,
        global_attn_indexes: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.img_size = img_size
        side = img_size // patch_size
        self.patch_embed = PatchEmbed(
            (patch_size, patch_size),
            (patch_size, patch_size),
            in_chans=in_chans,
            embed_dim=embed_dim,
        )
        self.pos_embed: nn.Parameter | None = None
        if use_abs_pos:
            self.pos_embed = nn.Parameter(torch.zeros(1, side, side, embed_dim))
        self.blocks = nn.ModuleList(
            Block(
                embed_dim,
                num_heads,
                mlp_ratio,
                qkv_bias,
                norm_layer,
                act_layer,
                use_rel_pos,
                rel_pos_zero_init,
                0 if i in global_attn_indexes else window_size,
                (side, side),
            )
            for i in range(depth)
        )
        self.neck = nn.Sequential(
            PointwiseConv2d(embed_dim, out_chans, bias=False),
            LayerNorm2d(out_chans),
            nn.Conv2d(out_chans, out_chans, 3, padding=1, bias=False),
            LayerNorm2d(out_chans),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode normalised images.

        Parameters
        ----------
        x : (B, in_chans, S, S) tensor

        Returns
        -------
        (B, out_chans, S/16, S/16) tensor
        """
        x = self.patch_embed(x)  # (B, H, W, C)
        if self.pos_embed is not None:
            x = x + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))


class PatchEmbed(nn.Module):
    """Squares of pixels to tokens, channels last."""

    def __init__(
        self,
        kernel_size: tuple[int, int] = (16, 16),
        stride: tuple[int, int] = (16, 16),
        padding: tuple[int, int] = (0, 0),
        in_chans: int = 3,
        embed_dim: int = 768,
    ) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        B, chans, H, W = x.shape
        if not self._is_product(H, W):
            return self.proj(x).permute(0, 2, 3, 1)
        # The squares do not overlap, so the convolution is a product over them.
        _, _, *side = self.proj.weight.shape
        x = x.view(B, chans, H // side[0], side[0], W // side[1], side[1])
        squares = x.permute(0, 2, 4, 1, 3, 5).flatten(3)  # (B, H/16, W/16, 3·16·16)
        return linear(squares, self.proj.weight.flatten(1), self.proj.bias)

    def _is_product(self, height: int, width: int) -> bool:
        proj = self.proj
        if not is_own(proj, nn.Conv2d):
            return False
        kernel = proj.kernel_size
        return (
            proj.stride == kernel
            and proj.padding == (0, 0)
            and proj.dilation == (1, 1)
            and proj.groups == 1
            and height % kernel[0] == width % kernel[1] == 0
        )


class Block(nn.Module):
    """One transformer block; `window_size` 0 attends over the whole image.

    Parameters are those of `ImageEncoderViT`; `input_size` is the height and width in tokens, for
    the tables of relative positions.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        norm_layer: MakeLayer = nn.LayerNorm,
        act_layer: MakeLayer = nn.GELU,
        use_rel_pos: bool = False,
        rel_pos_zero_init: bool = True,
        window_size: int = 0,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = Attention(
            dim,
            num_heads,
            qkv_bias,
            use_rel_pos,
            rel_pos_zero_init,
            (window_size, window_size) if window_size else input_size,
        )
        self.norm2 = norm_layer(dim)
        self.mlp = MLPBlock(dim, int(dim * mlp_ratio), act_layer)
        self.window_size = window_size

    def forward(self, x: Tensor) -> Tensor:
        """Update tokens (B, H, W, C)."""
        y, size = self.norm1(x), self.window_size
        if is_own(self.attn, Attention):
            x = self.attn.attend(y, size, plus=x)
        elif size:
            x = x + join_windows(self.attn(split_windows(y, size)), x.shape)
        else:
            x = x + self.attn(y)
        if is_own(self.mlp, MLPBlock):
            return self.mlp(self.norm2(x), plus=x)
        return x + self.mlp(self.norm2(x))


class Attention(nn.Module):
    """Multi-head attention over a grid of tokens with decomposed relative positions."""

    def __init__(
        self,
        dim: int,
        num_heads: int = 8,
        qkv_bias: bool = True,
        use_rel_pos: bool = False,
        rel_pos_zero_init: bool = True,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.use_rel_pos = use_rel_pos
        if use_rel_pos:
            if input_size is None:
                raise ValueError("Relative positions need the input_size in tokens; give it.")
            rows, cols = input_size
            self.rel_pos_h = nn.Parameter(torch.zeros(2 * rows - 1, dim // num_heads))
            self.rel_pos_w = nn.Parameter(torch.zeros(2 * cols - 1, dim // num_heads))

    def forward(self, x: Tensor) -> Tensor:
        """Attend over each grid of (B, H, W, C) tokens."""
        return apply_linear(self.proj, self._attended(x))

    def attend(self, x: Tensor, window_size: int, plus: Tensor) -> Tensor:
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
        if not window_size:
            return apply_linear(self.proj, self._attended(x), plus=plus)
        y = self._attended(split_windows(x, window_size))
        return apply_linear(self.proj, join_windows(y, x.shape), plus=plus)

    def _attended(self, x: Tensor) -> Tensor:
        qkv = apply_linear(self.qkv, x).reshape(*x.shape[:3], 3, self.num_heads, -1)
        if not self.use_rel_pos:
            return attend_on_grid(qkv)
        return attend_on_grid(qkv, self.rel_pos_h, self.rel_pos_w)


def split_windows(x: Tensor, size: int) -> Tensor:
    """Cut a (B, H, W, C) map, zero-padded at right and bottom, into (B·n, size, size, C)."""
    B, H, W, C = x.shape
    x = F.pad(x, (0, 0, 0, missing(W, size), 0, missing(H, size)))
    x = x.view(B, x.shape[1] // size, size, x.shape[2] // size, size, C)
    return x.transpose(2, 3).reshape(-1, size, size, C)


def join_windows(windows: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of `split_windows`, for a map of this shape."""
    B, H, W, C = shape
    size = windows.shape[1]
    rows, cols = (H + missing(H, size)) // size, (W + missing(W, size)) // size
    x = windows.reshape(B, rows, cols, size, size, C).transpose(2, 3)
    return x.reshape(B, rows * size, cols * size, C)[:, :H, :W]
