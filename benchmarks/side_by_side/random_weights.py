"""Checkpoints whose masks look like masks, without training.

Purely random weights give checkerboard patterns. Two changes turn them into regions that follow the
image. First, the patch filters, the neck's last convolution and the decoder's upscaling are made
constant over their extent, so nothing alternates from pixel to pixel. Second, the last layer of the
mask decoder's hypernetworks is enlarged, so that logits are well away from zero, as in trained
models.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from anymask.checkpoints import save
from anymask.model.config import SamConfig
from anymask.model.sam import Sam

# Averaging the n values of a random filter divides their deviation by √n; this factor restores it.
_SMOOTHED = {
    "image_encoder.patch_embed.proj.weight": 16.0,
    "image_encoder.neck.2.weight": 3.0,
    "mask_decoder.output_upscaling.0.weight": 2.0,
    "mask_decoder.output_upscaling.3.weight": 2.0,
}
_LOGIT_GAIN = 20.0


def write_random_weights(path: Path, config: SamConfig) -> None:
    """Write a checkpoint of a ViT with its architecture; the weights are the same in every call."""
    sam = Sam(config)
    sam.load_state_dict(random_state(config))
    save(sam, path)


def random_state(config: SamConfig) -> dict[str, Tensor]:
    """Draw the weights of a ViT, float32, with the names that Meta's files use."""
    with torch.device("meta"):
        state = Sam(config).state_dict()
    return {key: _draw(key, tuple(value.shape)) for key, value in state.items()}


def _draw(key: str, shape: tuple[int, ...]) -> Tensor:
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    n = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    if "gaussian_matrix" in key:
        return n
    if "rel_pos" in key or "pos_embed" in key or key.endswith("bias"):
        n = 0.02 * n
    elif n.ndim == 1:
        n = 1 + 0.1 * n
    else:
        n = n / n[0].numel() ** 0.5
    if key in _SMOOTHED:
        n = n.mean((2, 3), keepdim=True).expand(shape) * _SMOOTHED[key]
    if "output_hypernetworks_mlps" in key and ".layers.2." in key:
        n = _LOGIT_GAIN * n
    return n.contiguous()
