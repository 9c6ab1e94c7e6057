"""The edges of an image, for points and boxes: what lies in it, and what is cut at them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Pixel centres are at integers, so an image's area begins at -0.5; boxes given by pixel edges
# end at the width and height themselves.
_FIRST = -0.5
# Points up to a pixel outside come from rounding, such as a click scaled back from a smaller view.
_ROUNDING = 1.0


def points_inside(points: NDArray[np.float64], image_size: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether points (..., 2) lie in an image (H, W), or outside by no more than rounding."""
    height, width = image_size
    first, last = _FIRST - _ROUNDING, (width + _ROUNDING, height + _ROUNDING)
    inside: NDArray[np.bool_] = np.all((points >= first) & (points <= last), axis=-1)
    return inside


def boxes_seen(boxes: NDArray[np.float64], image_size: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether boxes (N, 4) XYXY touch an image (H, W)."""
    corners = boxes.reshape(-1, 2, 2)
    touching = (corners[:, 1] >= _FIRST) & (corners[:, 0] <= np.array(image_size[::-1]))
    seen: NDArray[np.bool_] = np.all(touching, axis=1)
    return seen


def cut_at_edges(points: NDArray[np.float64], image_size: tuple[int, int]) -> NDArray[np.float64]:
    """Move points (..., 2) that lie outside an image (H, W) to its nearest edge."""
    height, width = image_size
    return points.clip(_FIRST, (width, height))
