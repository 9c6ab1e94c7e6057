"""Tuning the thresholds of "everything" on annotated images.

The images are segmented once at permissive thresholds (`candidates`), every combination of
thresholds is scored on these candidates (`threshold_grid`), and the best one is chosen. The
score of the best of two thousand combinations is optimistic. Therefore each image is also scored
with the thresholds chosen on all other images, and these scores decide the verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.datasets.types import Example
from anymask.errors import AnymaskError
from anymask.evaluation.candidates import Candidates, Labels, find_candidates
from anymask.evaluation.everything import EverythingRecord, everything_figures
from anymask.evaluation.records import mean_over_sets
from anymask.evaluation.threshold_grid import ThresholdGrid, score_grid, score_of
from anymask.model.config import EverythingConfig
from anymask.model.sam import Sam
from anymask.predict.everything.found_once import distinct_at

FEWEST_TO_TEST = 4
"""With fewer images none is left out, because too few would remain to choose by."""

TuningWord = Literal["better", "unclear", "worse", "untested"]
Figures = dict[str, dict[str, float]]

_RESAMPLES = 2000
# A gain is reduced by this many standard errors. Tried: 0, ½, 1 and 2, on samples of 3 to 10 images
# of nuclei, white blood cells, polyps, balloons or mixed kinds. 2 lost least (.01) where no gain
# was possible, and kept .13 to .15 where a gain of .16 was possible.
_STANDARD_ERRORS = 2.0
# Scores within this distance of the best count as equal; among them the model's own thresholds, or
# those nearest to them, are chosen.
_AS_GOOD = 0.002


@dataclass(frozen=True)
class TunedImage:
    """Scores of one image: F1 averaged over matching thresholds of IoU from .5 to .9.

    Attributes
    ----------
    set_name, name : str
    objects : int
        Number of true masks.
    before, after : float
        With the model's own thresholds, and with those chosen on all images.
    left_out : float
        With those chosen on all other images; NaN if there are too few images.
    """

    set_name: str
    name: str
    objects: int
    before: float
    after: float
    left_out: float


@dataclass(frozen=True)
class Tuning:
    """The result of a tuning.

    Attributes
    ----------
    own, tuned : EverythingConfig
        The model's own thresholds, and the best of the grid.
    images : list of TunedImage
    figures : dict
        "before", "after" and, where images were left out, "left_out": figures by set as from
        `everything_figures`, and "score". In sparsely labelled sets, masks of unlabelled things
        count only in "masks_per_image".
    labels : dict
        "complete" or "sparse" by set.
    compared : list of dict
        Figures by set for each configuration in `compare`.
    """

    own: EverythingConfig
    tuned: EverythingConfig
    images: Sequence[TunedImage]
    figures: Mapping[str, Figures]
    labels: Mapping[str, Labels]
    compared: Sequence[Figures] = ()

    @cached_property
    def gain(self) -> tuple[float, float, float]:
        """Mean gain on left-out images and its 95% interval (bootstrap over images); NaN if none.

        The mean is over the images of each set, then over sets.
        """
        by_set: dict[str, list[float]] = {}
        for image in self.images:
            by_set.setdefault(image.set_name, []).append(image.left_out - image.before)
        sets = [np.array(values) for values in by_set.values()]
        mean = float(np.mean([values.mean() for values in sets]))
        rng = np.random.default_rng(0)
        drawn = [
            values[rng.integers(len(values), size=(_RESAMPLES, len(values)))].mean(1)
            for values in sets
        ]
        low, high = np.quantile(np.mean(drawn, 0), [0.025, 0.975])
        return mean, float(low), float(high)

    @property
    def verdict(self) -> TuningWord:
        """Whether the tuned thresholds are better on images that they were not chosen on."""
        mean, low, _ = self.gain
        if np.isnan(mean):
            return "untested"
        if low > 0:
            return "better"
        return "unclear" if mean > 0 else "worse"

    @property
    def chosen(self) -> EverythingConfig:
        """The thresholds to use: the tuned ones, unless they are worse on left-out images."""
        return self.own if self.verdict == "worse" else self.tuned

    def mean(self, which: str) -> dict[str, float]:
        """Mean over sets of the figures "before", "after" or "left_out"; empty if none."""
        return mean_over_sets(self.figures.get(which, {}))

    def apply_to(self, sam: Sam) -> None:
        """Make `chosen` the model's own thresholds, which are its defaults and saved with it."""
        sam.config = replace(sam.config, everything=self.chosen)


