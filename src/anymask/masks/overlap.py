"""Overlapping masks: find them, measure the overlap, and merge them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import Masks, as_set, in_form_of
from anymask.masks.rle import runs_of, union

Overlap = Literal["iou", "containment"]
Keep = Literal["union", "largest", "best"]

# Pairs of overlapping runs processed together; they take some hundred megabytes.
_PAIRS_AT_ONCE = 2**22


@dataclass(frozen=True)
class Pairs:
    """All pairs of masks in a set that share pixels.

    Attributes
    ----------
    first, second : (P,) int64 arrays
        Indices of both masks, the lower one first.
    shared : (P,) int64 array
        Number of shared pixels.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    shared: NDArray[np.int64]

    def measured(self, areas: NDArray[np.int64], by: Overlap) -> NDArray[np.float64]:
        """Overlap of each pair: shared pixels divided by the union or by the smaller mask.

        Parameters
        ----------
        areas : (N,) int64 array
            Number of pixels of each mask.
        by : {"iou", "containment"}
        """
        one, other = areas[self.first], areas[self.second]
        whole = one + other - self.shared if by == "iou" else np.minimum(one, other)
        return self.shared / whole


def overlaps(masks: MaskSet) -> Pairs:
    """Find all pairs of masks that share pixels.

    Parameters
    ----------
    masks : MaskSet

    Returns
    -------
    Pairs
        Ordered by index. The work is done on run lengths and grows with the number of overlaps, not
        with the square of the number of masks.

    Examples
    --------
    >>> stack = np.zeros((3, 4, 4), bool)
    >>> stack[0, :3], stack[1, 2:], stack[2, 3:, 0] = True, True, True
    >>> pairs = overlaps(MaskSet.from_masks(stack))
    >>> pairs.first, pairs.second, pairs.shared
    (array([0, 1]), array([1, 2]), array([4, 1]))
    """
    runs = [runs_of(counts) for counts in masks.counts]
    empty = np.zeros(0, np.int64)
    starts = np.concatenate([empty, *(start for start, _ in runs)])
    stops = np.concatenate([empty, *(stop for _, stop in runs)])
    owners = np.repeat(np.arange(len(runs)), [len(start) for start, _ in runs])
    order = np.argsort(starts, kind="stable")
    starts, stops, owners = starts[order], stops[order], owners[order]

    # A run shares pixels with the runs that start within it, which follow it in this order.
    followers = np.searchsorted(starts, stops) - np.arange(len(starts)) - 1
    ends = np.cumsum(followers)
    total = sparse.csr_matrix((len(masks), len(masks)), dtype=np.int64)
    begin = 0
    while begin < len(starts):
        done = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, "right")))
        times = followers[begin:end]
        one = np.repeat(np.arange(begin, end), times)
        other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(times) - times, times)
        shared = np.minimum(stops[one], stops[other]) - starts[other]
        pair = np.sort(np.stack([owners[one], owners[other]]), axis=0)
        total = total + sparse.csr_matrix((shared, (pair[0], pair[1])), shape=total.shape)
        begin = end
    found = total.tocoo()
    order = np.lexsort([found.col, found.row])
    return Pairs(
        found.row[order].astype(np.int64), found.col[order].astype(np.int64), found.data[order]
    )


def merge_overlapping(
    masks: Masks, threshold: float = 0.5, *, by: Overlap = "iou", keep: Keep = "union"
) -> Masks:
    """Merge masks that overlap into one object.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
        Objects of a label image do not overlap, so it is returned unchanged.
    threshold : float
        Masks with at least this overlap become one object; above 0 and at most 1.
    by : {"iou", "containment"}
        Shared pixels divided by the union ("iou", for masks of the same thing), or by the smaller
        mask ("containment", for parts and wholes).
    keep : {"union", "largest", "best"}
        What is kept of a group: the union, the largest mask, or the one with the highest
        predicted IoU (the largest if scores are equal or unknown).

    Returns
    -------
    Of the same form. The result has the id, scores and class of the group's largest mask, or of
    its best one if that is kept. A union may overlap other masks more than its parts did, so
    merging repeats until nothing is left to merge.

    Raises
    ------
    AnymaskError
        If `masks` has none of the three forms, `threshold` is out of range, or `by` or `keep` is
        unknown.

    Examples
    --------
    >>> stack = np.zeros((2, 3, 9), bool)
    >>> stack[0, :, :6], stack[1, :, 2:] = True, True
    >>> merge_overlapping(MaskSet.from_masks(stack), 0.4).areas
    array([27])
    """
    _check_name("by", by, get_args(Overlap))
    _check_name("keep", keep, get_args(Keep))
    if not 0 < threshold <= 1:
        raise AnymaskError(f"threshold is {threshold}; it must be above 0 and at most 1.")
    if not isinstance(masks, MaskSet):
        as_set(masks)
        return masks
    result = as_set(masks)
    while True:
        pairs = overlaps(result)
        near = pairs.measured(result.areas, by) >= threshold
        if not near.any():
            return in_form_of(masks, result)
        result = _merged(result, pairs.first[near], pairs.second[near], keep)


def _merged(
    masks: MaskSet, first: NDArray[np.int64], second: NDArray[np.int64], keep: Keep
) -> MaskSet:
    """Merge each group of masks connected by these pairs."""
    graph = sparse.coo_matrix((np.ones(len(first)), (first, second)), shape=(len(masks),) * 2)
    _, group = connected_components(graph, directed=False)
    score = np.where(np.isnan(masks.predicted_iou), -np.inf, masks.predicted_iou)
    worth = [-score, -masks.areas] if keep == "best" else [-masks.areas, -score]
    order = np.lexsort(worth[::-1])
    _, place = np.unique(group[order], return_index=True)
    chosen = order[place]  # of group 0, 1, …
    counts = list(masks.counts)
    if keep == "union":
        sizes = np.bincount(group)
        members = np.split(np.argsort(group, kind="stable"), np.cumsum(sizes)[:-1])
        for index, of_group in zip(chosen, members, strict=True):
            if len(of_group) > 1:
                counts[index] = union([masks.counts[i] for i in of_group], masks.image_size)
    return masks.with_counts(counts).select(np.sort(chosen))


def _check_name(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise AnymaskError(f"{what} is {name!r}; choose from {', '.join(known)}.")
