"""The convex hull of an object, exact because it uses integers.

As in scikit-image, the hull is that of the midpoints of the pixels' four sides. Coordinates are
doubled to be integers: pixel (x, y) of a crop has its centre at (2x, 2y).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Chain = list[tuple[int, int]]
_FAR = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Hull:
    """A convex hull, from left to right.

    Attributes
    ----------
    upper, lower : list of (x, y)
        Doubled coordinates of the corners, along the side of small y and of large y.
    """

    upper: Chain
    lower: Chain

    def vertices(self, pixel_size: tuple[float, float]) -> NDArray[np.float64]:
        """Corners (K, 2) in order, (x, y) in the unit of `pixel_size`, (height, width)."""
        ring = np.array(self.upper + self.lower[::-1], np.float64)
        return ring * (pixel_size[1] / 2, pixel_size[0] / 2)


def hull_of(pixels: NDArray[np.bool_]) -> Hull:
    """Convex hull of an object.

    Parameters
    ----------
    pixels : (h, w) bool array
        The object; its first and last columns must contain a pixel.
    """
    columns = np.flatnonzero(pixels.any(0))
    occupied = pixels[:, columns]
    first = occupied.argmax(0)
    last = pixels.shape[0] - 1 - occupied[::-1].argmax(0)
    return _hull_of_columns(columns, first, last)


def hull_pixels(hull: Hull) -> tuple[Hull, int]:
    """The pixels whose centres lie inside or on a hull.

    Returns
    -------
    hull : Hull
        The hull of these pixels.
    area : int
        Their number.
    """
    columns = np.arange(-(-hull.upper[0][0] // 2), hull.upper[-1][0] // 2 + 1)
    first = _heights(hull.upper, columns, round_up=True)
    last = _heights(hull.lower, columns, round_up=False)
    inside = last >= first
    area = int((last - first + 1)[inside].sum())
    return _hull_of_columns(columns[inside], first[inside], last[inside]), area


def widths(vertices: NDArray[np.float64]) -> tuple[float, float]:
    """Largest and smallest distance between two parallel lines that enclose a convex shape.

    Parameters
    ----------
    vertices : (K, 2) float array
        Corners in order.

    Returns
    -------
    largest, smallest : float
        The Feret (caliper) diameters.

    Examples
    --------
    >>> widths(np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 3.0]]))
    (5.0, 3.0)
    """
    apart = vertices[:, None] - vertices
    largest = math.sqrt((apart**2).sum(-1).max())
    sides = np.roll(vertices, -1, 0) - vertices
    lengths = np.hypot(sides[:, 0], sides[:, 1])
    sides, starts = sides[lengths > 0], vertices[lengths > 0]
    away = vertices - starts[:, None]
    heights = np.abs(away[..., 0] * sides[:, None, 1] - away[..., 1] * sides[:, None, 0]).max(1)
    return largest, float((heights / lengths[lengths > 0]).min())


def _hull_of_columns(
    columns: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> Hull:
    """Hull of the pixels from row `first` to `last` of some columns."""
    upper = _edge(columns, 2 * first)
    lower = _edge(columns, -2 * last)
    return Hull(upper, [(x, -y) for x, y in lower])


def _edge(columns: NDArray[np.int64], rows: NDArray[np.int64]) -> Chain:
    """Corners on the side of small y; candidates are three sides of each column's first pixel."""
    start = int(columns[0])
    # Doubled row for each doubled column, from the left side of the first column.
    ys = np.full(2 * (int(columns[-1]) - start) + 3, _FAR)
    middle = 2 * (columns - start) + 1
    ys[middle] = rows - 1
    ys[middle - 1] = rows
    ys[middle + 1] = np.minimum(rows, ys[middle + 1])  # shared where the next column follows
    xs = np.arange(2 * start - 1, 2 * start - 1 + len(ys))
    xs, ys = xs[ys < _FAR], ys[ys < _FAR]
    for _ in range(2):  # a corner lies outside the line between its neighbours
        run, rise = np.diff(xs), np.diff(ys)
        keep = np.ones(len(xs), np.bool_)
        keep[1:-1] = run[:-1] * rise[1:] > rise[:-1] * run[1:]
        xs, ys = xs[keep], ys[keep]
    chain: Chain = []
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2:]
            if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                break
            chain.pop()
        chain.append((x, y))
    return chain


def _heights(chain: Chain, columns: NDArray[np.int64], *, round_up: bool) -> NDArray[np.int64]:
    """Row where a chain crosses each column's centre, rounded exactly to a pixel."""
    corners = np.array(chain, np.int64)
    xs, ys = corners[:, 0], corners[:, 1]
    segment = np.clip(np.searchsorted(xs, 2 * columns, side="right") - 1, 0, len(xs) - 2)
    run = xs[segment + 1] - xs[segment]
    above = ys[segment] * run + (ys[segment + 1] - ys[segment]) * (2 * columns - xs[segment])
    return -(-above // (2 * run)) if round_up else above // (2 * run)
