"""Resize the position tables of a ViT to another input size.

The absolute positions are an image with one vector per token, resized bicubically. The relative
positions of global attention are a line with one vector per offset, resized linearly. The tables of
windowed attention do not depend on the input size.
"""

from __future__ import annotations

import re

from torch import Tensor
from torch.nn import functional as F

from anymask.model.config import SamConfig, ViTConfig

_RELATIVE = re.compile(r"image_encoder\.blocks\.(\d+)\.attn\.rel_pos_[hw]")


def fit_tables(
    tensors: dict[str, Tensor], shapes: dict[str, tuple[int, ...]], config: SamConfig
) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint with position tables resized for a geometry.

    Parameters
    ----------
    tensors : dict of str to Tensor
        Under Meta's names.
    shapes : dict of str to tuple of int
        The shapes of the model.
    config : SamConfig
        The geometry of the model.
    """
    fitted = dict(tensors)
    for name, table in tensors.items():
        shape = shapes.get(name)
        if shape is None or tuple(table.shape) == shape or not table.is_floating_point():
            continue
        if name == "image_encoder.pos_embed" and table.ndim == 4 and table.shape[-1] == shape[-1]:
            fitted[name] = resize_absolute(table, shape[1])
        elif _is_global(name, config) and table.ndim == 2 and table.shape[-1] == shape[-1]:
            fitted[name] = resize_relative(table, shape[0])
    return fitted


def resize_absolute(table: Tensor, side: int) -> Tensor:
    """Resize a (1, h, w, C) table of absolute positions to (1, side, side, C), bicubically."""
    picture = table.float().permute(0, 3, 1, 2)
    resized = F.interpolate(picture, (side, side), mode="bicubic", align_corners=False)
    return resized.permute(0, 2, 3, 1).contiguous()


def resize_relative(table: Tensor, length: int) -> Tensor:
    """Resize an (L, C) table of relative positions to (length, C), linearly."""
    line = table.float().T[None]  # (1, C, L)
    return F.interpolate(line, length, mode="linear", align_corners=False)[0].T.contiguous()


def _is_global(name: str, config: SamConfig) -> bool:
    match, vit = _RELATIVE.fullmatch(name), config.image_encoder
    if match is None or not isinstance(vit, ViTConfig):
        return False
    return vit.window_size == 0 or int(match[1]) in vit.global_attn_indexes
