"""The two-way transformer of the mask decoder (arXiv 2304.02643, appendix A, figure 14).

Prompt tokens and image tokens attend to each other in turn. There are a few prompt tokens and
thousands of image tokens, and all that is ever asked of an image token is its product with a
prompt token's query or key, or its part in a mean. So projections of the image side are not
applied to the image: q·(W·x) = (Wᵀ·q)·x and Σ p·(W·x) = W·(Σ p·x), where the right sides project
the few instead of the many. That is exact, and less than half of the work.

N prompts may share the tokens of B = N/P images, prompt n asking image n // P, until the first
update that depends on the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from anymask.model.as_built import is_own
from anymask.model.attention import attend, softmax_of_columns
from anymask.model.layers import MLPBlock, apply_linear
from anymask.model.pieces import Piece
from anymask.model.products import add_shared, rows_by_columns, rows_by_rows, wants_gradient


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its outer width.

    Parameters
    ----------
    embedding_dim : int
        The outer width.
    num_heads : int
    downsample_rate : int
        How many times smaller the inner width is.
    """

    def __init__(self, embedding_dim: int, num_heads: int, downsample_rate: int = 1) -> None:
        super().__init__()
        inner = embedding_dim // downsample_rate
        if inner % num_heads:
            raise ValueError(
                f"The inner width of the attention, {inner}, is not a multiple of its {num_heads} "
                "heads."
            )
        self.embedding_dim = embedding_dim
        self.internal_dim = inner
        self.num_heads = num_heads
        self.head_width = inner // num_heads
        self.q_proj = nn.Linear(embedding_dim, inner)
        self.k_proj = nn.Linear(embedding_dim, inner)
        self.v_proj = nn.Linear(embedding_dim, inner)
        self.out_proj = nn.Linear(inner, embedding_dim)

    def is_as_built(self) -> bool:
        """Whether this attention and its projections are our own (see `as_built`)."""
        # Asked at every click: an attribute of a module takes as long as the question itself.
        parts = self._modules
        return (
            is_own(self, Attention)
            and is_own(parts["q_proj"], nn.Linear)
            and is_own(parts["k_proj"], nn.Linear)
            and is_own(parts["v_proj"], nn.Linear)
            and is_own(parts["out_proj"], nn.Linear)
        )

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
        q = apply_linear(self.q_proj, q)
        k = apply_linear(self.k_proj, k)
        v = apply_linear(self.v_proj, v)
        N, T, inner = q.shape
        M = k.shape[0]
        if N > M:
            # Prompts of one image become more queries of one attention over its tokens.
            q = q.view(M, N // M * T, inner)
        elif M > N:
            q = q[:, None].expand(N, M // N, T, inner).reshape(M, T, inner)
        y = attend(*(x.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for x in (q, k, v)))
        return apply_linear(self.out_proj, y.transpose(1, 2).reshape(-1, T, inner))

    def read(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from a few tokens to many, as `forward` does with more work.

        Parameters
        ----------
        q : (N, T, dim) tensor
        k, v : (M, S, dim) tensors
            M divides N; each member serves N / M consecutive members of `q`.

        Returns
        -------
        (N, T, dim) tensor
        """
        N, T, dim = q.shape
        if not self._is_less_work(q, k, v):
            return self(q, k, v)
        # The bias of k_proj adds the same to all scores of a query, which softmax ignores.
        q = apply_linear(self.q_proj, q) * self.head_width**-0.5
        queries = self._widen(q, self.k_proj.weight)
        scores = rows_by_rows(_side_by_side(queries, k), k)  # (M, N/M·heads·T, S)
        means = rows_by_columns(torch.softmax(scores, -1), v).view(N, self.num_heads, T, dim)
        weight = self.v_proj.weight.unflatten(0, (self.num_heads, -1))  # (heads, d, dim)
        y = means.transpose(0, 1).flatten(1, 2) @ weight.transpose(1, 2)  # (heads, N·T, d)
        y = y.transpose(0, 1).reshape(N, T, -1) + self.v_proj.bias
        return apply_linear(self.out_proj, y)

    def write(self, q: Tensor, k: Tensor, v: Tensor, plus: Tensor) -> Tensor:
        """Attend from many tokens to a few, and add the result to the many.

        Parameters
        ----------
        q : (M, S, dim) tensor
            M divides N; each member serves N / M consecutive members of `k` and `v`.
        k, v : (N, T, dim) tensors
        plus : (M, S, dim) tensor

        Returns
        -------
        (N, S, dim) tensor
        """
        N, T, _ = k.shape
        if not self._is_less_work(k, v, q, plus):
            return add_shared(self(q, k, v), plus)
        k = apply_linear(self.k_proj, k) * self.head_width**-0.5
        keys = self._widen(k, self.q_proj.weight)
        scores = rows_by_rows(_side_by_side(keys, q), q).view(N, self.num_heads, T, -1)
        by_bias = (k * self.q_proj.bias).view(N, T, self.num_heads, -1).sum(3).transpose(1, 2)
        shares = softmax_of_columns(scores + by_bias[..., None]).flatten(1, 2)  # (N, heads·T, S)
        # A head's shares sum to one, so a part of the bias in each of its values adds just that.
        bias = self.out_proj.bias / self.num_heads
        values = self._widen(apply_linear(self.v_proj, v), self.out_proj.weight.t()) + bias
        return rows_by_rows(shares.transpose(1, 2), values.transpose(1, 2), plus=plus)

    def _is_less_work(self, few: Tensor, *others: Tensor) -> bool:
        """Whether to project a few tokens in place of the many.

        Training projects the many: there the plain order is as fast, and every parameter has a
        gradient, also those that do not matter.
        """
        return few.shape[1] <= self.head_width and not wants_gradient(
            few, *others, self.q_proj.weight, self.out_proj.bias
        )

    def _widen(self, x: Tensor, weight: Tensor) -> Tensor:
        """Take each head's part of (N, T, inner) to the outer width, (N, heads·T, dim).

        `weight` is (inner, dim), of which each head has its own rows.
        """
        N, T, _ = x.shape
        by_head = x.view(N * T, self.num_heads, -1).transpose(0, 1)  # (heads, N·T, d)
        wide = by_head @ weight.unflatten(0, (self.num_heads, -1))
        return wide.unflatten(1, (N, T)).transpose(0, 1).flatten(1, 2)


def _side_by_side(rows: Tensor, images: Tensor) -> Tensor:
    """Rows (N, R, dim) of prompts that share one of M images as rows of one product."""
    if len(rows) == len(images):
        return rows
    return rows.view(len(images), -1, rows.shape[2])


class TwoWayAttentionBlock(nn.Module):
    """Tokens attend to themselves, then to the image; an MLP; the image attends to the tokens.

    Parameters
    ----------
    embedding_dim, num_heads, mlp_dim : int
        Width of the tokens, heads of attention, inner width of the MLP.
    activation : callable
        Makes the MLP's activation.
    attention_downsample_rate : int
        How many times narrower attention between tokens and image is.
    skip_first_layer_pe : bool
        Whether tokens attend to themselves without their positional encoding.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_heads: int,
        mlp_dim: int = 2048,
        activation: Callable[[], nn.Module] = nn.ReLU,
        attention_downsample_rate: int = 2,
        skip_first_layer_pe: bool = False,
    ) -> None:
        super().__init__()
        dim, rate = embedding_dim, attention_downsample_rate
        self.self_attn = Attention(dim, num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim, num_heads, downsample_rate=rate)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLPBlock(dim, mlp_dim, activation)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, num_heads, downsample_rate=rate)
        self.skip_first_layer_pe = skip_first_layer_pe

    def is_as_built(self) -> bool:
        """Whether the parts that `update` takes apart are our own (see `as_built`)."""
        return (
            is_own(self, TwoWayAttentionBlock)
            and is_own(self.norm4, nn.LayerNorm)
            and _as_built(self.cross_attn_token_to_image, Attention)
            and _as_built(self.cross_attn_image_to_token, Attention)
        )

    def forward(
        self, queries: Tensor, keys: Tensor, query_pe: Tensor, key_pe: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update tokens (N, T, C) and image tokens (N, h·w, C); with positional encodings."""
        queries = self._attend_to_tokens(queries, query_pe)
        read = self.cross_attn_token_to_image(q=queries + query_pe, k=keys + key_pe, v=keys)
        queries = self._take_in(queries, read)
        written = self.cross_attn_image_to_token(q=keys + key_pe, k=queries + query_pe, v=queries)
        return queries, self.norm4(keys + written)

    def update(
        self,
        tokens: Tensor,
        token_pe: Tensor,
        image: Sequence[Tensor],
        image_pe: Tensor,
        pieces: Sequence[Piece],
    ) -> tuple[Tensor, list[Tensor]]:
        """Update tokens and image, which are as in `TwoWayTransformer.update`."""
        tokens = self._attend_to_tokens(tokens, token_pe)
        q = tokens + token_pe
        placed = _plus_each(image, image_pe)
        read = [
            self.cross_attn_token_to_image.read(q[of], keys, x)
            for x, keys, (of, _) in zip(image, placed, pieces, strict=True)
        ]
        tokens = self._take_in(tokens, torch.cat(read))
        k = tokens + token_pe
        updated = [
            self.norm4(self.cross_attn_image_to_token.write(queries, k[of], tokens[of], plus=x))
            for x, queries, (of, _) in zip(image, placed, pieces, strict=True)
        ]
        return tokens, updated

    def _attend_to_tokens(self, tokens: Tensor, token_pe: Tensor) -> Tensor:
        if self.skip_first_layer_pe:
            tokens = self.self_attn(q=tokens, k=tokens, v=tokens)
        else:
            q = tokens + token_pe
            tokens = tokens + self.self_attn(q=q, k=q, v=tokens)
        return self.norm1(tokens)

    def _take_in(self, tokens: Tensor, read: Tensor) -> Tensor:
        tokens = self.norm2(tokens + read)
        return self.norm3(tokens + self.mlp(tokens))


def _as_built(part: nn.Module, kind: type[Attention] | type[TwoWayAttentionBlock]) -> bool:
    return isinstance(part, kind) and part.is_as_built()


def _plus_each(parts: Sequence[Tensor], shift: Tensor) -> list[Tensor]:
    """Each part plus the same; parts that are one tensor stay one."""
    sums = {id(x): x + shift for x in {id(x): x for x in parts}.values()}
    return [sums[id(x)] for x in parts]


class TwoWayTransformer(nn.Module):
    """A stack of `TwoWayAttentionBlock` and a last attention of the tokens to the image.

    Parameters
    ----------
    depth : int
        Number of blocks.
    embedding_dim, num_heads, mlp_dim, activation, attention_downsample_rate
        As in `TwoWayAttentionBlock`.
    """

    def __init__(
        self,
        depth: int,
        embedding_dim: int,
        num_heads: int,
        mlp_dim: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        attention_downsample_rate: int = 2,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.embedding_dim = embedding_dim
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        rate = attention_downsample_rate
        self.layers = nn.ModuleList(
            TwoWayAttentionBlock(
                embedding_dim, num_heads, mlp_dim, activation, rate, skip_first_layer_pe=i == 0
            )
            for i in range(depth)
        )
        self.final_attn_token_to_image = Attention(embedding_dim, num_heads, downsample_rate=rate)
        self.norm_final_attn = nn.LayerNorm(embedding_dim)

    def is_as_built(self) -> bool:
        """Whether `update` may take the place of `forward` (see `as_built`)."""
        return is_own(self, TwoWayTransformer) and self._has_own_parts()

    def _has_own_parts(self) -> bool:
        return _as_built(self.final_attn_token_to_image, Attention) and all(
            _as_built(layer, TwoWayAttentionBlock) for layer in self.layers
        )

    def forward(
        self, image_embedding: Tensor, image_pe: Tensor, point_embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update prompt tokens and an image of each prompt by each other, as Meta's class does.

        Parameters
        ----------
        image_embedding, image_pe : (N, C, h, w) tensors
        point_embedding : (N, T, C) tensor

        Returns
        -------
        tokens : (N, T, C) tensor
        image_tokens : (N, h·w, C) tensor
        """
        image, image_pe = (
            x.flatten(2).transpose(1, 2).contiguous() for x in (image_embedding, image_pe)
        )
        if self._has_own_parts():
            all_of_them = [Piece(slice(None), slice(None))]
            tokens, parts = self.update([image], image_pe, point_embedding, all_of_them)
            return tokens, parts[0]
        tokens = point_embedding
        for layer in self.layers:
            tokens, image = layer(
                queries=tokens, keys=image, query_pe=point_embedding, key_pe=image_pe
            )
        q = tokens + point_embedding
        read = self.final_attn_token_to_image(q=q, k=image + image_pe, v=image)
        return self.norm_final_attn(tokens + read), image

    def update(
        self,
        parts: Sequence[Tensor],
        image_pe: Tensor,
        tokens: Tensor,
        pieces: Sequence[Piece],
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """Update prompt tokens and image tokens by each other, in pieces that share images.

        Parameters
        ----------
        parts : sequence of (n or 1, h·w, C) tensors
            Image tokens of each piece of n prompts, its prompts' own or the image's that all of
            them ask about.
        image_pe : (1, h·w, C) tensor
            Their positional encoding.
        tokens : (N, T, C) tensor
            Output and prompt tokens; they are also their own positional encoding.
        pieces : sequence of Piece
            How many prompts to take at a time.

        Returns
        -------
        tokens : (N, T, C) tensor
        parts : sequence of (n, h·w, C) tensors
            Of each piece; as given if there are no layers.
        """
        token_pe = tokens
        for layer in self.layers:
            assert isinstance(layer, TwoWayAttentionBlock)
            tokens, parts = layer.update(tokens, token_pe, parts, image_pe, pieces)
        q = tokens + token_pe
        read = [
            self.final_attn_token_to_image.read(q[of], x + image_pe, x)
            for x, (of, _) in zip(parts, pieces, strict=True)
        ]
        return self.norm_final_attn(tokens + torch.cat(read)), parts
