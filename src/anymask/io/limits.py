"""What is lost when masks are written to a format."""

from __future__ import annotations

from typing import Any

import numpy as np

from anymask.io.registry import MaskFormat, format_named
from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import union_of_counts
from anymask.masks.rle import area_of, runs_of
from anymask.wording import counted


def losses(masks: MaskSet, form: MaskFormat | str) -> list[str]:
    """List what is lost when these masks are written to a format.

    Parameters
    ----------
    masks : MaskSet
    form : MaskFormat or str

    Returns
    -------
    list of str
        One sentence per kind of loss; empty if reading the file returns the same masks.

    Examples
    --------
    >>> masks = MaskSet.from_masks(np.ones((2, 3, 4), bool))
    >>> losses(masks, "labels")
    ['2 of the 2 masks overlap: where they do, only the smaller one is in the file.']
    """
    form = format_named(form) if isinstance(form, str) else form
    if form.is_table:
        return []
    lost: list[str] = []
    if not form.keeps_overlaps and (number := _overlapping(masks)):
        lost.append(
            f"{number} of the {len(masks)} masks overlap: where they do, only the smaller one is "
            "in the file."
        )
    in_order = np.array_equal(np.sort(masks.ids), np.arange(1, len(masks) + 1))
    if not form.keeps_ids and not in_order and masks.object_ids is not None:
        lost.append("The file has no ids: masks are numbered from 1, in order, when it is read.")
    empty = int(np.count_nonzero(masks.areas == 0))
    if not form.keeps_empty and empty:
        lost.append(
            f"{counted(empty, 'mask')} without pixels {'is' if empty == 1 else 'are'} left out."
        )
    return lost


def _overlapping(masks: MaskSet) -> int:
    """How many masks share a pixel with another mask."""
    total = int(masks.areas.sum())
    if not len(masks) or total == area_of(union_of_counts(masks.counts, masks.image_size)):
        return 0
    return len({index for pair in _pairs(masks) for index in pair})


def _pairs(masks: MaskSet) -> list[tuple[int, int]]:
    """Pairs of masks whose runs overlap; every mask that overlaps another is in a pair."""
    runs: list[Any] = [runs_of(counts) for counts in masks.counts]
    starts = np.concatenate([start for start, _ in runs])
    stops = np.concatenate([stop for _, stop in runs])
    owner = np.repeat(np.arange(len(runs)), [len(start) for start, _ in runs])
    order = np.argsort(starts, kind="stable")
    starts, stops, owner = starts[order], stops[order], owner[order]
    # Of all runs before a run, the one that ends last: a run that begins before that overlaps it.
    reach = np.maximum.accumulate(stops)
    farthest = np.maximum.accumulate(np.where(stops == reach, np.arange(len(stops)), 0))
    late = np.flatnonzero(starts[1:] < reach[:-1]) + 1
    return list(zip(owner[late].tolist(), owner[farthest[late - 1]].tolist(), strict=True))
