"""Finds images that are the same, or almost the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anymask.datasets.scanning import Record

# Two images are almost the same if their small grey copies correlate at least this well.
_ALIKE = 0.99
# Images with a standard deviation of grey levels below this are not compared.
_FLAT = 2.0
_ROWS = 1024


def same(records: Sequence[Record]) -> list[list[int]]:
    """Return groups of images with exactly the same pixels."""
    groups: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        groups.setdefault(record.pixel_hash, []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def alike(records: Sequence[Record]) -> list[tuple[int, int]]:
    """Return pairs of almost equal images: another format or size, or the next video frame.

    Grey copies of 32×32 pixels are compared by correlation.

    Returns
    -------
    list of (int, int)
        In order, without pairs with exactly the same pixels.
    """
    if not records:
        return []
    small = np.stack([record.thumbnail for record in records]).reshape(len(records), -1)
    values = small.astype(np.float32) - small.mean(1, dtype=np.float32, keepdims=True)
    spread = values.std(1)
    usable = np.flatnonzero(spread >= _FLAT)
    values = values[usable] / (spread[usable, None] * np.sqrt(values.shape[1]))
    pairs = []
    for start in range(0, len(usable), _ROWS):
        close = values[start : start + _ROWS] @ values.T >= _ALIKE
        for row, column in np.argwhere(close).tolist():
            first, second = int(usable[start + row]), int(usable[column])
            if first < second and records[first].pixel_hash != records[second].pixel_hash:
                pairs.append((first, second))
    return pairs
