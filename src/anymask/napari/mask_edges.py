"""The sides of a mask's pixels as line segments, for drawing outlines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Segments = NDArray[np.float32]
"""(N, 2, 2): the start of each segment as (row, column), and the way to its end."""

NO_SEGMENTS: Segments = np.zeros((0, 2, 2), np.float32)


def edges_of(
    mask: NDArray[np.bool_], origin: tuple[float, float] = (0, 0), step: float = 1
) -> Segments:
    """Return the outline of a mask along the sides of its pixels.

    Parameters
    ----------
    mask : (H, W) bool array
    origin : (row, column)
        The centre of the first pixel.
    step : float
        The side of a pixel.

    Returns
    -------
    (N, 2, 2) float32 array
        Start and way of each segment; neighbouring sides in a line are one segment.

    Examples
    --------
    >>> edges_of(np.ones((1, 3), bool)).tolist()[0]
    [[-0.5, -0.5], [0.0, 3.0]]
    """
    padded = np.pad(mask, 1)
    lying = _runs(padded[1:, 1:-1] != padded[:-1, 1:-1])
    standing = _runs((padded[1:-1, 1:] != padded[1:-1, :-1]).T)[:, :, ::-1]
    found = np.concatenate([lying, standing]).astype(np.float32) * step
    found[:, 0] += np.array(origin, np.float32) - step / 2
    return found


def _runs(sides: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Join sides that lie in a row: (N, 2, 2) starts and ways."""
    if not sides.any():
        return np.zeros((0, 2, 2), np.int64)
    closed = np.pad(sides, ((0, 0), (1, 1))).view(np.int8)
    change = np.diff(closed, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return np.stack(
        [np.stack([rows, starts], 1), np.stack([np.zeros_like(rows), ends - starts], 1)], 1
    )
