"""Evenly spread, deterministic samples."""

from __future__ import annotations

from collections.abc import Sequence


def spread(total: int, count: int) -> list[int]:
    """Choose `count` of `total` indices: the middle of each of `count` equal shares.

    Examples
    --------
    >>> spread(9, 3), spread(2, 5)
    ([1, 4, 7], [0, 1])
    """
    if count >= total:
        return list(range(total))
    return [(2 * i + 1) * total // (2 * count) for i in range(count)]


def choose_objects(areas: Sequence[int], count: int | None) -> list[int]:
    """Choose objects of an image, evenly spread over all of them sorted by area.

    Parameters
    ----------
    areas : sequence of int
    count : int or None
        At most this many; None for all.

    Returns
    -------
    list of int
        Indices into `areas`, from the largest object to the smallest.

    Examples
    --------
    >>> choose_objects([10, 500, 20, 30, 40, 50], 3)
    [5, 3, 0]
    """
    order = sorted(range(len(areas)), key=lambda i: (-areas[i], i))
    return order if count is None else [order[i] for i in spread(len(order), count)]
