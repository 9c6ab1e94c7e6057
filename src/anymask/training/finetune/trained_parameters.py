"""The parameters that train, their optimiser and learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

from anymask.model.sam import Sam
from anymask.model.sam2.mask_decoder import Sam2MaskDecoder
from anymask.training.finetune.lora import add_low_rank
from anymask.training.finetune.settings import PARTS, Settings


def trained_parameters(sam: Sam, settings: Settings) -> dict[str, nn.Parameter]:
    """Freeze parts, add low-rank updates if wanted, and return the parameters that train, by name.

    Parameters
    ----------
    sam : Sam
        Modified in place.
    settings : Settings
    """
    sam.requires_grad_(False)  # also what follows objects in SAM 2, which no image trains
    for part in PARTS:
        getattr(sam, part).requires_grad_(part not in settings.freeze)
    if isinstance(sam.mask_decoder, Sam2MaskDecoder):
        sam.mask_decoder.pred_obj_score_head.requires_grad_(False)  # no loss asks for presence
    for parameter in sam.beside_encoder().values():
        # With a frozen encoder, embeddings are computed once, before training.
        if settings.trains == "decoder":
            parameter.requires_grad_(False)
    if settings.lora_rank:
        add_low_rank(sam, settings.lora_rank, settings.seed)
    return {name: p for name, p in sam.named_parameters() if p.requires_grad}


def build_optimizer(
    parameters: dict[str, nn.Parameter], settings: Settings
) -> torch.optim.Optimizer:
    """Make Adam or AdamW; AdamW's weight decay applies to matrices, not to norms and biases."""
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters.values(), lr=settings.rate)
    matrices = [p for p in parameters.values() if p.ndim > 1]
    vectors = [p for p in parameters.values() if p.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=settings.rate,
    )


def rate_at(update: int, updates: int, settings: Settings) -> float:
    """Return the learning rate of an update: linear warm-up, then cosine decay to zero.

    Examples
    --------
    >>> [round(rate_at(i, 10, Settings(lr=1.0, warmup=0.2)), 2) for i in (0, 1, 5, 9)]
    [0.5, 1.0, 0.69, 0.04]
    """
    warmup = max(1, round(settings.warmup * updates))
    if update < warmup:
        return settings.rate * (update + 1) / warmup
    share = (update - warmup) / max(1, updates - warmup)
    return settings.rate * 0.5 * (1 + math.cos(math.pi * share))
