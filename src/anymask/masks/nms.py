"""Non-maximum suppression: among boxes that overlap too much, the one with the best score stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.masks.neighbours import Neighbours

# Number of boxes compared with all others in one step.
_AT_ONCE = 64
MANY = 5000
"""Of more boxes, each is compared with those near it only; the result is the same."""


def box_iou(box: ArrayLike, others: ArrayLike) -> NDArray[np.float32]:
    """Intersection over union of a box with others.

    Parameters
    ----------
    box : (4,) array_like
        XYXY, with sides x1 - x0 and y1 - y0; or (M, 1, 4) for several boxes.
    others : (N, 4) array_like

    Returns
    -------
    (N,) float32 array
        Or (M, N). NaN for two boxes without area.

    Examples
    --------
    >>> box_iou([0, 0, 4, 4], [[0, 0, 4, 4], [2, 0, 6, 4], [9, 9, 10, 10]])
    array([1.        , 0.33333334, 0.        ], dtype=float32)
    """
    one, many = np.asarray(box, np.float32), np.asarray(others, np.float32)
    wide, high = (
        np.minimum(one[..., side + 2], many[..., side + 2])
        - np.maximum(one[..., side], many[..., side])
        for side in (0, 1)
    )
    shared = np.maximum(wide, 0) * np.maximum(high, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return shared / (_area(one) + _area(many) - shared)


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def nms(boxes: ArrayLike, scores: ArrayLike, iou_threshold: float) -> NDArray[np.int64]:
    """Keep boxes in order of score, dropping those that overlap a kept one too much.

    Parameters
    ----------
    boxes : (N, 4) array_like
        XYXY.
    scores : (N,) array_like
    iou_threshold : float
        A box is dropped if its IoU with a kept box is above this. Boxes without area overlap
        nothing.

    Returns
    -------
    (K,) int64 array
        Indices of the kept boxes, best score first; equal scores keep their order.

    Examples
    --------
    >>> nms([[0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]], [0.5, 0.9, 0.1], 0.7)
    array([1, 2])
    """
    corners = np.asarray(boxes, np.float32).reshape(-1, 4)
    waiting = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    if len(corners) > MANY:
        return among_neighbours(
            corners,
            waiting,
            lambda one, others: _overlaps(corners[[one]], corners[others], iou_threshold)[0],
        )
    kept = []
    while len(waiting):
        best, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        best = best[_not_dropped(_overlaps(corners[best], corners[best], iou_threshold))]
        kept.append(best)
        waiting = waiting[~_overlaps(corners[best], corners[waiting], iou_threshold).any(0)]
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)


def among_neighbours(
    boxes: NDArray[Any],
    order: NDArray[np.int64],
    too_near: Callable[[int, NDArray[np.int64]], NDArray[np.bool_]],
) -> NDArray[np.int64]:
    """Keep boxes in an order, dropping those too near a kept one, of which none is far away.

    Parameters
    ----------
    boxes : (N, 4) array
        XYXY. Boxes that do not touch are not too near.
    order : (N,) int64 array
        Indices, best first.
    too_near : callable
        Takes the index of a box and those of others, and says which of these are too near.

    Returns
    -------
    (K,) int64 array
        Indices of the kept boxes, in order.
    """
    corners = np.asarray(boxes)
    neighbours = Neighbours(
        np.concatenate([np.floor(corners[:, :2]), np.ceil(corners[:, 2:])], 1).astype(np.int64)
    )
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    waits = np.ones(len(order), np.bool_)
    kept = []
    for index in order.tolist():
        if not waits[index]:
            continue
        kept.append(index)
        others = neighbours.of(index)
        others = others[waits[others] & (rank[others] > rank[index])]
        if len(others):
            waits[others[too_near(index, others)]] = False
    return np.array(kept, np.int64)


def _overlaps(some: NDArray, others: NDArray, iou_threshold: float) -> NDArray[np.bool_]:
    """Whether boxes overlap too much, (len(some), len(others))."""
    # In float64 like the threshold, because 0.6 in float32 is more than 0.6.
    return box_iou(some[:, None], others).astype(np.float64) > iou_threshold


def _not_dropped(overlap: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which boxes stay, best first; each that stays drops the later ones it overlaps."""
    stays = np.ones(len(overlap), np.bool_)
    for index, dropped in enumerate(np.triu(overlap, 1)):
        if stays[index]:
            stays &= ~dropped
    return stays
