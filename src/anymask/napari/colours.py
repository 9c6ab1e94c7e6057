"""Colours of masks in napari's formats."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from numpy.typing import NDArray

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


class ListedColours(DirectLabelColormap):
    """A colour for each label of a list, and one for all others."""

    def _map_without_cache(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Look all colours up at once; napari takes its time over the 65,536 labels of uint16."""
        table = np.empty((int(values.max(initial=0)) + 1, 4), np.float32)
        table[:] = self.color_dict[None]
        for label, colour in self.color_dict.items():
            if label is not None and 0 <= label < len(table):
                table[label] = colour
        return table[values]
