"""Two perimeters of an object, also for pixels that are not square.

For square pixels they equal scikit-image's `perimeter` and `perimeter_crofton`; for others they use
the same definitions with the pixel's own steps.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def step_lengths(pixel_size: tuple[float, float]) -> NDArray[np.float64]:
    """Length that a border pixel adds to the outline, depending on its border neighbours.

    Parameters
    ----------
    pixel_size : tuple of float
        Height and width of a pixel.

    Returns
    -------
    (45,) float64 array
        Indexed by h + 3 v + 9 d: the numbers of neighbours to the left and right, above and below,
        and at the corners. Two neighbours at sides are a straight step, two at corners a diagonal
        one, and one of each is half of both; other patterns add nothing (Benkrid & Crookes, 2000).
    """
    high, wide = pixel_size
    slanted = math.hypot(high, wide)
    lengths = np.zeros((5, 3, 3))
    for d in range(5):
        for v in range(3):
            for h in range(3):
                straight = (h * wide + v * high) / (h + v) if h + v else 0.0
                if h + v in (2, 3) and d <= 2:
                    lengths[d, v, h] = straight
                elif (h + v, d) in ((0, 2), (1, 3)):
                    lengths[d, v, h] = slanted
                elif h + v == 1 and d in (1, 2):
                    lengths[d, v, h] = (straight + slanted) / 2
    return lengths.reshape(-1)


def border_length(padded: NDArray[np.bool_], lengths: NDArray[np.float64]) -> float:
    """Length of the line through the centres of the border pixels.

    Parameters
    ----------
    padded : (h + 2, w + 2) bool array
        The object with a margin of background.
    lengths : (45,) array
        From `step_lengths`.
    """
    border = np.zeros(padded.shape, np.uint8)
    middle = padded[1:-1, 1:-1]
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1]
    inner &= padded[1:-1, :-2]
    inner &= padded[1:-1, 2:]
    border[1:-1, 1:-1] = middle & ~inner
    sides = border[:, :-2] + border[:, 2:]
    beside, corners = sides[1:-1], sides[:-2] + sides[2:]
    above = border[:-2, 1:-1] + border[2:, 1:-1]
    pattern = beside + 3 * above + 9 * corners
    found = np.bincount(pattern[border[1:-1, 1:-1].view(np.bool_)], minlength=len(lengths))
    return float(found @ lengths)


def crofton_length(padded: NDArray[np.bool_], pixel_size: tuple[float, float]) -> float:
    """Length of the outline, from how often lines in four directions enter the object.

    Cauchy and Crofton: the perimeter is π times the mean, over all directions, of the number of
    entries times the line spacing. Each direction represents the angles nearest to it.

    Parameters
    ----------
    padded : (h + 2, w + 2) bool array
        The object with a margin of background.
    pixel_size : tuple of float
        Height and width of a pixel.
    """
    outside = ~padded
    rows = np.count_nonzero(padded[:, 1:] & outside[:, :-1])
    columns = np.count_nonzero(padded[1:] & outside[:-1])
    slanted = np.count_nonzero(padded[1:, 1:] & outside[:-1, :-1])
    slanted += np.count_nonzero(padded[1:, :-1] & outside[:-1, 1:])
    high, wide = pixel_size
    angle = math.atan2(high, wide)
    straight = angle * rows * high + (math.pi / 2 - angle) * columns * wide
    return straight + math.pi / 4 * slanted * high * wide / math.hypot(high, wide)
