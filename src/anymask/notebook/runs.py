"""Masks and label images as runs of pixels, row by row, as the page has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def triples_of(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the runs of a label image (H, W): first pixel, the one after the last, id, as (N, 3).

    Pixels are counted row by row; no run goes across the end of a row.

    Examples
    --------
    >>> triples_of(np.array([[0, 7, 7], [7, 0, 2]])).tolist()
    [[1, 3, 7], [3, 4, 7], [5, 6, 2]]
    """
    height, width = labels.shape
    padded = np.zeros((height, width + 1), np.int64)
    padded[:, :width] = labels
    flat = padded.reshape(-1)
    ends = np.flatnonzero(np.diff(flat, prepend=0, append=0))
    starts, stops = ends[:-1], ends[1:]
    filled = flat[starts] != 0 if len(starts) else np.zeros(0, bool)
    rows = starts[filled] // (width + 1)
    # Without the column that was added to each row.
    runs = [starts[filled] - rows, stops[filled] - rows, flat[starts[filled]]]
    return np.stack(runs, 1).astype(np.int32)


def runs_of(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the runs of a mask (H, W) as one array: first pixel, the one after the last, …

    Examples
    --------
    >>> runs_of(np.array([[0, 1, 1], [1, 0, 1]], bool)).tolist()
    [1, 3, 3, 4, 5, 6]
    """
    return np.ascontiguousarray(triples_of(mask.view(np.uint8))[:, :2]).reshape(-1)


def labels_of(triples: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.uint16]:
    """Return the label image of runs as `triples_of` returns them, in any order.

    Examples
    --------
    >>> labels_of(np.array([[3, 4, 7], [1, 3, 7], [5, 6, 2]], np.int32), (2, 3)).tolist()
    [[0, 7, 7], [7, 0, 2]]
    """
    starts, stops, ids = triples[np.argsort(triples[:, 0])].T.astype(np.int64)
    between = np.append(starts, size[0] * size[1]) - np.insert(stops, 0, 0)
    counts = np.zeros(2 * len(ids) + 1, np.int64)
    counts[::2], counts[1::2] = between, stops - starts
    values = np.zeros(len(counts), np.uint16)
    values[1::2] = ids
    return np.repeat(values, counts).reshape(size)


def joined(runs: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Return runs of several masks one after another."""
    return np.concatenate([np.zeros(0, np.int32), *runs])
