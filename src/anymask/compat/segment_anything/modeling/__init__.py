"""The parts of the network, with Meta's signatures."""

from __future__ import annotations

from anymask.compat.segment_anything.modeling.image_encoder import ImageEncoderViT
from anymask.compat.segment_anything.modeling.mask_decoder import MaskDecoder
from anymask.compat.segment_anything.modeling.prompt_encoder import PromptEncoder
from anymask.compat.segment_anything.modeling.sam import Sam
from anymask.compat.segment_anything.modeling.transformer import TwoWayTransformer

__all__ = ["ImageEncoderViT", "MaskDecoder", "PromptEncoder", "Sam", "TwoWayTransformer"]
