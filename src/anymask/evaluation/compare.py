"""Comparison of two models on the same images: the difference of a figure and its interval.

The interval comes from a paired bootstrap. Images are drawn with replacement and both models are
judged on the same draw, so hard images favour neither. Objects of one image resemble each other, as
do images of one patient; therefore whole images, or groups of images, are drawn within each set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from anymask.evaluation.everything import EverythingRecord
from anymask.evaluation.object_matching import Overlaps, area_under, matched_f1, rank
from anymask.evaluation.records import ObjectRecord

RESAMPLES = 2000

Word = Literal["better", "no different", "worse", "untested"]
Figure = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Maps R draws of n units each, (R, n) indices, to the figure of each draw, (R,)."""
GroupOf = Callable[[str, str], str]
"""Maps the names of a set and an image to the group that is drawn together, such as a patient."""


@dataclass(frozen=True)
class Difference:
    """A figure for two models on the same images.

    Attributes
    ----------
    before, after : float
        Means over sets.
    low, high : float
        95% interval of the difference; NaN if a set has only one image, or one group.
    units : int
        Number of images, or groups of images, that were drawn.
    """

    before: float
    after: float
    low: float
    high: float
    units: int

    @property
    def mean(self) -> float:
        """The gain; negative for a loss."""
        return self.after - self.before

    @property
    def word(self) -> Word:
        """Whether the second model is better: the whole interval is on one side of zero."""
        if np.isnan(self.low):
            return "untested"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no different"

    def to_dict(self) -> dict[str, float | None]:
        """Return the difference as JSON-ready data, with None for NaN."""
        values = {
            "before": self.before,
            "after": self.after,
            "difference": self.mean,
            "low": self.low,
            "high": self.high,
        }
        return {name: None if np.isnan(v) else round(v, 6) for name, v in values.items()}


@dataclass(frozen=True)
class Pair:
    """A figure of one set for both models.

    Attributes
    ----------
    units : int
        Number of images, or groups of images, of the set.
    before, after : callable
        See `Figure`.
    """

    units: int
    before: Figure
    after: Figure


