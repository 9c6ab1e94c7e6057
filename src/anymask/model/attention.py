"""Scaled dot-product attention by the fastest of three equivalent methods."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.model.products import in_inference

# The fused kernel multiplies bfloat16 slowly on a CPU; up to this many scores, which then fit the
# caches, plain products are faster.
_SCORES_IN_CACHE = 1 << 20
# Queries to a key from which on the softmax is better taken along the queries' axis.
_MANY_QUERIES = 4


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return softmax(q·kᵀ / √d)·v.

    Parameters
    ----------
    q : (B, heads, T, d) tensor
    k, v : (B, heads, S, d) tensors

    Returns
    -------
    (B, heads, T, d) tensor
    """
    scale = 1 / math.sqrt(q.shape[-1])
    if q.shape[2] > _MANY_QUERIES * k.shape[2]:
        # Thousands of image tokens looking at a few prompt tokens: with the long axis last, the
        # softmax runs along contiguous rows and is several times faster than the fused kernel.
        weights = softmax_of_columns((k * scale) @ q.transpose(-1, -2))
        return weights.transpose(-1, -2) @ v
    backward = q.requires_grad and torch.is_grad_enabled()
    in_cache = q.shape[:3].numel() * k.shape[2] <= _SCORES_IN_CACHE
    half = q.dtype == torch.bfloat16 and in_cache
    if q.device.type == "cpu" and (backward or half):
        # The fused kernel's backward pass on the CPU is two to five times slower than this too.
        return torch.softmax((q * scale) @ k.transpose(-1, -2), dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v)


def softmax_of_columns(x: Tensor) -> Tensor:
    """Softmax along the last axis but one.

    torch's own along an inner axis takes another exponential at the ends of each thread's part,
    so that its last bit depends on the number of threads.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32 or not in_inference(x):
        return torch.softmax(x, -2)
    x = (x - x.amax(-2, keepdim=True)).exp_()
    return x.div_(x.sum(-2, keepdim=True))
