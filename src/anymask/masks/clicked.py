"""Keep the regions of a mask that were clicked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def keep_clicked(mask: NDArray[np.bool_], points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Keep the connected regions of a mask that contain a point, and drop the others.

    A click means one object; separate patches are mostly similar-looking background.

    Parameters
    ----------
    mask : (H, W) bool array
    points : (P, 2) array
        Positive points as (x, y) in pixels, pixel centres at integers.

    Returns
    -------
    (H, W) bool array
        `mask` itself if no point lies on it, or if every region contains one.

    Examples
    --------
    >>> mask = np.array([[1, 1, 0, 1], [1, 0, 0, 1]], bool)
    >>> keep_clicked(mask, np.array([[0.0, 1.0]])).astype(int)
    array([[1, 1, 0, 0],
           [1, 0, 0, 0]])
    """
    height, width = mask.shape
    at = np.floor(np.asarray(points, np.float64).reshape(-1, 2) + 0.5).astype(np.int64)
    last = np.array([width - 1, height - 1])
    near = ((at >= -1) & (at <= last + 1)).all(1)  # a prompt may lie outside by rounding
    at = at[near].clip(0, last)
    at = at[mask[at[:, 1], at[:, 0]]]
    if not len(at):
        return mask
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    regions, count = ndimage.label(mask[box], _EIGHT_NEIGHBOURS)
    clicked = np.unique(regions[at[:, 1] - rows[0], at[:, 0] - cols[0]])
    if len(clicked) == count:
        return mask
    kept = np.zeros_like(mask)
    kept[box] = np.isin(regions, clicked)
    return kept