def difference(
    sets: Sequence[Pair], seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> Difference:
    """Compare two models; every set has the same weight.

    Bootstrap percentiles are too narrow for few images. Their distances from the difference are
    therefore stretched by the ratio of Student's interval of a mean to the normal one (the idea of
    the expanded percentile interval, T. Hesterberg, The American Statistician 69:371, 2015, arXiv
    1411.5279).

    Parameters
    ----------
    sets : sequence of Pair
    seed : int
        Random seed of the draws.
    resamples : int
    level : float

    Examples
    --------
    >>> gain = difference([Pair(4, ratio([1, 2, 3, 4], [5] * 4), ratio([2, 3, 4, 5], [5] * 4))])
    >>> round(gain.before, 2), round(gain.after, 2), gain.word
    (0.5, 0.7, 'better')
    """
    rng = np.random.default_rng(seed)
    drawn, whole = [], []
    for pair in sets:
        draws = rng.integers(pair.units, size=(resamples, pair.units))
        everyone = np.arange(pair.units)[None]
        drawn.append(pair.after(draws) - pair.before(draws))
        whole.append((pair.before(everyone)[0], pair.after(everyone)[0]))
    before, after = (float(value) for value in np.mean(whole, 0))
    units = sum(pair.units for pair in sets)
    free = units - len(sets)
    if not free:
        return Difference(before, after, float("nan"), float("nan"), units)
    tail = (1 - level) / 2
    stretch = np.sqrt(units / free) * stats.t.ppf(tail, free) / stats.norm.ppf(tail)
    # A draw may lack everything that a figure needs, such as masks to match.
    ends = np.nanquantile(np.mean(drawn, 0), [tail, 1 - tail])
    # All figures are fractions.
    low, high = np.clip((after - before) + stretch * (ends - (after - before)), -1, 1)
    return Difference(before, after, float(low), float(high), units)


def ratio(numerators: ArrayLike, denominators: ArrayLike) -> Figure:
    """A figure that is the ratio of two sums over units, such as a mean over objects.

    Parameters
    ----------
    numerators, denominators : (n,) array_like
        One value per unit.
    """
    above, below = (np.asarray(values, np.float64) for values in (numerators, denominators))

    def figure(draws: NDArray[np.int64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            quotient: NDArray[np.float64] = above[draws].sum(1) / below[draws].sum(1)
        return quotient

    return figure


def compare_objects(
    before: Sequence[ObjectRecord],
    after: Sequence[ObjectRecord],
    names: Sequence[str],
    *,
    group: GroupOf | None = None,
    seed: int = 0,
) -> Difference:
    """Compare the mean IoU of two models for the same prompts.

    Parameters
    ----------
    before, after : sequences of ObjectRecord
        Records of the same objects in the same order.
    names : sequence of str
        Scores, such as "box"; for several, their mean counts.
    group : callable, optional
        What is drawn together; by default each image on its own.
    seed : int

    Raises
    ------
    ValueError
        If the records are not of the same objects, or there are none.
    """
    keys = [[(r.set_name, r.image, r.index) for r in records] for records in (before, after)]
    if keys[0] != keys[1] or not keys[0]:
        raise ValueError("the records are not of the same objects")
    pairs = []
    for members in drawn_together(keys[0], group).values():
        count = [len(unit) for unit in members]
        sums = [
            [
                sum(float(np.mean([records[i].scores[n].iou for n in names])) for i in unit)
                for unit in members
            ]
            for records in (before, after)
        ]
        pairs.append(Pair(len(members), *(ratio(of_model, count) for of_model in sums)))
    return difference(pairs, seed)


def compare_everything(
    before: Sequence[EverythingRecord],
    after: Sequence[EverythingRecord],
    name: str,
    *,
    group: GroupOf | None = None,
    seed: int = 0,
) -> Difference:
    """Compare what two models found in the same images without prompts.

    Parameters
    ----------
    before, after : sequences of EverythingRecord
        Records of the same images in the same order.
    name : {"ap50", "ap75", "f1_50"}
    group, seed
        As in `compare_objects`.

    Raises
    ------
    ValueError
        If the records are not of the same images, or there are none.
    """
    keys = [[(r.set_name, r.image) for r in records] for records in (before, after)]
    if keys[0] != keys[1] or not keys[0]:
        raise ValueError("the records are not of the same images")
    figure = {"ap50": _ap(0.5), "ap75": _ap(0.75), "f1_50": _f1}[name]
    pairs = []
    for members in drawn_together(keys[0], group).values():
        found = [[[records[i].overlaps for i in u] for u in members] for records in (before, after)]
        pairs.append(Pair(len(members), *(figure(of_model) for of_model in found)))
    return difference(pairs, seed)


def drawn_together(
    keys: Sequence[tuple[Any, ...]], group: GroupOf | None
) -> Mapping[str, list[list[int]]]:
    """By set, the indices of the records that are drawn together.

    Parameters
    ----------
    keys : sequence of tuples
        Names of the set and the image of each record, and anything else.
    group : callable, optional
        As in `compare_objects`.
    """
    units: dict[str, dict[str, list[int]]] = {}
    for index, (set_name, image, *_) in enumerate(keys):
        unit = image if group is None else group(set_name, image)
        units.setdefault(set_name, {}).setdefault(unit, []).append(index)
    return {set_name: list(members.values()) for set_name, members in units.items()}


def _f1(units: Sequence[Sequence[Overlaps]]) -> Figure:
    masks = [[sum(image.iou.shape) for image in unit] for unit in units]
    pairs = [
        sum(matched_f1([image]) * count for image, count in zip(unit, counts, strict=True) if count)
        for unit, counts in zip(units, masks, strict=True)
    ]
    return ratio(pairs, [sum(counts) for counts in masks])


def _ap(threshold: float) -> Callable[[Sequence[Sequence[Overlaps]]], Figure]:
    def figure_of(units: Sequence[Sequence[Overlaps]]) -> Figure:
        ranked = [[rank(image, threshold) for image in unit] for unit in units]
        true = np.array([sum(image.iou.shape[1] for image in unit) for unit in units])

        def of_draw(draw: NDArray[np.int64]) -> float:
            total = int(true[draw].sum())
            return area_under([r for i in draw for r in ranked[i]], total) if total else np.nan

        return lambda draws: np.array([of_draw(draw) for draw in draws])

    return figure_of
