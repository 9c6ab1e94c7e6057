"""Attention over a grid of tokens with decomposed relative positions.

The score of a query and a key is q·k/√d, plus q·r for the difference of their rows, plus q·c for
that of their columns (arXiv 2112.01526, section 4.1; arXiv 2203.16527). Both terms depend on the
query and on one coordinate of the key, so they can be written as further columns of the product
q·kᵀ, beside a query its term for every row and every column, beside a key ones at its own: fused
attention then needs no mask. On a CPU it is faster to compute scores a block at a time, small
enough for the caches, and to add the terms to them where they are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.model.products import in_inference, linear, rows_by_columns, rows_by_rows

# Up to this many tokens, terms as columns cost less than adding them; beyond it they would
# triple the product.
_MOST_TOKENS_FOR_COLUMNS = 512
_SCORES_AT_A_TIME = 1 << 20


def attend_on_grid(
    qkv: Tensor, rel_pos_h: Tensor | None = None, rel_pos_w: Tensor | None = None
) -> Tensor:
    """Attend within each grid of a batch.

    Parameters
    ----------
    qkv : (B, H, W, 3, heads, D) tensor
        Queries, keys and values.
    rel_pos_h, rel_pos_w : (2·H - 1, D) and (2·W - 1, D) tensors, or None
        A vector for every difference of two rows and of two columns; tables of another length are
        interpolated. None for attention without positions.

    Returns
    -------
    (B, H, W, heads·D) tensor
    """
    B, H, W, _, heads, D = qkv.shape
    if rel_pos_h is None or rel_pos_w is None:
        q, k, v = qkv.reshape(B, H * W, 3, heads, D).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v)
        return y.transpose(1, 2).reshape(B, H, W, heads * D)
    rows, cols = relative_positions(rel_pos_h, H), relative_positions(rel_pos_w, W)
    if qkv.device.type != "cpu" or not in_inference(qkv, rel_pos_h, rel_pos_w):
        q, k, v = qkv.view(B, H * W, 3, heads, D).permute(2, 0, 3, 1, 4).flatten(1, 2)
        q, k = _with_columns(q, k, *_position_scores(q, rows, cols))
        v = F.pad(v, (0, q.shape[-1] - D))  # fused attention wants all three of one width
        q, k, v = (x.unflatten(0, (B, heads)) for x in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, scale=1.0)[..., :D]
        return y.transpose(1, 2).reshape(B, H, W, heads * D)
    out = qkv.new_empty(B, H * W, heads, D)
    attend = _attend_at_once if H * W <= _MOST_TOKENS_FOR_COLUMNS else _attend_by_blocks
    for grid, result in zip(qkv.view(B, H * W, 3, heads, D), out, strict=True):
        q, k, v = grid.permute(1, 2, 0, 3).contiguous()  # each (heads, H·W, D)
        result.copy_(attend(q, k, v, *_position_scores(q, rows, cols)).transpose(0, 1))
    return out.view(B, H, W, heads * D)


def _attend_at_once(q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_col: Tensor) -> Tensor:
    q, k = _with_columns(q, k, by_row, by_col)
    scores = rows_by_rows(q, k)
    return rows_by_columns(torch.softmax(scores, -1, out=scores), v)


def _attend_by_blocks(q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_col: Tensor) -> Tensor:
    heads, N, D = q.shape
    q = q * D**-0.5
    out = torch.empty_like(q)
    step = max(1, _SCORES_AT_A_TIME // N)
    for head in range(heads):
        for start in range(0, N, step):
            block = slice(start, start + step)
            scores = linear(q[head, block], k[head])
            by_place = scores.view(-1, by_row.shape[2], by_col.shape[2])
            by_place += by_row[head, block, :, None]
            by_place += by_col[head, block, None, :]
            # In place, because memory that is not in the caches yet costs as much as the work.
            torch.softmax(scores, -1, out=scores)
            out[head, block] = linear(scores, v[head].t())
    return out


def _position_scores(q: Tensor, rows: Tensor, cols: Tensor) -> tuple[Tensor, Tensor]:
    """The terms (B, H·W, H) and (B, H·W, W) of queries (B, H·W, D) for each row and column."""
    B, N, D = q.shape
    grid = q.view(B, len(rows), len(cols), D)
    by_row = torch.einsum("bijd,ikd->bijk", grid, rows)
    by_col = torch.einsum("bijd,jkd->bijk", grid, cols)
    return by_row.reshape(B, N, len(rows)), by_col.reshape(B, N, len(cols))


def _with_columns(q: Tensor, k: Tensor, by_row: Tensor, by_col: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys whose plain product is the score with all its terms."""
    B, N, D = q.shape
    H, W = by_row.shape[2], by_col.shape[2]
    row = torch.eye(H, dtype=k.dtype, device=k.device).repeat_interleave(W, 0)
    col = torch.eye(W, dtype=k.dtype, device=k.device).repeat(H, 1)
    places = torch.cat([row, col], 1).expand(B, N, H + W)
    return torch.cat([q * D**-0.5, by_row, by_col], 2), torch.cat([k, places], 2)


def relative_positions(rel_pos: Tensor, side: int) -> Tensor:
    """Vectors for every pair of positions along one axis, as (query, key, channel).

    Parameters
    ----------
    rel_pos : (L, D) tensor
        For the differences of positions, from the lowest. If there are not 2·side - 1 of them, as
        with a window or an image of another size, they are interpolated linearly.
    side : int
        Number of positions.
    """
    rel_pos = resized_table(rel_pos, 2 * side - 1)
    positions = torch.arange(side, device=rel_pos.device)
    return rel_pos[positions[:, None] - positions[None, :] + side - 1]


def resized_table(rel_pos: Tensor, length: int) -> Tensor:
    """A table (L, D) of relative positions interpolated linearly to (length, D)."""
    if len(rel_pos) == length:
        return rel_pos
    return F.interpolate(rel_pos.t()[None], length, mode="linear")[0].t()
