"""Colours of masks, as napari wants them."""

from __future__ import annotations

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap

from anymask.palette import palette


def cyclic() -> CyclicLabelColormap:
    """Our colours in napari's table, whose first entry is that of the background."""
    colours = np.concatenate([palette()[-1:], palette()[:-1]]) / 255.0
    table = np.concatenate([colours, np.ones((len(colours), 1))], axis=1)
    table[0] = 0
    return CyclicLabelColormap(table)


def rgba(color: str) -> tuple[float, float, float, float]:
    """Take "#rrggbb" apart, as napari has colours: from 0 to 1, the last one opacity."""
    r, g, b = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return r, g, b, 1.0
