"""Checkpoints whose masks look like masks, without any training.

Weights drawn at random alone give checkerboards. Three steps make regions of them, which follow
what is in the picture: the filters that meet the pixels, the neck's last convolution and the
decoder's upscaling are made constant over their extent, so nothing alternates from pixel to
pixel; and the last layer of the mask decoder's hypernetworks is enlarged, so that logits lie well
away from zero, as trained ones do.
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

# Averaging the n values of a random filter divides their deviation by √n; the factor undoes it.
_SMOOTHED = {
    "image_encoder.patch_embed.proj.weight": 16.0,
    "image_encoder.neck.2.weight": 3.0,
    "mask_decoder.output_upscaling.0.weight": 2.0,
    "mask_decoder.output_upscaling.3.weight": 2.0,
}
_LOGIT_GAIN = 20.0


def write_random_weights(path: Path, config: SamConfig) -> None:
    """Write a checkpoint of a ViT, the same weights at every call, with its geometry."""
    sam = Sam(config)
    sam.load_state_dict(random_state(config))
    save(sam, path)


def random_state(config: SamConfig) -> dict[str, Tensor]:
    """Draw the weights of a ViT by the names that they have in Meta's files, float32."""
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
