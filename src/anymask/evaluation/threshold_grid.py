"""Every combination of thresholds of "everything", scored on cached candidates in a second.

Greedy suppression goes from the best predicted IoU down, so what it keeps above a higher
threshold of predicted IoU is the beginning of what it keeps above a lower one. Suppression
therefore runs once for each stability and each overlap, and the threshold of predicted IoU only
says where to stop. Where masks are ranked otherwise (`order_by`) it runs for every combination.

The score of an image is F1 between found and true masks, averaged over the IoU that makes a
match, .5 to .9: a mask that is missed, one too many and a coarse one all cost.
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
"""IoU at which a found mask matches a true one; F1 is averaged over them."""

_PREDICTED_IOU = (
    *(0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6),
    *(0.65, 0.7, 0.75, 0.8, 0.85, 0.88, 0.91, 0.94),
)
_STABILITY = (0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97)
_BOX_NMS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
AREAS = (0, 25, 50, 100, 200)
"""Values of `min_mask_region_area` that are tried once the other thresholds are chosen."""


@dataclass(frozen=True)
class ThresholdGrid:
    """Values to try of each threshold, increasing.

    Attributes
    ----------
    own : EverythingConfig
        What the model brings: its stability offset holds for all, and its thresholds are among
        the values.
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
        """Return the values to try for a model, those of other configurations among them.

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
        """Numbers of values of predicted IoU, stability and overlap."""
        return len(self.pred_iou), len(self.stability), len(self.box_nms)

    @property
    def loosest(self) -> EverythingConfig:
        """The least of the thresholds by which candidates are found."""
        return replace(
            self.own,
            pred_iou_thresh=self.pred_iou[0],
            stability_score_thresh=self.stability[0],
        )

    def config(self, index: tuple[int, int, int], area: float) -> EverythingConfig:
        """Return the configuration at a place in the grid."""
        return replace(
            self.own,
            pred_iou_thresh=self.pred_iou[index[0]],
            stability_score_thresh=self.stability[index[1]],
            box_nms_thresh=self.box_nms[index[2]],
            min_mask_region_area=area,
        )

    def holds(self, config: EverythingConfig) -> bool:
        """Whether a configuration is in the grid: nothing but the thresholds is another."""
        return config == self.config(self.place(config), config.min_mask_region_area)

    def place(self, config: EverythingConfig) -> tuple[int, int, int]:
        """Return where in the grid a configuration is, its area left aside."""
        return (
            self.pred_iou.index(config.pred_iou_thresh),
            self.stability.index(config.stability_score_thresh),
            self.box_nms.index(config.box_nms_thresh),
        )


def score_grid(
    candidates: Candidates, grid: ThresholdGrid
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score an image at every place of a grid, without cleaning of masks.

    Returns
    -------
    scores : `grid.shape` float64 array
    used : (N,) bool array
        Candidates that some place of the grid keeps; the others can be forgotten.
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
    """Score the first n of the masks that are kept, for each n of some."""
    hits = matches_of_prefixes(candidates.iou[kept])  # (thresholds, kept + 1)
    judged = np.concatenate([[0], np.cumsum(candidates.judged[kept])])
    true = len(candidates.true)
    return [float(f1(hits[:, n], judged[n], true).mean()) for n in counts]


def score_of(candidates: Candidates, config: EverythingConfig) -> float:
    """Score an image at one configuration, cleaning of masks included."""
    overlaps, judged = candidates.overlaps(candidates.kept(config))
    hits = matches_of_prefixes(overlaps.iou)[:, -1]
    return float(f1(hits, int(judged.sum()), len(candidates.true)).mean())


def f1(
    matched: NDArray[np.int64], judged: int | NDArray[np.int64], true: int
) -> NDArray[np.float64]:
    """F1 from the numbers of matches, of found masks that are judged, and of true masks.

    A match counts as judged even if most of it lies off the labelled objects.
    """
    found = np.maximum(judged, matched)
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(2 * matched / (found + true))


def matches_of_prefixes(
    iou: NDArray[np.float64], thresholds: tuple[float, ...] = MATCH_THRESHOLDS
) -> NDArray[np.int64]:
    """Most pairs of the first n found masks with true ones, for each n.

    Parameters
    ----------
    iou : (N, M) float64 array
        Of found with true masks.
    thresholds : tuple of float
        Least IoU of a pair.

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
        partner: dict[int, int] = {}  # of a true mask: the found one
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
    """Pair a found mask, moving earlier ones to other true masks if that makes room."""
    for true in allowed[found]:
        if true in asked:
            continue
        asked.add(true)
        if true not in partner or _find_partner(partner[true], allowed, partner, asked):
            partner[true] = found
            return True
    return False
