"""Small layers that several parts share."""

from __future__ import annotations

from anymask.model.layers import LayerNorm2d, MLPBlock

__all__ = ["LayerNorm2d", "MLPBlock"]
