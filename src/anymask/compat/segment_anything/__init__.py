"""`segment_anything` over anymask: the names of Meta's package, version 1.0."""

from __future__ import annotations

from anymask.compat.segment_anything.automatic_mask_generator import SamAutomaticMaskGenerator
from anymask.compat.segment_anything.build_sam import (
    build_sam,
    build_sam_vit_b,
    build_sam_vit_h,
    build_sam_vit_l,
    sam_model_registry,
)
from anymask.compat.segment_anything.predictor import SamPredictor

__all__ = [
    "SamAutomaticMaskGenerator",
    "SamPredictor",
    "build_sam",
    "build_sam_vit_b",
    "build_sam_vit_h",
    "build_sam_vit_l",
    "sam_model_registry",
]
