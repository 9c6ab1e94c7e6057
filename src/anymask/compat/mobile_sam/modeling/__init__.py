"""The parts of the network."""

from __future__ import annotations

from anymask.compat.mobile_sam.modeling.tiny_vit_sam import TinyViT
from anymask.compat.segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

__all__ = ["ImageEncoderViT", "MaskDecoder", "PromptEncoder", "Sam", "TinyViT", "TwoWayTransformer"]
