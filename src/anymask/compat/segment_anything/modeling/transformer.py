"""The transformer of the mask decoder."""

from __future__ import annotations

from anymask.model.layers import MLPBlock
from anymask.model.transformer import Attention, TwoWayAttentionBlock, TwoWayTransformer

__all__ = ["Attention", "MLPBlock", "TwoWayAttentionBlock", "TwoWayTransformer"]
