"""Where a careful user would click or draw a box (arXiv 2304.02643, appendix D.1).

The first click is at the point of the object farthest from its boundary. Each further click is at
the point farthest from the boundary of the remaining error. Nothing is random.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


class Click(NamedTuple):
    """A click at pixel (x, y); label 1 on the object, 0 on the background."""

    x: int
    y: int
    label: int = 1


def centre_of(region: NDArray[np.bool_]) -> tuple[int, int, float]:
    """Find the pixel of a region that is farthest from its boundary.

    The border of the image counts as boundary. If several pixels are equally far, such as those
    along the middle of a rectangle, the one nearest to their mean is chosen.

    Parameters
    ----------
    region : (H, W) bool array

    Returns
    -------
    x, y : int
        (0, 0) for an empty region.
    distance : float
        Pixels to the nearest pixel outside; 0 for an empty region.

    Examples
    --------
    >>> region = np.zeros((9, 9), bool)
    >>> region[2:7, 1:6] = True
    >>> centre_of(region)
    (3, 4, 3.0)
    """
    rows, cols = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    if len(rows) == 0:
        return 0, 0, 0.0
    top, left = rows[0], cols[0]
    crop = np.pad(region[top : rows[-1] + 1, left : cols[-1] + 1], 1)
    distance = ndimage.distance_transform_edt(crop)
    farthest = distance.max()
    peaks = np.argwhere(distance == farthest)
    y, x = peaks[((peaks - peaks.mean(0)) ** 2).sum(1).argmin()]
    return int(x + left - 1), int(y + top - 1), float(farthest)


def first_click(target: NDArray[np.bool_]) -> Click:
    """The click at the centre of an object."""
    x, y, _ = centre_of(target)
    return Click(x, y, 1)


def next_click(predicted: NDArray[np.bool_], target: NDArray[np.bool_]) -> Click | None:
    """The click at the centre of the largest error: missed object or added background.

    "Largest" means farthest from the boundary, so a blob comes before a long thin strip of the
    same area.

    Parameters
    ----------
    predicted, target : (H, W) bool arrays

    Returns
    -------
    Click or None
        None if the prediction is perfect.

    Examples
    --------
    >>> target = np.zeros((9, 9), bool)
    >>> target[2:7, 1:6] = True
    >>> next_click(np.zeros_like(target), target), next_click(target, target)
    (Click(x=3, y=4, label=1), None)
    """
    missed, added = centre_of(target & ~predicted), centre_of(predicted & ~target)
    if max(missed[2], added[2]) == 0:
        return None
    if missed[2] >= added[2]:
        return Click(missed[0], missed[1], 1)
    return Click(added[0], added[1], 0)
