"""Convert masks to a label image and back.

Masks may overlap, but a label image has one id per pixel: the mask painted last is on top.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.label_ids import checked_labels
from anymask.masks.rle import Counts, column_by_column, counts_of_changes, runs_of


def stacking_ids(areas: ArrayLike, scores: ArrayLike) -> NDArray[np.int64]:
    """Number masks so that small ones are on top.

    Parameters
    ----------
    areas : (N,) array_like
        Pixels of each mask.
    scores : (N,) array_like
        Predicted IoU of each mask; NaN counts as the lowest.

    Returns
    -------
    (N,) int64 array
        Ids 1 … N in order of decreasing area; among equal areas, the higher score gets the larger
        id, and among equal scores, the earlier mask.

    Examples
    --------
    >>> stacking_ids([10, 500, 10], [0.8, 0.7, 0.9])
    array([2, 1, 3])
    """
    areas, scores = np.asarray(areas, np.int64), np.asarray(scores, np.float64)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = np.lexsort([-np.arange(len(areas)), scores, -areas])
    ids = np.empty(len(areas), np.int64)
    ids[order] = np.arange(1, len(areas) + 1)
    return ids


def label_dtype(largest: int) -> np.dtype:
    """Smallest unsigned dtype that holds the ids up to `largest`.

    Examples
    --------
    >>> label_dtype(255), label_dtype(256)
    (dtype('uint8'), dtype('uint16'))
    """
    # By size, because NumPy may have two types of one size, and file formats know only one.
    return np.dtype(f"u{np.min_scalar_type(int(largest)).itemsize}")


def paint_labels(
    counts: Sequence[Counts],
    ids: Sequence[int] | NDArray[np.int64],
    size: tuple[int, int],
    order: Sequence[int] | NDArray[np.int64] | None = None,
) -> NDArray[np.unsignedinteger]:
    """Paint masks with their ids into a label image.

    Parameters
    ----------
    counts : sequence of arrays
        Run lengths of each mask.
    ids : sequence of int
        One positive id per mask.
    size : tuple of int
        Height and width.
    order : sequence of int, optional
        Indices of the masks, the topmost last. By default the largest id is on top.

    Returns
    -------
    (H, W) array
        0 where there is no mask, in the smallest unsigned dtype that holds the largest id.
    """
    height, width = size
    ids = np.asarray(ids, np.int64)
    labels = np.zeros(height * width, label_dtype(ids.max(initial=0)))
    for index in np.argsort(ids, kind="stable") if order is None else order:
        labels[_pixels_of(counts[index])] = ids[index]
    return np.ascontiguousarray(labels.reshape(width, height).T)


def paint_window(
    counts: Iterable[Counts],
    ids: Iterable[int],
    height: int,
    window: tuple[int, int, int, int],
    dtype: np.dtype,
    step: int = 1,
) -> NDArray[np.unsignedinteger]:
    """Paint a part of a label image, or every so many pixels of it, without the rest.

    Parameters
    ----------
    counts : iterable of arrays
        Run lengths in the whole image of the masks that may lie there, the topmost last.
    ids : iterable of int
        One positive id per mask.
    height : int
        That of the whole image.
    window : tuple of int
        XYXY in the whole image, x1 and y1 exclusive.
    dtype : dtype
    step : int
        Every how many rows and columns from the window's corner.

    Returns
    -------
    array
        ``labels[y0:y1:step, x0:x1:step]`` of the whole.

    Examples
    --------
    >>> from anymask.masks.rle import counts_of
    >>> mask = np.tri(4, dtype=bool)
    >>> paint_window([counts_of(mask)], [7], 4, (1, 0, 4, 4), np.dtype(np.uint8))
    array([[0, 0, 0],
           [7, 0, 0],
           [7, 7, 0],
           [7, 7, 7]], dtype=uint8)
    """
    x0, y0, x1, y1 = window
    wide, high = -(-(x1 - x0) // step), -(-(y1 - y0) // step)
    labels = np.zeros(wide * high, dtype)
    for lengths, number in zip(counts, ids, strict=True):
        starts, stops = runs_of(lengths)
        starts, stops = np.maximum(starts, x0 * height), np.minimum(stops, x1 * height)
        starts, stops = starts[starts < stops], stops[starts < stops]
        starts, stops = column_by_column(starts, stops, height)
        column = starts // height
        above, below = starts - column * height - y0, stops - column * height - y0
        above, below = -(-np.maximum(above, 0) // step), -(-np.minimum(below, y1 - y0) // step)
        shown = (above < below) & ((column - x0) % step == 0)
        place = (column[shown] - x0) // step * high
        labels[_pixels(place + above[shown], place + below[shown])] = number
    return np.ascontiguousarray(labels.reshape(wide, high).T)


def counts_by_label(labels: NDArray) -> tuple[NDArray[np.int64], list[Counts]]:
    """Split a label image into one mask per id.

    Parameters
    ----------
    labels : (H, W) array
        0 for background; ids need not be consecutive. As for `checked_labels`.

    Returns
    -------
    ids : (N,) int64 array
        Ascending, without 0.
    counts : list of N arrays
        Run lengths of each id's mask.

    Raises
    ------
    AnymaskError
        As `checked_labels`.

    Examples
    --------
    >>> ids, counts = counts_by_label(np.array([[0, 7, 7], [2, 2, 7]]))
    >>> ids, [c.tolist() for c in counts]
    (array([2, 7]), [[1, 1, 1, 1, 2], [2, 1, 1, 2]])
    """
    labels = checked_labels(labels)
    pixels = np.ascontiguousarray(labels.T).reshape(-1)
    if pixels.size == 0:
        return np.zeros(0, np.int64), []
    starts = np.concatenate([[0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1])
    stops = np.append(starts[1:], pixels.size)
    values = pixels[starts].astype(np.int64)
    order = np.argsort(values, kind="stable")[np.count_nonzero(values == 0) :]
    ids, first = np.unique(values[order], return_index=True)
    counts = []
    for runs in np.split(order, first[1:]) if len(ids) else []:
        changes = np.stack([starts[runs], stops[runs]], 1).reshape(-1)
        counts.append(counts_of_changes(changes[changes < pixels.size], pixels.size))
    return ids, counts


def _pixels_of(counts: Counts) -> NDArray[np.int64]:
    """Column-major indices of the pixels of a run-length mask."""
    return _pixels(*runs_of(counts))


def _pixels(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the pixels of runs."""
    lengths = stops - starts
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())
