"""Fixed codes of places and times as sines and cosines (arXiv 1706.03762, section 3.5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TEMPERATURE = 10000.0
_EPSILON = 1e-6


def sine_positions(size: tuple[int, int], channels: int) -> Tensor:
    """Return a code of each cell of a map, (channels, height, width).

    Half of the channels are for the row, half for the column, both as a fraction of the side.

    Parameters
    ----------
    size : tuple of int
        Height and width.
    channels : int
        A multiple of 4.
    """
    height, width = size
    rows = _along(height, channels // 2)[:, None].expand(height, width, -1)
    columns = _along(width, channels // 2)[None].expand(height, width, -1)
    return torch.cat([rows, columns], 2).permute(2, 0, 1)


def _along(length: int, channels: int) -> Tensor:
    place = torch.arange(1, length + 1, dtype=torch.float32)
    place = place / (place[-1] + _EPSILON) * 2 * math.pi
    angles = place[:, None] / _wavelengths(channels)
    # A sine and the cosine of the same frequency beside each other.
    return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], 2).flatten(1)


def sine_times(times: Tensor, channels: int) -> Tensor:
    """Return a code of points in time (N,), (N, channels): sines, then cosines."""
    angles = times[:, None] / _wavelengths(channels // 2).to(times.device)
    return torch.cat([angles.sin(), angles.cos()], 1)


def _wavelengths(channels: int) -> Tensor:
    index = torch.arange(channels) // 2
    return torch.tensor(_TEMPERATURE) ** (2 * index / channels)


def rotations(size: tuple[int, int], channels: int) -> Tensor:
    """Return the rotary code (arXiv 2104.09864) of each cell of a map, row by row.

    Half of the pairs of channels turn with the column, half with the row.

    Returns
    -------
    (height·width, channels // 2) complex64 tensor
        What to multiply pairs of channels with.
    """
    height, width = size
    frequencies = _TEMPERATURE ** -(torch.arange(0, channels, 4).float() / channels)
    columns = torch.arange(width).float()[:, None] * frequencies
    rows = torch.arange(height).float()[:, None] * frequencies
    angles = torch.cat(
        [
            columns[None].expand(height, width, -1),
            rows[:, None].expand(height, width, -1),
        ],
        2,
    ).flatten(0, 1)
    return torch.polar(torch.ones_like(angles), angles)


def rotated(x: Tensor, by: Tensor) -> Tensor:
    """Turn neighbouring channels of (…, S, C) tokens by (S, C // 2) rotations, in float32."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * by).flatten(-2).to(x.dtype)
