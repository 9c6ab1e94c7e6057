"""Lines: smooth random walks of decreasing width, and their side branches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Path = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Points n×2 and widths n of a line, in pixels."""

THINNEST = 1.6
"""Thinner lines would cover less than half of the pixels they cross, and lose their labels."""


def grow(
    rng: np.random.Generator,
    start: tuple[float, float],
    heading: float,
    length: float,
    width: float,
    *,
    wiggle: float,
    taper: float,
    pull: float | None = None,
) -> Path:
    """Grow one line: a smooth random walk of decreasing width.

    Parameters
    ----------
    start, heading
        Start (x, y) in pixels, and initial direction in radians.
    length, width
        In pixels.
    wiggle
        Standard deviation of the turn at each step, in radians.
    taper
        Fraction of the width lost at the tip, 0–1.
    pull
        Direction that the line turns back to, or None.

    Returns
    -------
    points : numpy.ndarray
        n×2.
    widths : numpy.ndarray
        n.
    """
    n = max(4, int(length / 4))
    turns = rng.normal(0, wiggle, n)
    turns = np.convolve(turns, np.ones(3) / 1.7, "same")
    drift = np.cumsum(turns)
    angle = heading + drift
    if pull is not None:
        drift -= np.convolve(np.pad(drift, (12, 0), "edge"), np.ones(13) / 13, "valid")
        share = 1 - np.exp(-3 * np.linspace(0, 1, n))
        angle = heading + drift + share * (pull - heading)
    steps = np.stack([np.cos(angle), np.sin(angle)], 1) * (length / n)
    points = np.array(start) + np.cumsum(np.vstack([np.zeros((1, 2)), steps]), 0)
    widths = np.maximum(width * (1 - taper * np.linspace(0, 1, n + 1)), THINNEST)
    return points, widths


def branch(
    rng: np.random.Generator,
    trunk: Path,
    count: int,
    *,
    spread: tuple[float, float],
    length: tuple[float, float],
    thinner: float,
    wiggle: float,
    taper: float = 0.7,
    pull: float | None = None,
) -> list[Path]:
    """Grow side lines at random points of a line; ``spread`` is the range of angles to it."""
    points, widths = trunk
    out = []
    for _ in range(count):
        i = int(rng.integers(1, len(points) - 1))
        step = points[i + 1] - points[i]
        along = np.arctan2(step[1], step[0])
        heading = along + rng.choice([-1, 1]) * rng.uniform(*spread)
        if pull is not None:
            pull_here: float | None = heading + 0.6 * np.sin(pull - heading)
        else:
            pull_here = None
        start = (float(points[i, 0]), float(points[i, 1]))
        out.append(
            grow(
                rng,
                start,
                heading,
                rng.uniform(*length),
                widths[i] * thinner,
                wiggle=wiggle,
                taper=taper,
                pull=pull_here,
            )
        )
    return out
