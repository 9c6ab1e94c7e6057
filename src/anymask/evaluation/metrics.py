"""How well masks agree: the figures as functions of arrays.

Overlap and boundary of single masks, and the calibration of predicted IoU. `matching` has the
figures for all masks of an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

BOUNDARY_TOLERANCE = 0.0075
"""Largest distance between matching boundary pixels, as a fraction of the image's diagonal.

The usual value of boundary benchmarks (Martin et al., TPAMI 2004): 4.8 pixels at 512×384.
"""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Calibration of predicted IoU.

    Attributes
    ----------
    edges : (B + 1,) float array
        Edges of the bins of predicted IoU.
    count : (B,) int array
        Masks in each bin.
    weight : (B,) float array
        Fraction of the total weight in each bin.
    predicted, true : (B,) float arrays
        Mean predicted and mean true IoU of each bin; NaN if it is empty.
    expected_error : float
        Expected calibration error: weighted mean of |predicted - true| over bins.
    absolute_error : float
        Weighted mean of |predicted - true| over masks.
    bias : float
        Weighted mean of predicted - true: positive if the model is over-confident.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    weight: NDArray[np.float64]
    predicted: NDArray[np.float64]
    true: NDArray[np.float64]
    expected_error: float
    absolute_error: float
    bias: float


def mask_iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks; 1 if both are empty.

    Examples
    --------
    >>> mask_iou(np.array([True, True, False]), np.array([False, True, True])) == 1 / 3
    True
    """
    union = int(np.count_nonzero(a | b))
    return int(np.count_nonzero(a & b)) / union if union else 1.0


def dice_of_iou(iou: float) -> float:
    """Dice coefficient, 2·|A∩B| / (|A| + |B|), of two masks with a given IoU.

    Examples
    --------
    >>> dice_of_iou(1 / 3)
    0.5
    """
    return 2 * iou / (1 + iou)


def boundary_tolerance(size: tuple[int, int]) -> float:
    """Largest distance in pixels between matching boundaries in an (H, W) image; at least 1."""
    return max(1.0, BOUNDARY_TOLERANCE * float(np.hypot(*size)))


def boundary_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pixels of a mask that share a side with a pixel outside it.

    The border of the image is not a boundary, because nobody drew it.

    Returns
    -------
    (N, 2) int array
        (row, column).

    Examples
    --------
    >>> boundary_of(np.array([[1, 1, 1, 0]] * 3, bool)).tolist()
    [[0, 2], [1, 2], [2, 2]]
    """
    inner = mask.copy()
    inner[1:] &= mask[:-1]
    inner[:-1] &= mask[1:]
    inner[:, 1:] &= mask[:, :-1]
    inner[:, :-1] &= mask[:, 1:]
    return np.argwhere(mask & ~inner)


def boundary_f_score(
    predicted: NDArray[np.bool_], target: NDArray[np.bool_], tolerance: float | None = None
) -> float:
    """F-score of matching boundary pixels of two masks.

    A boundary pixel matches if the other boundary is within `tolerance` of it. Precision is the
    matching fraction of the predicted boundary, recall that of the true one (the measure "F" of
    the DAVIS benchmark, Perazzi et al., CVPR 2016).

    Parameters
    ----------
    predicted, target : (H, W) bool arrays
    tolerance : float, optional
        In pixels; the default is `boundary_tolerance` of the image.

    Returns
    -------
    float
        0 to 1; 1 if neither mask has a boundary and both are full or both are empty.

    Examples
    --------
    >>> a = np.zeros((20, 20), bool)
    >>> a[4:12, 4:12] = True
    >>> boundary_f_score(a, a), boundary_f_score(a, np.roll(a, 6, 1), tolerance=1) < 0.5
    (1.0, True)
    """
    if tolerance is None:
        tolerance = boundary_tolerance((target.shape[0], target.shape[1]))
    found, true = boundary_of(predicted), boundary_of(target)
    if len(found) == 0 or len(true) == 0:
        return float(np.array_equal(predicted, target))
    precision = float((cKDTree(true).query(found)[0] <= tolerance).mean())
    recall = float((cKDTree(found).query(true)[0] <= tolerance).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def reliability(
    predicted: ArrayLike, true: ArrayLike, weights: ArrayLike | None = None, bins: int = 10
) -> Reliability:
    """Compare predicted and true IoU, in bins of predicted IoU.

    Parameters
    ----------
    predicted, true : (N,) array_like
        Predicted IoU is clipped to 0 … 1.
    weights : (N,) array_like, optional
        By default all masks have the same weight.
    bins : int
        Number of bins of equal width from 0 to 1.

    Examples
    --------
    >>> table = reliability([0.95, 0.95, 0.15], [0.75, 0.85, 0.15])
    >>> table.count.tolist(), round(table.expected_error, 3), round(table.bias, 3)
    ([0, 1, 0, 0, 0, 0, 0, 0, 0, 2], 0.1, 0.1)
    """
    p = np.clip(np.asarray(predicted, np.float64), 0, 1)
    t = np.asarray(true, np.float64)
    w = np.ones(len(p)) if weights is None else np.asarray(weights, np.float64)
    w = w / w.sum() if len(w) else w
    index = np.minimum((p * bins).astype(np.int64), bins - 1)
    weight, sum_p, sum_t = (
        np.bincount(index, values, bins).astype(np.float64) for values in (w, w * p, w * t)
    )
    with np.errstate(invalid="ignore"):
        mean_p, mean_t = sum_p / weight, sum_t / weight
    return Reliability(
        np.linspace(0, 1, bins + 1),
        np.bincount(index, minlength=bins),
        weight,
        mean_p,
        mean_t,
        float(np.abs(sum_p - sum_t).sum()) if len(p) else float("nan"),
        float(np.abs(w * (p - t)).sum()) if len(p) else float("nan"),
        float(np.sum(w * (p - t))) if len(p) else float("nan"),
    )
