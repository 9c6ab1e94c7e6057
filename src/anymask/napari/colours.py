"""Colours of masks in napari's formats."""

from __future__ import annotations

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap

from anymask.palette import palette


def cyclic() -> CyclicLabelColormap:
    """Return anymask's colours as a napari colormap; its first entry is the background."""
    colours = np.concatenate([palette()[-1:], palette()[:-1]]) / 255.0
    table = np.concatenate([colours, np.ones((len(colours), 1))], axis=1)
    table[0] = 0
    return CyclicLabelColormap(table)


def rgba(color: str) -> tuple[float, float, float, float]:
    """Convert "#rrggbb" to napari's red, green, blue and opacity from 0 to 1."""
    r, g, b = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return r, g, b, 1.0
