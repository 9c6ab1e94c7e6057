"""Grids of points, crops for small objects, and tiles for "segment everything".

Segment Anything, arXiv 2304.02643, appendix B, "Cropping". Tiles are anymask's own addition, for
images that are much larger than the model's input.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Crop(NamedTuple):
    """A part of an image: XYXY with x1 and y1 exclusive, and the layer it belongs to."""

    x0: int
    y0: int
    x1: int
    y1: int
    layer: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.y1 - self.y0, self.x1 - self.x0


def point_grid(points_per_side: int) -> NDArray[np.float64]:
    """Points at the centres of equal cells of the unit square.

    Returns
    -------
    (points_per_side², 2) float64 array
        (x, y), row by row.

    Examples
    --------
    >>> point_grid(2)
    array([[0.25, 0.25],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.75, 0.75]])
    """
    half_cell = 1 / (2 * points_per_side)
    centres = np.linspace(half_cell, 1 - half_cell, points_per_side)
    x, y = np.meshgrid(centres, centres)
    return np.stack([x, y], -1).reshape(-1, 2)


def point_grids(
    points_per_side: int, layers: int, downscale_factor: float
) -> list[NDArray[np.float64]]:
    """One grid for the image and one for each layer of crops.

    Layer i has `points_per_side` / `downscale_factor`ⁱ points per side, at least one.
    """
    return [
        point_grid(max(1, int(points_per_side / downscale_factor**layer)))
        for layer in range(layers + 1)
    ]


def crops_of(image_size: tuple[int, int], layers: int, overlap_ratio: float) -> list[Crop]:
    """Divide an image into layers of overlapping crops.

    Parameters
    ----------
    image_size : tuple of int
        Height and width.
    layers : int
        Layer 0 is the image itself, layer i has 2ⁱ×2ⁱ crops.
    overlap_ratio : float
        Overlap of the crops of layer 1 as a fraction of the image's shorter side; it halves from
        layer to layer.

    Returns
    -------
    list of Crop
        Layer by layer, and within one column by column. Images of fewer pixels than a layer has
        crops get fewer of them.

    Examples
    --------
    >>> for crop in crops_of((60, 100), 1, 0.2):
    ...     print(*crop)
    0 0 100 60 0
    0 0 56 36 1
    0 24 56 60 1
    44 0 100 36 1
    44 24 100 60 1
    """
    height, width = image_size
    crops = [Crop(0, 0, width, height, 0)]
    for layer in range(1, layers + 1):
        per_side = 2**layer
        overlap = int(overlap_ratio * min(height, width) * (2 / per_side))
        crop_w, crop_h = (
            math.ceil((overlap * (per_side - 1) + length) / per_side) for length in (width, height)
        )
        for column in range(per_side):
            for row in range(per_side):
                x0, y0 = (crop_w - overlap) * column, (crop_h - overlap) * row
                crop = Crop(x0, y0, min(x0 + crop_w, width), min(y0 + crop_h, height), layer)
                if crop.x0 < crop.x1 and crop.y0 < crop.y1:
                    crops.append(crop)
    return crops


class Tile(NamedTuple):
    """A part of an image that is segmented separately: its position in the grid of tiles, and XYXY.

    Sorted, tiles come row by row. x1 and y1 are exclusive.
    """

    row: int
    column: int
    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """XYXY."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.y1 - self.y0, self.x1 - self.x0


def tiles_of(image_size: tuple[int, int], tile_size: int, overlap: int) -> list[Tile]:
    """Cover an image with overlapping squares.

    Parameters
    ----------
    image_size : tuple of int
        Height and width.
    tile_size : int
        Side of a tile; smaller if the image is smaller.
    overlap : int
        Minimum overlap of neighbours; tiles have one size and are spread evenly.

    Returns
    -------
    list of Tile
        Row by row.

    Examples
    --------
    >>> for tile in tiles_of((60, 100), 60, 10):
    ...     print(*tile)
    0 0 0 0 60 60
    0 1 40 0 100 60
    """
    (tops, height), (lefts, width) = (_starts(n, tile_size, overlap) for n in image_size)
    return [
        Tile(row, column, left, top, left + width, top + height)
        for row, top in enumerate(tops)
        for column, left in enumerate(lefts)
    ]


def _starts(length: int, tile_size: int, overlap: int) -> tuple[list[int], int]:
    """Where tiles begin along an axis, and their length."""
    if length <= tile_size:
        return [0], length
    steps = math.ceil((length - tile_size) / (tile_size - overlap))
    return [step * (length - tile_size) // steps for step in range(steps + 1)], tile_size
