"""Keep the regions of a mask that were clicked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.masks.objects import counts_of_crop, crop_of
from anymask.masks.rle import Counts, box_of

_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def keep_clicked(mask: NDArray[np.bool_], points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Keep the connected regions of a mask that contain a point, and drop the others.

    A click means one object; separate patches are mostly similar-looking background.

    Parameters
    ----------
    mask : (H, W) bool array
    points : (P, 2) array
        Positive points as (x, y) in pixels, pixel centres at integers.

    Returns
    -------
    (H, W) bool array
        `mask` itself if no point lies on it, or if every region contains one.

    Examples
    --------
    >>> mask = np.array([[1, 1, 0, 1], [1, 0, 0, 1]], bool)
    >>> keep_clicked(mask, np.array([[0.0, 1.0]])).astype(int)
    array([[1, 1, 0, 0],
           [1, 0, 0, 0]])
    """
    height, width = mask.shape
    at = _pixels(points, (height, width))
    if not mask[at[:, 1], at[:, 0]].any():
        return mask
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    clicked = _clicked_regions(mask[box], at - (cols[0], rows[0]))
    if clicked is None:
        return mask
    kept = np.zeros_like(mask)
    kept[box] = clicked
    return kept


def keep_clicked_counts(
    counts: Counts, points: NDArray[np.floating], size: tuple[int, int]
) -> Counts:
    """Do the same for run lengths in an image of this height and width, within the mask's box.

    Examples
    --------
    >>> counts = np.array([0, 3, 3, 2], np.uint32)  # of the mask above
    >>> keep_clicked_counts(counts, np.array([[0.0, 1.0]]), (2, 4))
    array([0, 3, 5], dtype=uint32)
    """
    if len(counts) < 2:
        return counts
    crop = crop_of(counts, box_of(counts, size), size)
    clicked = _clicked_regions(crop.pixels, _pixels(points, size) - (crop.left, crop.top))
    return counts if clicked is None else counts_of_crop(replace(crop, pixels=clicked), size)


def _pixels(points: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.int64]:
    """The pixels (x, y) of an image in which points lie."""
    at = np.floor(np.asarray(points, np.float64).reshape(-1, 2) + 0.5).astype(np.int64)
    last = np.array([size[1] - 1, size[0] - 1])
    near = ((at >= -1) & (at <= last + 1)).all(1)  # a prompt may lie outside by rounding
    clipped: NDArray[np.int64] = at[near].clip(0, last)
    return clipped


def _clicked_regions(mask: NDArray[np.bool_], at: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """The regions of a mask that contain one of these pixels; None if it stays as it is."""
    at = at[((at >= 0) & (at < mask.shape[::-1])).all(1)]
    at = at[mask[at[:, 1], at[:, 0]]]
    if not len(at):
        return None
    regions, count = ndimage.label(mask, _EIGHT_NEIGHBOURS)
    clicked = np.unique(regions[at[:, 1], at[:, 0]])
    return None if len(clicked) == count else np.isin(regions, clicked)
