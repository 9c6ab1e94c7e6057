"""Build a model, with the weights of a checkpoint or untrained, as Meta's functions do.

Checkpoints are read by `anymask.load`: nothing in them is executed, and fine-tuned ones may have
more tensors than the model. Models are float32, on the CPU and in evaluation mode.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from anymask.checkpoints.loading import load
from anymask.compat.segment_anything.modeling.image_encoder import ImageEncoderViT
from anymask.compat.segment_anything.modeling.mask_decoder import MaskDecoder
from anymask.compat.segment_anything.modeling.prompt_encoder import PromptEncoder
from anymask.compat.segment_anything.modeling.sam import Sam, joined
from anymask.compat.segment_anything.modeling.transformer import TwoWayTransformer
from anymask.errors import CheckpointError
from anymask.model.config import VARIANTS, SamConfig, ViTConfig
from anymask.model.sam import Sam as OwnSam

__all__ = [
    "ImageEncoderViT",
    "MaskDecoder",
    "PromptEncoder",
    "Sam",
    "TwoWayTransformer",
    "build_sam",
    "build_sam_vit_b",
    "build_sam_vit_h",
    "build_sam_vit_l",
    "sam_model_registry",
]

Checkpoint = str | os.PathLike[str] | None


def build_sam_vit_h(checkpoint: Checkpoint = None) -> Sam:
    """Build SAM with ViT-H."""
    return built(VARIANTS["vit_h"], checkpoint)


def build_sam_vit_l(checkpoint: Checkpoint = None) -> Sam:
    """Build SAM with ViT-L."""
    return built(VARIANTS["vit_l"], checkpoint)


def build_sam_vit_b(checkpoint: Checkpoint = None) -> Sam:
    """Build SAM with ViT-B."""
    return built(VARIANTS["vit_b"], checkpoint)


build_sam = build_sam_vit_h

sam_model_registry: dict[str, Callable[..., Sam]] = {
    "default": build_sam_vit_h,
    "vit_h": build_sam_vit_h,
    "vit_l": build_sam_vit_l,
    "vit_b": build_sam_vit_b,
}


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """There is no such file; a `FileNotFoundError`, as from Meta's code."""


def built(config: SamConfig, checkpoint: Checkpoint) -> Sam:
    """Build a model of a geometry.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be read or has another geometry.
    MissingCheckpointError
        If there is none.
    """
    if checkpoint is None:
        return joined(OwnSam(config)).eval()
    try:
        sam = load(checkpoint, variant=config, device="cpu", dtype="float32")
    except CheckpointError as error:
        if os.path.exists(checkpoint):
            raise
        raise MissingCheckpointError(str(error)) from None
    return joined(sam).eval()


def _build_sam(
    encoder_embed_dim: int,
    encoder_depth: int,
    encoder_num_heads: int,
    encoder_global_attn_indexes: Sequence[int],
    checkpoint: Checkpoint = None,
) -> Sam:
    encoder = ViTConfig(
        encoder_embed_dim, encoder_depth, encoder_num_heads, tuple(encoder_global_attn_indexes)
    )
    named = (v for v in VARIANTS.values() if v.image_encoder == encoder)
    own = replace(VARIANTS["vit_b"], name="custom", image_encoder=encoder)
    return built(next(named, own), checkpoint)
