"""From what a run found to labels: thresholds applied without the model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks.labels import label_dtype
from anymask.masks.mask_set import MaskSet
from anymask.session.deltas import Delta
from anymask.session.editing import SessionEdits
from anymask.session.errors import SessionError
from anymask.session.journal import inside
from anymask.session.options import Thresholds
from anymask.session.records import (
    Change,
    LayerKey,
    ObjectInfo,
)

if TYPE_CHECKING:
    from anymask.predict.score_map import ScoreMap

Infos = dict[int, ObjectInfo]
# Runs whose findings stay in memory, so that a slider moves at once.
_HELD = 8


class SessionChoices(SessionEdits):
    """Thresholds of layers that a run has segmented."""

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        super().__init__(folder, read_only=read_only)
        self._found: OrderedDict[str, Any] = OrderedDict()

    def run_facts(self, layer: LayerKey) -> dict[str, Any]:
        """What is known of the run behind a layer: files, options, thresholds, model."""
        with self._mutex:
            return dict(self._layer(layer).meta)

    def has_candidates(self, layer: LayerKey) -> bool:
        """Whether thresholds of "everything" can be moved."""
        return bool(self.run_facts(layer).get("candidates"))

    def has_scores(self, layer: LayerKey) -> bool:
        """Whether the threshold of semantic mode can be moved."""
        return bool(self.run_facts(layer).get("scores"))

    def thresholds(self, layer: LayerKey) -> Thresholds:
        """The thresholds that a layer's masks were chosen by."""
        return Thresholds(**self._need(layer, "candidates")["thresholds"])

    def threshold_limits(self, layer: LayerKey) -> Thresholds:
        """The least scores for which masks were kept; below these the model must run again."""
        return Thresholds(**self._need(layer, "candidates")["limits"])

    def count_at(self, layer: LayerKey, thresholds: Thresholds) -> int:
        """How many objects there would be."""
        return sum(len(masks) for masks in self._chosen(layer, thresholds))

    def chosen(self, layer: LayerKey, plane: int = 0) -> MaskSet:
        """The masks behind a layer that was not edited, with their overlaps."""
        return self._chosen(layer, self.thresholds(layer))[plane]

    def preview_thresholds(self, layer: LayerKey, thresholds: Thresholds) -> NDArray[Any]:
        """The labels there would be; nothing is changed."""
        return labelled(self._chosen(layer, thresholds), self._layer(layer).labels.shape)[0]

    def set_thresholds(
        self, layer: LayerKey, thresholds: Thresholds, *, replace: bool = False
    ) -> Change:
        """Choose other masks of those that were found, without the model.

        Raises
        ------
        EditedError
            If the layer was edited and `replace` is false.
        SessionError
            If nothing was found there by a run, or a threshold is below what was kept.
        """
        if not replace:
            self._refuse_edited([layer], "replaced")
        labels, infos = labelled(self._chosen(layer, thresholds), self._layer(layer).labels.shape)
        facts = {"thresholds": asdict(thresholds)}
        return self._renew_chosen(layer, labels, infos, facts, replace)

    def preview_semantic(self, layer: LayerKey, threshold: float) -> NDArray[Any]:
        """The labels there would be at a logit; nothing is changed."""
        return self._at_logit(layer, threshold)[0]

    def set_semantic_threshold(
        self, layer: LayerKey, threshold: float, *, replace: bool = False
    ) -> Change:
        """Take another logit as the limit of a semantic mask, without the model.

        Raises
        ------
        EditedError, SessionError
            As `set_thresholds`.
        """
        if not replace:
            self._refuse_edited([layer], "replaced")
        labels, infos = self._at_logit(layer, threshold)
        return self._renew_chosen(layer, labels, infos, {"semantic_threshold": threshold}, replace)

    def _renew_chosen(
        self,
        layer: LayerKey,
        labels: NDArray[Any],
        infos: Infos,
        facts: dict[str, Any],
        replace: bool,
    ) -> Change:
        with self._mutex:
            if not replace:  # edited while the masks were chosen
                self._refuse_edited([layer], "replaced")
            meta = {**self.run_facts(layer), **facts}
            kind = "segment" if self.edited_layers([layer]) else "thresholds"
            return self._renew(layer, kind, labels, infos, meta, facts)

    def _renew(
        self,
        layer: LayerKey,
        kind: str,
        labels: NDArray[Any],
        infos: Infos,
        meta: dict[str, Any],
        args: dict[str, Any],
    ) -> Change:
        """Put other labels in place of all that a layer has, as one step."""
        with self._mutex:
            found = self._layer(layer)
            delta = Delta.between(found.labels, labels)
            step = found.step_to(kind, delta, args=args, infos=infos, meta=meta, renew=True)
            return self._commit(layer, step)

    def _need(self, layer: LayerKey, what: str) -> dict[str, Any]:
        facts = self.run_facts(layer)
        if not facts.get(what):
            raise SessionError(
                f"{self.title(layer)} has no results of a run whose thresholds could be moved; "
                "segment it first."
            )
        return facts

    def _chosen(self, layer: LayerKey, thresholds: Thresholds) -> list[MaskSet]:
        facts = self._need(layer, "candidates")
        limits = Thresholds(**facts["limits"])
        for name in ("pred_iou", "stability"):
            low, wanted = getattr(limits, name), getattr(thresholds, name)
            if wanted < low - 1e-9:
                raise SessionError(
                    f"Masks below {name} {low:g} were not kept; segment again to go down to "
                    f"{wanted:g}."
                )
        sets = []
        for file in facts["candidates"]:
            masks, cleaned = self._candidates(file)
            tiled = facts["options"].get("tile_size") is not None
            sets.append(choose(masks, thresholds, facts["offset"], cleaned, tiled=tiled))
        return sets

    def _candidates(self, file: str) -> tuple[MaskSet, dict[Any, Any]]:
        with self._mutex:
            if file in self._found:
                self._found.move_to_end(file)
                return self._found[file]
        from anymask.io.mask_formats.npz_runs import read_runs

        return self._keep_found(file, (read_runs(inside(self.folder, file)), {}))

    def _at_logit(self, layer: LayerKey, threshold: float) -> tuple[NDArray[Any], Infos]:
        from anymask.predict.score_map import ScoreMap

        maps: list[ScoreMap] = []
        for file in self._need(layer, "scores")["scores"]:
            with self._mutex:
                known = self._found.get(file)
            maps.append(known or self._keep_found(file, ScoreMap.load(inside(self.folder, file))))
        return semantic_labels(maps, self._layer(layer).labels.shape, threshold)

    def _keep_found(self, file: str, found: Any) -> Any:
        with self._mutex:
            self._found[file] = found
            while len(self._found) > _HELD:
                self._found.popitem(last=False)
        return found


