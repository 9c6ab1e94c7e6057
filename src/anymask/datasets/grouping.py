"""Divides images into two parts so that images that belong together stay together."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from itertools import chain

import numpy as np

from anymask.datasets.types import Source
from anymask.errors import AnymaskError

FOLDER, ALIKE = "folder", "alike"


def group_labels(sources: Sequence[Source], group: str | None) -> list[Hashable]:
    """Return the group of each image.

    Parameters
    ----------
    sources : sequence of Source
    group : str or None
        None for no groups, "folder" for the folder an image is in, or a regular expression with
        one group in parentheses, searched for in the image's name. "alike" depends on the pixels
        and gives no groups here.

    Returns
    -------
    list
        A label for each image; images without a group get unique labels.

    Raises
    ------
    AnymaskError
        If `group` is not such an expression, or does not match a name.
    """
    if group in (None, ALIKE):
        return list(range(len(sources)))
    if group == FOLDER:
        return [str(source.image.parent) for source in sources]
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise AnymaskError(f"The group {group!r} is not a regular expression ({error}).") from None
    if pattern.groups != 1:
        raise AnymaskError(
            f"The group {group!r} has {pattern.groups} pairs of parentheses; put one around the "
            r"part of the name that gives the group, as in '(patient\d+)_'."
        )
    labels: list[Hashable] = []
    for source in sources:
        match = pattern.search(source.name)
        if match is None or match[1] is None:
            raise AnymaskError(
                f"The group {group!r} is not found in the image name {source.name!r}; it must be "
                "in every name."
            )
        labels.append(match[1])
    return labels


def divide(
    labels: Sequence[Sequence[Hashable]],
    pairs: Sequence[tuple[int, int]],
    set_names: Sequence[str],
    fraction: float,
    seed: int,
) -> list[int]:
    """Choose items to hold out: whole groups, and about the same share of every set.

    Parameters
    ----------
    labels : sequence of sequences
        The labels of each item. Items with the same label at the same position stay together.
    pairs : sequence of (int, int)
        Further items that stay together.
    set_names : sequence of str
        The set of each item.
    fraction : float
        Share to hold out.
    seed : int

    Returns
    -------
    list of int
        Increasing indices; at least one, but not all.

    Raises
    ------
    AnymaskError
        If there are fewer than two groups, or the fraction is not between 0 and 1.

    Examples
    --------
    >>> len(divide([(i,) for i in range(10)], [], ["a"] * 10, 0.2, seed=0))
    2
    """
    if not 0 < fraction < 1:
        raise AnymaskError(
            f"The share of images to hold out is {fraction}; it must be between 0 and 1, e.g. 0.2."
        )
    units = _tied(labels, pairs)
    if len(labels) < 2:
        raise AnymaskError("There is only 1 image, but a split needs at least 2; give more images.")
    if len(units) < 2:
        raise AnymaskError(
            f"The {len(labels)} images are all in one group or the same image, but a split needs "
            "at least two groups; choose another group or give more images."
        )
    rng = np.random.default_rng(seed)
    by_set: dict[str, list[list[int]]] = {}
    for index in rng.permutation(len(units)):
        by_set.setdefault(set_names[units[index][0]], []).append(units[index])
    names = sorted(by_set, key=lambda name: min(min(unit) for unit in by_set[name]))
    sizes = [sum(map(len, by_set[name])) for name in names]
    wanted = min(max(round(fraction * len(labels)), 1), len(labels) - 1)
    chosen: list[list[int]] = []
    for name, quota in zip(names, _shares(sizes, wanted), strict=True):
        count = 0
        for unit in by_set[name]:
            # Take a group only if that gets closer to the quota than leaving it out.
            if count < quota and len(unit) <= 2 * (quota - count):
                chosen.append(unit)
                count += len(unit)
    if not chosen:
        chosen = [min(units, key=lambda unit: (len(unit), unit))]
    if len(chosen) == len(units):
        chosen.remove(max(chosen, key=lambda unit: (len(unit), unit)))
    return sorted(index for unit in chosen for index in unit)


def _shares(sizes: Sequence[int], wanted: int) -> list[int]:
    """Divide a number into whole shares proportional to sizes."""
    exact = [wanted * size / sum(sizes) for size in sizes]
    shares = [int(value) for value in exact]
    by_rest = sorted(range(len(sizes)), key=lambda i: (shares[i] - exact[i], i))
    for index in by_rest[: wanted - sum(shares)]:
        shares[index] += 1
    return shares


def _tied(
    labels: Sequence[Sequence[Hashable]], pairs: Iterable[tuple[int, int]]
) -> list[list[int]]:
    """Group items that are tied directly or through others, in order of the first item."""
    parent = list(range(len(labels)))

    def top(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[int, Hashable], int] = {}
    by_label = (
        (first.setdefault((place, label), index), index)
        for index, own in enumerate(labels)
        for place, label in enumerate(own)
    )
    for one, other in chain(by_label, pairs):
        one, other = top(one), top(other)
        parent[max(one, other)] = min(one, other)
    units: dict[int, list[int]] = {}
    for index in range(len(labels)):
        units.setdefault(top(index), []).append(index)
    return list(units.values())
