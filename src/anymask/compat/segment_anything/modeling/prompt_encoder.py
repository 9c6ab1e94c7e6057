"""The prompt encoder."""

from __future__ import annotations

from anymask.model.layers import LayerNorm2d
from anymask.model.prompt_encoder import PositionEmbeddingRandom, PromptEncoder

__all__ = ["LayerNorm2d", "PositionEmbeddingRandom", "PromptEncoder"]
