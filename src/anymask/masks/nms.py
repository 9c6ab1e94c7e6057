"""Non-maximum suppression: of boxes that overlap too much, the best scored one stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def box_iou(box: ArrayLike, others: ArrayLike) -> NDArray[np.float32]:
    """Intersection over union of a box with others.

    Parameters
    ----------
    box : (4,) array_like
        XYXY; sides are x1 - x0 and y1 - y0.
    others : (N, 4) array_like

    Returns
    -------
    (N,) float32 array
        NaN for two boxes without area.

    Examples
    --------
    >>> box_iou([0, 0, 4, 4], [[0, 0, 4, 4], [2, 0, 6, 4], [9, 9, 10, 10]])
    array([1.        , 0.33333334, 0.        ], dtype=float32)
    """
    one, many = np.asarray(box, np.float32), np.asarray(others, np.float32)
    low, high = np.maximum(one[:2], many[:, :2]), np.minimum(one[2:], many[:, 2:])
    shared = np.maximum(high - low, 0).prod(1)
    areas = (many[:, 2:] - many[:, :2]).prod(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return shared / ((one[2:] - one[:2]).prod() + areas - shared)


def nms(boxes: ArrayLike, scores: ArrayLike, iou_threshold: float) -> NDArray[np.int64]:
    """Keep boxes in order of score, dropping those that overlap a kept one too much.

    Parameters
    ----------
    boxes : (N, 4) array_like
        XYXY.
    scores : (N,) array_like
    iou_threshold : float
        A box is dropped if its intersection over union with a kept box is above this. Boxes
        without area overlap nothing.

    Returns
    -------
    (K,) int64 array
        Indices of the boxes kept, best score first; among equal scores the earlier box first.

    Examples
    --------
    >>> nms([[0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]], [0.5, 0.9, 0.1], 0.7)
    array([1, 2])
    """
    corners = np.asarray(boxes, np.float32).reshape(-1, 4)
    waiting = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        overlap = box_iou(corners[best], corners[waiting])
        # In float64, as the threshold is: 0.6 in float32 is more than 0.6.
        waiting = waiting[~(overlap.astype(np.float64) > iou_threshold)]
    return np.array(kept, np.int64)
