"""Resize images and coordinates for the encoder."""

from __future__ import annotations

from anymask.images.resize import ResizeLongestSide

__all__ = ["ResizeLongestSide"]