def tune_everything(
    sam: Sam,
    examples: Iterable[Example],
    *,
    labels: Labels | Mapping[str, Labels] = "complete",
    compare: Sequence[EverythingConfig] = (),
    **options: Any,
) -> Tuning:
    """Find the thresholds of "everything" that fit annotated images.

    Predicted IoU, stability and overlap are searched together; then the area below which holes are
    filled and islands removed. The model's own thresholds stay unless others are consistently
    better over the images. Among equally good thresholds, the nearest to them are chosen. The
    model's own stability offset stays.

    Parameters
    ----------
    sam : Sam
    examples : iterable of Example
        Three or more; examples without objects are skipped.
    labels : "complete", "sparse", or a dict of these by set
        "complete": all objects are labelled, and any other mask is a mistake. "sparse": only some
        are labelled, and a mask is a mistake only if it lies mostly on labelled objects and matches
        none.
    compare : sequence of EverythingConfig
        Further configurations to report figures for, with the model's stability offset.
    **options
        Further options of `SamAutomaticMaskGenerator` except thresholds, such as
        `points_per_side`.

    Returns
    -------
    Tuning

    Raises
    ------
    AnymaskError
        If no example has objects, or `labels` is invalid.

    Examples
    --------
    >>> from anymask import load
    >>> image = np.full((96, 128, 3), 40, np.uint8)
    >>> disc = np.hypot(*np.ogrid[-40:56, -60:68]) < 25
    >>> image[disc] = (220, 180, 60)
    >>> tuning = tune_everything(load(), [Example("disc", image, [disc])], points_per_side=4)
    >>> tuning.verdict, len(tuning.images)
    ('untested', 1)
    """
    grid = ThresholdGrid.around(sam.config.everything, *compare)
    found: list[Candidates] = []
    tables: list[NDArray[np.float64]] = []
    for example in examples:
        if len(example.masks):
            kind = labels_of(example.set_name, labels)
            candidates = find_candidates(sam, example, grid.loosest, kind, **options)
            scores, used = score_grid(candidates, grid)
            for config in compare:
                used[distinct_at(candidates.masks, config)] = True
            found.append(candidates.only(used))
            tables.append(scores)
    if not found:
        raise AnymaskError("None of the images has an object to tune on; check the masks.")
    return _Search(grid, found, np.stack(tables)).tuning(compare)


def labels_of(set_name: str, labels: Labels | Mapping[str, Labels]) -> Labels:
    """Return how completely a set is labelled.

    Raises
    ------
    AnymaskError
        If the set is missing from `labels`, or the value is neither "complete" nor "sparse".
    """
    kind = labels.get(set_name) if isinstance(labels, Mapping) else labels
    if kind not in ("complete", "sparse"):
        raise AnymaskError(
            f"Labels of {set_name or 'the images'} are {kind!r}; they must be 'complete' if "
            "every object is labelled, or 'sparse' if only some are."
        )
    return kind


