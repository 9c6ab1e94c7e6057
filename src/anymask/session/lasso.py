"""What is inside a line that is drawn around an object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.masks.polygons import fill_polygons
from anymask.masks.rle import mask_of


def inside_of(
    lasso: Sequence[tuple[float, float]],
    size: tuple[int, int],
    corner: tuple[int, int] = (0, 0),
    step: int = 1,
) -> NDArray[np.bool_]:
    """Return the pixels whose centres are inside a closed line.

    Parameters
    ----------
    lasso : sequence of (x, y)
        Corners in pixels of the image, pixel centres at integers.
    size : tuple of int
        Height and width of the result.
    corner : tuple of int
        x and y of its first pixel in the image.
    step : int
        Image pixels that a pixel stands for, in both directions.

    Examples
    --------
    >>> inside_of([(0.5, -1), (3.5, -1), (3.5, 1.5), (0.5, 1.5)], (3, 5)).astype(int)
    array([[0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 0, 0, 0]])
    """
    # In polygons the centre of a pixel is at a half.
    ring = (np.asarray(lasso, np.float64) - corner) / step + 0.5
    return mask_of(fill_polygons([[ring]], size), size)
