"""All combinations of thresholds of "everything", scored on cached candidates in a second.

Greedy suppression goes from the highest predicted IoU down, so the masks that it keeps above a
higher threshold of predicted IoU are the first of those that it keeps above a lower one. Therefore
suppression runs once per stability and overlap, and the threshold of predicted IoU only decides
where to stop. If masks are ranked differently (`order_by`), it runs for every combination.

The score of an image is the F1 of found and true masks, averaged over matching thresholds of IoU
from .5 to .9. Missed masks, extra masks and coarse masks all lower it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.candidates import Candidates, suppress
from anymask.masks.distinct import conflicts
from anymask.model.config import EverythingConfig
from anymask.predict.everything.duplicates import worth

MATCH_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""IoU thresholds of a match; F1 is averaged over them."""

_PREDICTED_IOU = (
    *(0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6),
    *(0.65, 0.7, 0.75, 0.8, 0.85, 0.88, 0.91, 0.94),
)
_STABILITY = (0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97)
_BOX_NMS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
AREAS = (0, 25, 50, 100, 200)
"""Values of `min_mask_region_area` that are tried after the other thresholds are chosen."""


@dataclass(frozen=True)
class ThresholdGrid:
    """Values to try for each threshold, in ascending order.

    Attributes
    ----------
    own : EverythingConfig
        The model's own configuration: its stability offset is used throughout, and its thresholds
        are among the values.
    pred_iou, stability, box_nms : tuple of float
    areas : tuple of float
    """

    own: EverythingConfig
    pred_iou: tuple[float, ...]
    stability: tuple[float, ...]
    box_nms: tuple[float, ...]
    areas: tuple[float, ...]

    @classmethod
    def around(cls, own: EverythingConfig, *others: EverythingConfig) -> ThresholdGrid:
        """Return the values to try for a model, including those of other configurations.

        Examples
        --------
        >>> grid = ThresholdGrid.around(EverythingConfig())
        >>> grid.own.pred_iou_thresh, grid.own.pred_iou_thresh in grid.pred_iou, grid.shape
        (0.88, True, (17, 13, 8))
        """

        all_of = (own, *others)
        return cls(
            own,
            tuple(sorted({*_PREDICTED_IOU, *(c.pred_iou_thresh for c in all_of)})),
            tuple(sorted({*_STABILITY, *(c.stability_score_thresh for c in all_of)})),
            tuple(sorted({*_BOX_NMS, *(c.box_nms_thresh for c in all_of)})),
            tuple(sorted({*AREAS, *(c.min_mask_region_area for c in all_of)})),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of values for predicted IoU, stability and overlap."""
        return len(self.pred_iou), len(self.stability), len(self.box_nms)

    @property
    def loosest(self) -> EverythingConfig:
        """The lowest thresholds, at which candidates are found."""
        return replace(
            self.own,
            pred_iou_thresh=self.pred_iou[0],
            stability_score_thresh=self.stability[0],
        )

    def config(self, index: tuple[int, int, int], area: float) -> EverythingConfig:
        """Return the configuration at an index of the grid."""
        return replace(
            self.own,
            pred_iou_thresh=self.pred_iou[index[0]],
            stability_score_thresh=self.stability[index[1]],
            box_nms_thresh=self.box_nms[index[2]],
            min_mask_region_area=area,
        )

    def holds(self, config: EverythingConfig) -> bool:
        """Whether a configuration is in the grid, with no other difference than thresholds."""
        return config == self.config(self.place(config), config.min_mask_region_area)

    def place(self, config: EverythingConfig) -> tuple[int, int, int]:
        """Return the index of a configuration in the grid, ignoring its area."""
        return (
            self.pred_iou.index(config.pred_iou_thresh),
            self.stability.index(config.stability_score_thresh),
            self.box_nms.index(config.box_nms_thresh),
        )


def score_grid(
    candidates: Candidates, grid: ThresholdGrid
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score an image at every index of a grid, without cleaning masks.

    Returns
    -------
    scores : `grid.shape` float64 array
    used : (N,) bool array
        Candidates that some configuration of the grid keeps; the others are not needed.
    """
    scores = np.zeros(grid.shape)
    used = np.zeros(len(candidates.masks), bool)
    predicted = candidates.masks.predicted_iou.astype(np.float32)
    conflict_at = conflicts(candidates.masks, grid.own.nms_by, grid.box_nms[0])
    for k, overlap in enumerate(grid.box_nms):
        conflict = conflict_at(overlap)
        for j, stability in enumerate(grid.stability):
            level = replace(grid.loosest, stability_score_thresh=stability)
            if grid.own.order_by != "predicted_iou":
                ranked = np.argsort(-worth(candidates.masks, grid.own), kind="stable")
                for i, least in enumerate(grid.pred_iou):
                    passing = candidates.passing(replace(level, pred_iou_thresh=least))
                    conflict_ranked = conflict[np.ix_(ranked, ranked)]
                    kept = ranked[suppress(conflict_ranked, passing[ranked])]
                    used[kept] = True
                    scores[i, j, k] = _scores_of_prefixes(candidates, kept, [len(kept)])[0]
                continue
            kept = suppress(conflict, candidates.passing(level))
            used[kept] = True
            counts = [
                int((predicted[kept] > np.float32(least)).sum()) if least > 0 else len(kept)
                for least in grid.pred_iou
            ]
            scores[:, j, k] = _scores_of_prefixes(candidates, kept, counts)
    return scores, used


def _scores_of_prefixes(
    candidates: Candidates, kept: NDArray[np.int64], counts: Sequence[int]
) -> list[float]:
    """Score the first n of the kept masks, for several n."""
    hits = matches_of_prefixes(candidates.iou[kept])  # (thresholds, kept + 1)
    judged = np.concatenate([[0], np.cumsum(candidates.judged[kept])])
    true = len(candidates.true)
    return [float(f1(hits[:, n], judged[n], true).mean()) for n in counts]


def score_of(candidates: Candidates, config: EverythingConfig) -> float:
    """Score an image with one configuration, including cleaning of masks."""
    overlaps, judged = candidates.overlaps(candidates.kept(config))
    hits = matches_of_prefixes(overlaps.iou)[:, -1]
    return float(f1(hits, int(judged.sum()), len(candidates.true)).mean())


def f1(
    matched: NDArray[np.int64], judged: int | NDArray[np.int64], true: int
) -> NDArray[np.float64]:
    """F1 from the numbers of matches, judged found masks, and true masks.

    A match counts as judged even if most of it lies outside the labelled objects.
    """
    found = np.maximum(judged, matched)
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(2 * matched / (found + true))


def matches_of_prefixes(
    iou: NDArray[np.float64], thresholds: tuple[float, ...] = MATCH_THRESHOLDS
) -> NDArray[np.int64]:
    """Largest number of pairs of the first n found masks with true ones, for each n.

    Parameters
    ----------
    iou : (N, M) float64 array
        IoU of found with true masks.
    thresholds : tuple of float
        Lowest IoU of a pair.

    Returns
    -------
    (thresholds, N + 1) int64 array

    Examples
    --------
    >>> matches_of_prefixes(np.array([[0.9, 0.6], [0.7, 0.0], [0.0, 0.0]]), (0.5, 0.8))
    array([[0, 1, 2, 2],
           [0, 1, 1, 1]])
    """
    counts = np.zeros((len(thresholds), len(iou) + 1), np.int64)
    for row, threshold in enumerate(thresholds):
        partner: dict[int, int] = {}  # from each true mask to its found mask
        allowed = {
            int(i): np.flatnonzero(iou[i] >= threshold).tolist()
            for i in np.flatnonzero((iou >= threshold).any(1) if iou.size else np.zeros(0))
        }
        new = np.zeros(len(iou), np.int64)
        for found in allowed:
            new[found] = _find_partner(found, allowed, partner, set())
        counts[row, 1:] = np.cumsum(new)
    return counts


def _find_partner(
    found: int, allowed: dict[int, list[int]], partner: dict[int, int], asked: set[int]
) -> bool:
    """Pair a found mask, reassigning earlier ones to other true masks if necessary."""
    for true in allowed[found]:
        if true in asked:
            continue
        asked.add(true)
        if true not in partner or _find_partner(partner[true], allowed, partner, asked):
            partner[true] = found
            return True
    return False
