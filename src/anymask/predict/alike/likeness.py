"""How likely candidates are of the kind that examples show.

Two steps, because a few examples do not suffice to fit many numbers:

1. A prototype. Distances to the examples in five groups of features, and the model's scores of the
   mask, are weighed by a logistic model with eight fixed numbers. They were fitted once on
   images of six kinds: nuclei, blood cells, balloons, people, and plants in two sorts of fields.
2. A logistic regression on all features of this image. The examples count most. The masks that
   overlap them without being them (their parts, or groups with a neighbour) are not of the kind.
   Every other candidate counts both ways, as likely as step 1 says.

Both together are calibrated by three more numbers, fitted on the same images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from anymask.predict.alike.describing import Descriptions

Values = NDArray[np.float64]

# Differences that are large, in colour (CIELAB), in the logarithm of a size, and in shape.
_SCALES = {"colour": 10.0, "colour_contrast": 10.0, "size": 0.5, "shape": 0.3}
_GROUPS = ("deep", "colour", "colour_contrast", "size", "shape")
_DIMENSIONS = 24
_WEIGHTS = np.array([-1.71, -3.28, -1.47, -3.04, -0.36, 4.40, -0.50])
_BIAS = 3.04
# How the two steps are joined.
_JOIN, _JOIN_BIAS = np.array([0.45, 1.17]), 0.02
# What an example, and a mask that overlaps one, count beside a candidate.
_ANSWER, _OVERLAPPING = 10.0, 1.0
_ROUNDS, _RIDGE = 2, 1.0


@dataclass(frozen=True)
class Shown:
    """What examples teach.

    Attributes
    ----------
    examples, negatives : Descriptions or None
        Objects of the kind (at least one), and objects that are not.
    same, overlapping : Descriptions or None
        Candidates that are nearly an example, and those that overlap one without being it.
    """

    examples: Descriptions
    negatives: Descriptions | None
    same: Descriptions | None
    overlapping: Descriptions | None


def likeness(
    shown: Shown,
    candidates: Descriptions,
    scores: NDArray[np.float64],
    around: Descriptions | None = None,
) -> NDArray[np.float64]:
    """Return how likely each candidate is of the kind, from 0 to 1.

    Parameters
    ----------
    shown : Shown
    candidates : Descriptions
        N objects of an image.
    scores : (N, 2) array
        Predicted IoU and stability; NaN counts as 0.
    around : Descriptions, optional
        Candidates of the images with the examples, if those are other images.

    Returns
    -------
    (N,) float64 array
    """
    pool = candidates if around is None else Descriptions.joined([around, candidates])
    first = _by_prototype(shown, candidates, np.nan_to_num(scores), pool)
    second = _by_regression(shown, candidates, first, pool)
    return _probability(np.stack([first, second], 1) @ _JOIN + _JOIN_BIAS)


def distances(shown: Shown, candidates: Descriptions, pool: Descriptions) -> Values:
    """Return the distance of each candidate to the examples in each group, (N, 5).

    Half of it is the distance to the nearest example, half the mean over all.
    """
    columns = []
    for group in _GROUPS:
        if group == "deep":
            own, theirs = _whitened(pool, candidates, shown.examples)
            apart = 1 - _unit(own) @ _unit(theirs).T
        else:
            own, theirs = (
                some.groups[group].astype(np.float64) for some in (candidates, shown.examples)
            )
            apart = np.sqrt((((own[:, None] - theirs[None]) / _SCALES[group]) ** 2).mean(-1))
            apart = apart / (1 + apart)
        columns.append((apart.min(1) + apart.mean(1)) / 2)
    return np.stack(columns, 1).astype(np.float64)


def _by_prototype(
    shown: Shown, candidates: Descriptions, scores: Values, pool: Descriptions
) -> Values:
    known = np.concatenate([distances(shown, candidates, pool), scores], 1)
    return known @ _WEIGHTS + _BIAS


def _by_regression(
    shown: Shown, candidates: Descriptions, first: Values, pool: Descriptions
) -> Values:
    """Logits of a logistic regression that learns from its own guesses about the candidates."""
    middle = {name: np.median(values, 0) for name, values in pool.groups.items()}
    spread = {name: values.std(0) + 1e-3 for name, values in pool.groups.items()}

    def flat(some: Descriptions | None) -> Values:
        parts = {} if some is None else {name: some.groups[name] for name in pool.groups}
        each = [(v - middle[k]) / spread[k] / np.sqrt(v.shape[1]) for k, v in parts.items()]
        return np.concatenate(each, 1).astype(np.float64) if each else np.zeros((0, width))

    own = flat(candidates)
    count, width = own.shape
    taught = [
        (flat(shown.examples), 1.0, _ANSWER),
        (flat(shown.negatives), 0.0, _ANSWER),
        (flat(shown.same), 1.0, 1.0),
        (flat(shown.overlapping), 0.0, _OVERLAPPING),
    ]
    rows = np.concatenate([own, own, *(each for each, _, _ in taught)])
    truth = np.concatenate(
        [np.ones(count), np.zeros(count), *(np.full(len(e), y) for e, y, _ in taught)]
    )
    of_taught = np.concatenate([np.full(len(e), w) for e, _, w in taught])
    start, logits = np.zeros(width + 1), first
    for _ in range(_ROUNDS):
        guess = _probability(logits)
        start = fit_logistic(rows, truth, np.concatenate([guess, 1 - guess, of_taught]), start)
        regression = own @ start[:-1] + start[-1]
        logits = np.clip((np.clip(first, -9, 9) + regression) / 2, -9, 9)
    return logits


def fit_logistic(
    rows: Values, truth: Values, weights: Values, start: Values | None = None, ridge: float = _RIDGE
) -> Values:
    """Fit a logistic regression with an L2 penalty.

    Parameters
    ----------
    rows : (N, D) array
    truth : (N,) array
        0 or 1.
    weights : (N,) array
        What each row counts.
    start : (D + 1,) array, optional
    ridge : float
        The penalty of all coefficients except the last.

    Returns
    -------
    (D + 1,) array
        Coefficients, and the bias.
    """

    def loss(values: Values) -> tuple[float, Values]:
        logits = rows @ values[:-1] + values[-1]
        missed = weights * (_probability(logits) - truth)
        total = weights @ np.logaddexp(0, np.where(truth > 0, -logits, logits))
        penalty = ridge / 2 * values[:-1] @ values[:-1]
        return total + penalty, np.append(rows.T @ missed + ridge * values[:-1], missed.sum())

    begin = np.zeros(rows.shape[1] + 1) if start is None else start
    found: Values = minimize(loss, begin, jac=True, method="L-BFGS-B").x
    return found


def _whitened(pool: Descriptions, *wanted: Descriptions) -> list[Values]:
    """Features of the encoder, turned so that what varies most among candidates does not rule."""
    names = [name for name in pool.groups if name.startswith(("deep", "edge", "contrast"))]
    middle = {name: pool.groups[name].mean(0) for name in names}
    scale = {name: float(np.sqrt(pool.groups[name].var(0).sum())) + 1e-6 for name in names}

    def joined(some: Descriptions) -> Values:
        each = [(some.groups[name] - middle[name]) / scale[name] for name in names]
        return np.concatenate(each, 1).astype(np.float64)

    rows = joined(pool)
    _, strengths, axes = np.linalg.svd(rows, full_matrices=False)
    strengths = (strengths / np.sqrt(len(rows)))[:_DIMENSIONS]
    damped = np.sqrt(strengths**2 + (strengths**2).mean() / 2 + 1e-12)
    turn = axes[:_DIMENSIONS].T / damped
    return [joined(some) @ turn for some in wanted]


def _unit(rows: Values) -> Values:
    lengths: Values = np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6
    return rows / lengths


def _probability(logits: Values) -> Values:
    values: Values = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    return values
