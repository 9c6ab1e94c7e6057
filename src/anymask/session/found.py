"""The masks and scores that a run found, kept so that thresholds can change without the model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks.labels import label_dtype
from anymask.masks.mask_set import MaskSet
from anymask.session.errors import SessionError
from anymask.session.records import ObjectInfo
from anymask.session.run_options import Options, Thresholds
from anymask.session.store.folder import inside
from anymask.session.store.store import Store

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.predict.score_map import ScoreMap

Infos = dict[int, ObjectInfo]
# Masks with scores this far below the thresholds are kept too, so that thresholds can be lowered.
_PRED_IOU_MARGIN, _STABILITY_MARGIN = 0.2, 0.2
# Results of runs in memory, so that sliders react at once.
_MOST_IN_MEMORY = 8


class FoundFiles:
    """Files with the results of runs; the last few stay in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._in_memory: OrderedDict[str, Any] = OrderedDict()

    def save_masks(self, name: str, masks: MaskSet) -> dict[Any, Any]:
        """Write all masks that a run found; return the cache of cleaned masks."""
        from anymask.io.mask_formats.npz_runs import save
        from anymask.io.write_context import WriteContext

        path = inside(self._store.folder, name)
        save(path, masks, WriteContext(path.stem))
        cleaned: dict[Any, Any] = {}
        self._keep(name, (masks, cleaned))
        return cleaned

    def save_scores(self, name: str, scores: ScoreMap) -> None:
        """Write a score map."""
        scores.save(inside(self._store.folder, name))
        self._keep(name, scores)

    def masks(self, name: str) -> tuple[MaskSet, dict[Any, Any]]:
        """Read all masks that a run found, with the cache of cleaned masks."""
        from anymask.io.mask_formats.npz_runs import read_runs

        known = self._known(name)
        return known or self._keep(name, (read_runs(inside(self._store.folder, name)), {}))

    def scores(self, name: str) -> ScoreMap:
        """Read a score map."""
        from anymask.predict.score_map import ScoreMap

        known = self._known(name)
        return known or self._keep(name, ScoreMap.load(inside(self._store.folder, name)))

    def _known(self, name: str) -> Any:
        with self._store.mutex:
            if name in self._in_memory:
                self._in_memory.move_to_end(name)
            return self._in_memory.get(name)

    def _keep(self, name: str, found: Any) -> Any:
        with self._store.mutex:
            self._in_memory[name] = found
            while len(self._in_memory) > _MOST_IN_MEMORY:
                self._in_memory.popitem(last=False)
        return found


def loosest_of(sam: Sam, thresholds: Thresholds) -> Thresholds:
    """Return the lowest scores at which a run still keeps masks."""
    own = Thresholds.of(sam)
    return replace(
        thresholds,
        pred_iou=round(max(0.0, min(own.pred_iou, thresholds.pred_iou) - _PRED_IOU_MARGIN), 6),
        stability=round(max(0.0, min(own.stability, thresholds.stability) - _STABILITY_MARGIN), 6),
    )


def find_masks(
    sam: Sam,
    pixels: NDArray[np.uint8],
    options: Options,
    thresholds: Thresholds,
    progress: Callable[[int, int], None] | None = None,
) -> MaskSet:
    """Find all masks of an RGB image that thresholds above `loosest_of` may keep."""
    from anymask.predict.everything.found_once import find

    limits = loosest_of(sam, thresholds)
    return find(
        sam,
        pixels,
        limits.config(sam.config.everything.stability_score_offset),
        progress=progress,
        points_per_side=options.points_per_side,
        crop_n_layers=options.crop_n_layers,
        tile_size=options.tile_size,
    )


def find_scores(sam: Sam, pixels: NDArray[np.uint8], options: Options) -> ScoreMap:
    """Compute the score map of an RGB image for the prompt of semantic mode."""
    from anymask.predict.predictor import SamPredictor
    from anymask.predict.semantic import score_map

    predictor = SamPredictor(sam)
    predictor.set_image(pixels)
    points = options.semantic_points or None
    return score_map(predictor, points, options.semantic_labels or None)


def refuse_below(limits: Thresholds, thresholds: Thresholds) -> None:
    """Refuse thresholds for which masks were not kept.

    Raises
    ------
    SessionError
        If a threshold is too low; the message names it.
    """
    for name in ("pred_iou", "stability"):
        low, wanted = getattr(limits, name), getattr(thresholds, name)
        if wanted < low - 1e-9:
            raise SessionError(
                f"Masks below {name} {low:g} were not kept; segment again to go down to {wanted:g}."
            )


def choose(
    masks: MaskSet,
    thresholds: Thresholds,
    offset: float,
    cleaned: dict[Any, Any] | None = None,
    *,
    tiled: bool = False,
) -> MaskSet:
    """Select the masks that pass the thresholds.

    Parameters
    ----------
    masks : MaskSet
        From `find_masks`.
    thresholds : Thresholds
    offset : float
        The stability offset of the run.
    cleaned : dict, optional
        Cache of cleaned masks for the next call.
    tiled : bool
        Whether the masks were found in tiles.
    """
    from anymask.predict.everything.found_once import kept

    return kept(masks, thresholds.config(offset), cleaned, tiled=tiled).filter(
        min_area=thresholds.min_area or None, max_area=thresholds.max_area
    )


def labelled(sets: Sequence[MaskSet], shape: tuple[int, ...]) -> tuple[NDArray[Any], Infos]:
    """Paint the masks of each plane into one label array, smaller masks on top.

    Parameters
    ----------
    sets : sequence of MaskSet
        One per plane; ids continue from plane to plane.
    shape : tuple of int
        Shape of the labels.
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
    """Turn the score maps of all planes into labels: 1 where the score is above the threshold."""
    labels = np.zeros(shape, np.uint16)
    for index, scores in enumerate(maps):
        part = labels[index] if labels.ndim == 3 else labels
        part[:] = scores.mask(threshold)
    score = float(np.mean([scores.predicted_iou for scores in maps]))
    return labels, {1: ObjectInfo("", score, origin="semantic")}


def run_again(sam: Sam, images: Iterable[NDArray[np.uint8]], args: Mapping[str, Any]) -> list[Any]:
    """Repeat a recorded run on RGB images; `labels_again` turns the result into labels."""
    options = Options.from_json(args["options"])
    if options.mode == "semantic":
        return [find_scores(sam, pixels, options) for pixels in images]
    thresholds = Thresholds(**args["thresholds"])
    tiled = options.tile_size is not None
    offset = sam.config.everything.stability_score_offset
    return [(find_masks(sam, pixels, options, thresholds), offset, tiled) for pixels in images]


def labels_again(
    found: Sequence[Any], args: Mapping[str, Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Repeat how a recorded run or change of thresholds made labels from `run_again`'s result."""
    if not isinstance(found[0], tuple):
        threshold = args.get("semantic_threshold")
        if threshold is None:
            threshold = (args.get("options") or {}).get("semantic_threshold", 0.0)
        return semantic_labels(found, shape, float(threshold))[0]
    thresholds = Thresholds(**args["thresholds"])
    sets = [choose(masks, thresholds, offset, tiled=tiled) for masks, offset, tiled in found]
    return labelled(sets, shape)[0]