def choose(
    masks: MaskSet,
    thresholds: Thresholds,
    offset: float,
    cleaned: dict[Any, Any] | None = None,
    *,
    tiled: bool = False,
) -> MaskSet:
    """Those of the masks found that thresholds let through.

    Parameters
    ----------
    masks : MaskSet
        From `anymask.predict.everything.found_once.find`.
    thresholds : Thresholds
    offset : float
        The stability offset that they were found with.
    cleaned : dict, optional
        Remembers cleaned masks for the next call.
    tiled : bool
        Whether they were found in tiles.
    """
    from anymask.predict.everything.found_once import kept

    return kept(masks, thresholds.config(offset), cleaned, tiled=tiled).filter(
        min_area=thresholds.min_area or None, max_area=thresholds.max_area
    )


def labelled(sets: Sequence[MaskSet], shape: tuple[int, ...]) -> tuple[NDArray[Any], Infos]:
    """Masks of each plane as one label array, small ones on top, and what is known of them.

    Parameters
    ----------
    sets : sequence of MaskSet
        One for each plane; ids go on from plane to plane.
    shape : tuple of int
        Of the labels.
    """
    total = sum(len(masks) for masks in sets)
    labels = np.zeros(shape, max(np.dtype(np.uint16), label_dtype(total)))
    infos: Infos = {}
    first = 0
    for index, masks in enumerate(sets):
        part = labels[index] if labels.ndim == 3 else labels
        painted = masks.to_labels()
        part[:] = np.where(painted > 0, painted.astype(labels.dtype) + first, 0)
        scores = zip(masks.ids, masks.predicted_iou, masks.stability_score, strict=True)
        infos |= {
            first + int(i): ObjectInfo("", float(iou), float(stability), origin="everything")
            for i, iou, stability in scores
        }
        first += int(masks.ids.max(initial=0))
    return labels, infos


def semantic_labels(
    maps: Sequence[ScoreMap], shape: tuple[int, ...], threshold: float
) -> tuple[NDArray[Any], Infos]:
    """Score maps of each plane as labels: 1 where the score is above the threshold."""
    labels = np.zeros(shape, np.uint16)
    for index, scores in enumerate(maps):
        part = labels[index] if labels.ndim == 3 else labels
        part[:] = scores.mask(threshold)
    score = float(np.mean([scores.predicted_iou for scores in maps]))
    return labels, {1: ObjectInfo("", score, origin="semantic")}
