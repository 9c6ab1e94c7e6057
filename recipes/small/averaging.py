"""The moving average of the weights and its export to a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save as to_safetensors

from anymask.files import whole_file
from anymask.model.sam import Sam


def export_weights(sam: Sam, path: Path, notes: dict[str, float]) -> None:
    """Write a model in half precision with its configuration.

    The frequencies of the position encoding stay float32.
    """
    state = {
        k: (v if "gaussian_matrix" in k else v.half()).cpu().contiguous()
        for k, v in sam.state_dict().items()
    }
    metadata = {"anymask_config": json.dumps(sam.config.to_dict()), "training": json.dumps(notes)}
    with whole_file(path) as temporary:
        temporary.write_bytes(to_safetensors(state, metadata))


def moving_average(decay: float) -> Callable[..., None]:
    """Exponential average that forgets the untrained weights sooner than `decay` alone would."""

    @torch.no_grad()
    def update(averaged: list[torch.Tensor], current: list[torch.Tensor], count: int) -> None:
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averaged, current, share)

    return update
