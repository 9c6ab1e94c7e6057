"""The mask decoder."""

from __future__ import annotations

from anymask.model.layers import MLP, LayerNorm2d
from anymask.model.mask_decoder import MaskDecoder

__all__ = ["MLP", "LayerNorm2d", "MaskDecoder"]
