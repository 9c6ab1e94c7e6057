"""Attention over image tokens, by the faster library for the sizes at hand."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.model.products import in_inference, in_onednn, linear

# Scores computed at a time, which fit a processor's caches. For the many keys of a memory there are
# more: products of few rows are slow.
_SCORES_AT_A_TIME = 1 << 20
_LEAST_QUERIES_AT_A_TIME = 256
# Fewer tokens than this are left to torch's fused kernel.
_MANY_TOKENS = 512


def attend_tokens(q: Tensor, k: Tensor, v: Tensor, num_heads: int) -> Tensor:
    """Return softmax(q·kᵀ / √d)·v for each head, d being a head's width in `q`.

    Parameters
    ----------
    q : (B, T, C) tensor
    k : (B, S, C) tensor
    v : (B, S, D) tensor
        The heads' parts lie one after another in C and in D.
    num_heads : int

    Returns
    -------
    (B, T, D) tensor
    """
    if not (k.shape[1] >= _MANY_TOKENS and in_inference(q, k, v) and in_onednn(q, k, v)):
        q, k, v = (x.unflatten(2, (num_heads, -1)).transpose(1, 2) for x in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v)
        return y.transpose(1, 2).flatten(2)
    out = q.new_empty(*q.shape[:2], v.shape[2])
    for image in range(len(q)):
        parts = (x[image].chunk(num_heads, 1) for x in (q, k, v, out))
        for queries, keys, values, result in zip(*parts, strict=True):
            _attend_by_blocks(queries, keys.contiguous(), values.t().contiguous(), result)
    return out


def _attend_by_blocks(q: Tensor, k: Tensor, columns: Tensor, out: Tensor) -> None:
    """Write the means for queries (T, d), keys (S, d) and values as columns (D, S) to `out`."""
    scale = q.shape[1] ** -0.5
    step = max(_LEAST_QUERIES_AT_A_TIME, _SCORES_AT_A_TIME // len(k))
    for start in range(0, len(q), step):
        block = slice(start, start + step)
        scores = linear(q[block] * scale, k)
        # In place, because memory that is not in the caches yet costs as much as the work.
        torch.softmax(scores, -1, out=scores)
        out[block] = linear(scores, columns)
