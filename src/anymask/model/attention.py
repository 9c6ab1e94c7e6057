"""Scaled dot-product attention by whichever of three equal ways is fastest."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

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
        weights = torch.softmax((k * scale) @ q.transpose(-1, -2), dim=-2)
        return weights.transpose(-1, -2) @ v
    if q.device.type == "cpu" and q.requires_grad and torch.is_grad_enabled():
        # The fused kernel's backward pass on the CPU is two to five times slower than this.
        return torch.softmax((q * scale) @ k.transpose(-1, -2), dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v)
