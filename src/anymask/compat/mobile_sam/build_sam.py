"""Build a model, with the weights of a checkpoint or untrained, as MobileSAM's functions do."""

from __future__ import annotations

from collections.abc import Callable

from anymask.compat.segment_anything.build_sam import (
    Checkpoint,
    build_sam,
    build_sam_vit_b,
    build_sam_vit_h,
    build_sam_vit_l,
    built,
)
from anymask.compat.segment_anything.build_sam import sam_model_registry as metas_registry
from anymask.compat.segment_anything.modeling.sam import Sam
from anymask.model.config import VARIANTS

__all__ = [
    "build_sam",
    "build_sam_vit_b",
    "build_sam_vit_h",
    "build_sam_vit_l",
    "build_sam_vit_t",
    "sam_model_registry",
]


def build_sam_vit_t(checkpoint: Checkpoint = None) -> Sam:
    """Build MobileSAM."""
    return built(VARIANTS["vit_t"], checkpoint)


sam_model_registry: dict[str, Callable[..., Sam]] = {**metas_registry, "vit_t": build_sam_vit_t}