class _Search:
    """Choice of thresholds, given all scores."""

    def __init__(
        self, grid: ThresholdGrid, found: list[Candidates], scores: NDArray[np.float64]
    ) -> None:
        self.grid, self.found, self.scores = grid, found, scores  # scores (images, *grid.shape)
        self._cleaned: dict[tuple[int, EverythingConfig], float] = {}

    def tuning(self, compare: Sequence[EverythingConfig] = ()) -> Tuning:
        everyone = list(range(len(self.found)))
        own, tuned = self.grid.own, self.best(everyone)
        left_out: list[EverythingConfig] = []
        if len(everyone) >= FEWEST_TO_TEST:
            left_out = [self.best([i for i in everyone if i != one]) for one in everyone]
        configs = {
            "before": [own] * len(everyone),
            "after": [tuned] * len(everyone),
            **({"left_out": left_out} if left_out else {}),
        }
        images = [
            TunedImage(
                candidates.set_name,
                candidates.name,
                len(candidates.true),
                self.score(i, own),
                self.score(i, tuned),
                self.score(i, left_out[i]) if left_out else float("nan"),
            )
            for i, candidates in enumerate(self.found)
        ]
        figures = {which: self.figures(chosen) for which, chosen in configs.items()}
        labels = {candidates.set_name: candidates.labels for candidates in self.found}
        compared = [self.figures([config] * len(everyone)) for config in compare]
        return Tuning(own, tuned, images, figures, labels, compared)

    def best(self, images: list[int]) -> EverythingConfig:
        """Return the best thresholds for some of the images; every set has the same weight."""
        own = self.grid.place(self.grid.own)
        gains = self.scores[images] - self.scores[images][:, *own][:, None, None, None]
        worth = self.surely(gains, images)
        good = np.argwhere(worth >= worth.max() - _AS_GOOD)
        away = np.abs(good - own) / worth.shape
        place = good[away.sum(1).argmin()]
        index = (int(place[0]), int(place[1]), int(place[2]))
        # The model's own area comes first, so that it stays unless another is better.
        areas = sorted(self.grid.areas, key=lambda a: a != self.grid.own.min_mask_region_area)
        configs = [self.grid.config(index, area) for area in areas]
        scores = np.array([[self.score(i, config) for config in configs] for i in images])
        return configs[int(np.argmax(self.surely(scores - scores[:, :1], images).round(6)))]

    def surely(self, gains: NDArray[np.float64], images: list[int]) -> NDArray[np.float64]:
        """Mean gain over images (the first axis) minus a multiple of its standard error."""
        weights = self.weights(images)
        mean = np.tensordot(weights, gains, 1)
        count = len(images)
        spread = np.tensordot(weights**2, (gains - mean) ** 2, 1) * count / max(1, count - 1)
        surely: NDArray[np.float64] = mean - _STANDARD_ERRORS * np.sqrt(spread)
        return surely

    def score(self, image: int, config: EverythingConfig) -> float:
        """The cached score of an image."""
        key = (image, config)
        if key not in self._cleaned:
            if self.grid.holds(config) and config.min_mask_region_area <= 0:
                score = float(self.scores[image][self.grid.place(config)])
            else:
                score = score_of(self.found[image], config)
            self._cleaned[key] = score
        return self._cleaned[key]

    def weights(self, images: list[int]) -> NDArray[np.float64]:
        """Weights of images that give every set the same total, and sum to 1."""
        names = [self.found[i].set_name for i in images]
        return np.array([1 / names.count(name) for name in names]) / len(set(names))

    def figures(self, configs: list[EverythingConfig]) -> Figures:
        """Figures by set, with one configuration per image."""
        records: list[EverythingRecord] = []
        kept: dict[str, list[int]] = {}
        scores: dict[str, list[float]] = {}
        for i, (candidates, config) in enumerate(zip(self.found, configs, strict=True)):
            masks = candidates.kept(config)
            overlaps, judged = candidates.overlaps(masks)
            about = judged | (overlaps.iou >= 0.5).any(1)
            overlaps = replace(overlaps, iou=overlaps.iou[about], scores=overlaps.scores[about])
            name = candidates.set_name
            records.append(EverythingRecord(name, candidates.name, overlaps))
            kept.setdefault(name, []).append(len(masks))
            scores.setdefault(name, []).append(self.score(i, config))
        figures = everything_figures(records)
        return {
            name: {
                "score": float(np.mean(scores[name])),
                **of_set,
                "masks_per_image": float(np.mean(kept[name])),
            }
            for name, of_set in figures.items()
        }
