"""Clean masks: fill small holes, remove small islands.

Regions are found on run lengths: touching runs of neighbouring columns belong together. Memory does
not grow with the image, nor time with the pixels inside.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anymask.masks.rle import (
    Counts,
    check_mask,
    column_by_column,
    counts_of,
    counts_of_runs,
    mask_of,
    runs_of,
    union,
)

Mode = Literal["holes", "islands"]


def remove_small_regions(
    mask: NDArray[np.bool_], min_area: float, mode: Mode
) -> tuple[NDArray[np.bool_], bool]:
    """Fill the small holes of a mask, or remove its small islands.

    Regions are connected through sides and corners (arXiv 2304.02643, appendix B,
    "Postprocessing").

    Parameters
    ----------
    mask : (H, W) bool array
    min_area : float
        Regions with fewer pixels are small.
    mode : {"holes", "islands"}
        "holes" fills small regions of background, including those at the image border. "islands"
        removes small regions of the mask; if all are small, the largest stays, or the topmost of
        equally large ones.

    Returns
    -------
    cleaned : (H, W) bool array
        `mask` itself if there was nothing to do.
    changed : bool

    Raises
    ------
    AnymaskError
        If the mask is not a boolean array with two axes.

    Examples
    --------
    >>> mask = np.array([[1, 1, 1, 0, 0, 1], [1, 0, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]], bool)
    >>> remove_small_regions(mask, 2, "holes")[0].astype(int)
    array([[1, 1, 1, 0, 0, 1],
           [1, 1, 1, 0, 0, 0],
           [1, 1, 1, 0, 0, 0]])
    >>> remove_small_regions(mask, 2, "islands")[0].astype(int)
    array([[1, 1, 1, 0, 0, 0],
           [1, 0, 1, 0, 0, 0],
           [1, 1, 1, 0, 0, 0]])
    """
    counts, changed = without_small_regions(counts_of(check_mask(mask)), mask.shape, min_area, mode)
    return (mask_of(counts, mask.shape), True) if changed else (mask, False)


def without_small_regions(
    counts: Counts, size: tuple[int, int], min_area: float, mode: Mode
) -> tuple[Counts, bool]:
    """Like `remove_small_regions`, for run lengths.

    Examples
    --------
    >>> ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
    >>> without_small_regions(counts_of(ring), (3, 3), 2, "holes")
    (array([0, 9], dtype=uint32), True)
    """
    # An empty run in front swaps background and mask.
    inverted = np.concatenate([np.zeros(1, np.uint32), counts])
    starts, stops = runs_of(inverted if mode == "holes" else counts)
    if len(starts) == 0:
        return counts, False
    height, width = size
    starts, stops = column_by_column(starts, stops, height)
    region = _regions(starts, stops, height)
    sizes = np.bincount(region, stops - starts)
    is_small = sizes[region] < min_area
    if not is_small.any():
        return counts, False
    if mode == "holes":
        return union([counts, counts_of_runs(starts[is_small], stops[is_small], size)], size), True
    stays = ~is_small
    if not stays.any():
        largest = np.flatnonzero(sizes[region] == sizes.max())
        columns, rows = np.divmod(starts[largest], height)
        stays = region == region[largest[np.argmin(rows * width + columns)]]
    return union([counts_of_runs(starts[stays], stops[stays], size)], size), True


def _regions(starts: NDArray[np.int64], stops: NDArray[np.int64], height: int) -> NDArray[np.int64]:
    """For each run (within a column) the first run of its region; sides and corners connect."""
    following = (starts // height + 1) * height  # where the next column begins
    first = np.searchsorted(stops, starts + height - 1, "right")
    last = np.searchsorted(starts, stops + height, "right")
    first = np.maximum(first, np.searchsorted(starts, following))
    last = np.minimum(last, np.searchsorted(starts, following + height))
    times = np.maximum(last - first, 0)
    one = np.repeat(np.arange(len(starts)), times)
    other = first[one] + np.arange(len(one)) - np.repeat(np.cumsum(times) - times, times)

    # Every region is named after one of its runs; where two touch, the smaller name wins. Only
    # names that are the smallest among their neighbours survive, so each pass at least halves them.
    name = np.arange(len(starts))
    while True:
        a, b = name[one], name[other]
        if (a == b).all():
            return name
        np.minimum.at(name, np.maximum(a, b), np.minimum(a, b))
        while (name[name] != name).any():
            name = name[name]
