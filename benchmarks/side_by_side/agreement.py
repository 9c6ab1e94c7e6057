"""Agreement of two lists of masks, from another implementation or in another dtype."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = tuple[tuple[float, float], NDArray[np.int64]]
"""The prompted point, and the run lengths."""


def compare_masks(ours: Path, theirs: Path) -> dict[str, Any]:
    """Count the masks that are identical at every pixel, and compare the others.

    Parameters
    ----------
    ours, theirs : Path
        ``.npz`` files with `points` (N, 2), `counts`, all run lengths one after another, and
        `lengths` (N,), the number of run lengths per mask.

    Returns
    -------
    dict
        `ours`, `theirs`: numbers of masks. `identical`: masks that both have, pixel for pixel.
        `similar`: number of our other masks with an intersection over union of at least 0.95 with
        one of theirs from the same point. `same_order`: whether both lists come from the same
        points in the same order. `lowest_iou`: the minimum over our masks that are not identical,
        each compared with the most similar of theirs; None if there are none.
    """
    mine, peers = read_masks(ours), read_masks(theirs)
    at_point: dict[tuple[float, float], list[NDArray[np.int64]]] = {}
    for point, counts in peers:
        at_point.setdefault(point, []).append(counts)
    best = np.array([max((iou(c, t) for t in at_point.get(p, [])), default=0.0) for p, c in mine])
    others = best[best < 1]
    return {
        "ours": len(mine),
        "theirs": len(peers),
        "identical": int((best == 1).sum()),
        "similar": int((others >= 0.95).sum()),
        "same_order": [point for point, _ in mine] == [point for point, _ in peers],
        "lowest_iou": float(others.min()) if len(others) else None,
    }


def read_masks(path: Path) -> list[Mask]:
    """Masks in order."""
    with np.load(path) as file:
        points = [(round(x, 3), round(y, 3)) for x, y in file["points"].tolist()]
        ends = np.cumsum(file["lengths"])
        counts = np.split(file["counts"], ends[:-1]) if len(ends) else []
    return list(zip(points, counts, strict=True))


def iou(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Intersection over union of two masks of one image, as run lengths; 1 if both are empty.

    Examples
    --------
    >>> iou(np.array([2, 4]), np.array([3, 3]))
    0.75
    """
    ends_of_one, ends_of_other = np.cumsum(one), np.cumsum(other)
    ends = np.union1d(ends_of_one, ends_of_other)
    lengths = np.diff(ends, prepend=0)
    in_one, in_other = (
        np.searchsorted(each, ends) % 2 == 1 for each in (ends_of_one, ends_of_other)
    )
    either = lengths[in_one | in_other].sum()
    return float(lengths[in_one & in_other].sum() / either) if either else 1.0
