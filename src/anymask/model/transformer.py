"""The two-way transformer of the mask decoder (arXiv 2304.02643, appendix A, figure 14).

Prompt tokens and image tokens attend to each other in turn. Many prompts are decoded for one
image at a time, so image tokens may come with a smaller batch than the prompt tokens: B images
serve N = B·P prompts, prompt n belonging to image n // P, and work on the image side is done
once an image until the first update that depends on the prompt.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.attention import attend
from anymask.model.layers import MLPBlock


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its outer width."""

    def __init__(self, dim: int, num_heads: int, downsample_rate: int = 1) -> None:
        super().__init__()
        inner = dim // downsample_rate
        self.num_heads = num_heads
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(dim, inner)
        self.v_proj = nn.Linear(dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend.

        Parameters
        ----------
        q : (N, T, dim) tensor
        k, v : (M, S, dim) tensors
            Of N and M one divides the other; the smaller batch is shared by the larger.

        Returns
        -------
        (max(N, M), T, dim) tensor
        """
        q, k, v = self.q_proj(q), self.k_proj(k), self.v_proj(v)
        N, T, inner = q.shape
        M = k.shape[0]
        if N > M:
            # Prompts of one image become more queries of one attention over its tokens.
            q = q.view(M, N // M * T, inner)
        elif M > N:
            q = q[:, None].expand(N, M // N, T, inner).reshape(M, T, inner)
        y = attend(*(self._split(x) for x in (q, k, v)))
        return self.out_proj(y.transpose(1, 2).reshape(max(N, M), T, inner))

    def _split(self, x: Tensor) -> Tensor:
        B, T, inner = x.shape
        return x.view(B, T, self.num_heads, inner // self.num_heads).transpose(1, 2)


class TwoWayAttentionBlock(nn.Module):
    """Tokens attend to themselves, then to the image; an MLP; the image attends to the tokens."""

    def __init__(self, dim: int, num_heads: int, mlp_dim: int, skip_first_layer_pe: bool) -> None:
        super().__init__()
        self.self_attn = Attention(dim, num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim, num_heads, downsample_rate=2)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLPBlock(dim, mlp_dim, F.relu)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, num_heads, downsample_rate=2)
        self.skip_first_layer_pe = skip_first_layer_pe

    def forward(
        self, tokens: Tensor, image: Tensor, token_pe: Tensor, image_pe: Tensor
    ) -> tuple[Tensor, Tensor]:
        if self.skip_first_layer_pe:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_pe
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        placed_image = image + image_pe
        tokens = self.norm2(
            tokens + self.cross_attn_token_to_image(tokens + token_pe, placed_image, image)
        )
        tokens = self.norm3(tokens + self.mlp(tokens))
        update = self.cross_attn_image_to_token(placed_image, tokens + token_pe, tokens)
        if len(update) > len(image):  # the first update that differs by prompt
            update = update.unflatten(0, (len(image), -1))
            image = (image[:, None] + update).flatten(0, 1)
        else:
            image = image + update
        return tokens, self.norm4(image)


class TwoWayTransformer(nn.Module):
    """A stack of `TwoWayAttentionBlock` and a last attention of the tokens to the image."""

    def __init__(self, depth: int, dim: int, num_heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayAttentionBlock(dim, num_heads, mlp_dim, skip_first_layer_pe=i == 0)
            for i in range(depth)
        )
        self.final_attn_token_to_image = Attention(dim, num_heads, downsample_rate=2)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(self, image: Tensor, image_pe: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Update prompt tokens and image tokens by each other.

        Parameters
        ----------
        image : (B or N, h·w, C) tensor
            Image tokens.
        image_pe : (1, h·w, C) tensor
            Their positional encoding.
        tokens : (N, T, C) tensor
            Output and prompt tokens; they are also their own positional encoding.

        Returns
        -------
        tokens : (N, T, C) tensor
        image : (N, h·w, C) tensor
        """
        token_pe = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_pe, image_pe)
        update = self.final_attn_token_to_image(tokens + token_pe, image + image_pe, image)
        return self.norm_final_attn(tokens + update), image
