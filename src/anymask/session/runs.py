"""`session.runs`: the model, options, runs over layers, and changes of thresholds afterwards."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.files import sha256
from anymask.masks.mask_set import MaskSet
from anymask.session.adding import added
from anymask.session.errors import SessionError, StoppedError
from anymask.session.found import (
    FoundFiles,
    Infos,
    choose,
    find_masks,
    find_scores,
    labelled,
    loosest_of,
    refuse_below,
    semantic_labels,
)
from anymask.session.images import Images
from anymask.session.layers import Layers
from anymask.session.records import CancelToken, Change, Event, LayerKey, ModelRecord
from anymask.session.run_options import Options, Thresholds
from anymask.session.run_result import RunProgress, RunResult
from anymask.session.store.history import ADD
from anymask.session.store.store import Store

if TYPE_CHECKING:
    from anymask.model.sam import Sam

# Layers to keep in memory during a run, which may cover hundreds of images.
_MOST_LAYERS = 8


class Runs:
    """Runs of a model over layers, and what they found."""

    def __init__(self, store: Store, images: Images, layers: Layers) -> None:
        self._store, self._images, self._layers = store, images, layers
        self._found = FoundFiles(store)

    @property
    def model(self) -> ModelRecord | None:
        """The model used last."""
        return self._store.state.values.get("model")

    @property
    def models(self) -> dict[str, ModelRecord]:
        """All models used so far, by `ModelRecord.model_hash`."""
        return {each.model_hash: each for each in self._store.state.earlier.get("model", ())}

    def use_model(self, sam: Sam, source: str | Path | None = None) -> ModelRecord:
        """Record which model the session uses. Slow: hashes the weights.

        Parameters
        ----------
        sam : Sam
        source : str or Path, optional
            The argument of `anymask.load`.
        """
        from anymask.predict.embeddings import model_hash

        digest = model_hash(sam)
        file = None if source is None else Path(source)
        is_file = file is not None and file.is_file()
        if is_file:  # found again from another working directory
            source = Path(os.path.abspath(source))  # type: ignore[arg-type]
        text = None if source is None else str(source)
        known = self.model
        if known is not None and known.model_hash == digest and text in (None, known.source):
            return known
        record = ModelRecord(
            sam.config.name,
            text,
            sha256(file) if file is not None and is_file else None,
            digest,
            sam.config.image_size,
        )
        self._store.record("model", model=asdict(record))
        dtype = str(sam.dtype).removeprefix("torch.")
        self._store.log(f"Model {record.name}, {sam.device.type}, {dtype}")
        self._store.tell(Event("model"))
        return record

    @property
    def options(self) -> Options:
        """The options of runs."""
        return self._store.state.values.get("options") or Options()

    def set_options(self, **changes: Any) -> Options:
        """Change options; see `Options`.

        Raises
        ------
        SessionError
            If there is no such option, or its value is out of range.
        """
        options = self.options.changed(**changes)
        if options != self.options:
            self._store.record("options", options=options.to_json())
            self._store.tell(Event("options"))
        return options

    @property
    def failures(self) -> dict[LayerKey, str]:
        """Layers whose last run failed, each with a sentence, until a run over them succeeds."""
        known = set(self._layers)
        return {key: why for key, why in self._store.state.failures.items() if key in known}

    def segment(
        self,
        sam: Sam,
        layers: Iterable[LayerKey] | None = None,
        *,
        replace: bool | Collection[LayerKey] = False,
        keep: Literal["hand", "all"] | None = None,
        progress: Callable[[RunProgress], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> RunResult:
        """Segment layers (all by default) with the options of the session. Slow.

        The result names the layers that failed; they do not stop the others. Layers removed in the
        meantime are skipped. A cancelled run keeps finished layers.

        Parameters
        ----------
        sam : Sam
        layers : iterable of LayerKey, optional
        replace : bool or collection of LayerKey
            Whether layers edited by hand may be replaced, or which of them. Other layers that are
            edited during the run keep their masks and count as failed.
        keep : {"hand", "all"}, optional
            Which objects stay, in all layers: those that were made or edited by hand, or all. What
            the run finds is added where at least half of it is free. By default none stay.
        progress : callable, optional
        cancel : CancelToken, optional

        Raises
        ------
        EditedError
            If a layer was edited by hand and may not be replaced; raised before the run starts.
        SessionError
            If the session was opened read-only.
        """
        self._store.refuse_read_only()
        keys = list(self._layers if layers is None else layers)
        replaceable = set(keys if replace is True else replace or ())
        fixed = [key for key in keys if key not in replaceable and keep is None]
        self._store.state.refuse_edited(fixed, "replaced")
        self.use_model(sam)
        options, run, start = self.options, RunResult(), time.monotonic()

        for index, key in enumerate(keys):

            def tell(part: float, key: LayerKey = key, index: int = index) -> None:
                if cancel is not None and cancel.is_cancelled:
                    raise StoppedError
                if progress is not None:
                    whole = (index + part) / len(keys)
                    progress(RunProgress(key, self._layers.title(key), index, len(keys), whole))

            try:
                tell(0.0)
                self._segment_layer(sam, key, options, key in replaceable, keep, tell)
                run.done.append(key)
            except StoppedError:
                run.cancelled = True
                self._store.log(f"Cancelled; {len(run.done)} of {len(keys)} are done.")
                break
            except AnymaskError as error:
                if key in self._layers:  # otherwise it was removed in the meantime
                    run.failed.append((key, str(error)))
            except (MemoryError, RuntimeError, OSError) as error:
                # Mostly from torch; the most common is a GPU that is out of memory.
                self._store.log("".join(traceback.format_exception(error)[-4:]))
                first = (str(error).splitlines() or [type(error).__name__])[0]
                run.failed.append((key, f"The model failed: {first}"))
            finally:
                if self._store.layers_in_memory > _MOST_LAYERS:
                    self._store.release(keep=[key])
        run.failed = [(key, sentence) for key, sentence in run.failed if key in self._layers]
        if run.failed or any(key in self._store.state.failures for key in run.done):
            failed = [[list(key), sentence] for key, sentence in run.failed]
            self._store.record("run", done=[list(key) for key in run.done], failed=failed)
            self._store.tell(Event("run"))
        for key, sentence in run.failed:
            self._store.log(f"{self._layers.title(key)}: {sentence}")
        run.seconds = time.monotonic() - start
        return run

    def _segment_layer(
        self,
        sam: Sam,
        key: LayerKey,
        options: Options,
        replace: bool,
        keep: Literal["hand", "all"] | None,
        tell: Callable[[float], None],
    ) -> None:
        record = self._images[key.image]
        how = record.recipe(key.recipe)
        thresholds = options.thresholds or Thresholds.of(sam)
        found: list[Any] = []
        for plane in range(record.planes):

            def advance(done: int, total: int, plane: int = plane) -> None:
                tell((plane + done / max(total, 1)) / record.planes)

            pixels = self._images.rgb(key, plane)
            advance(0, 1)
            if options.mode == "semantic":
                found.append(find_scores(sam, pixels, options))
            else:
                found.append(find_masks(sam, pixels, options, thresholds, advance))
        number = self._store.state.number
        names = [f"found/{key.image}-{key.recipe}-{number}-{p}.npz" for p in range(len(found))]
        model = self.model
        args = {
            "options": options.to_json(),
            "model": None if model is None else model.model_hash,
        }
        meta: dict[str, Any] = dict(args)
        if options.mode == "semantic":
            meta |= {"scores": names, "semantic_threshold": options.semantic_threshold}
            for name, scores in zip(names, found, strict=True):
                self._found.save_scores(name, scores)
            labels, infos = semantic_labels(found, record.label_shape, options.semantic_threshold)
        else:
            args["thresholds"] = asdict(thresholds)
            meta |= {
                "candidates": names,
                "thresholds": asdict(thresholds),
                "limits": asdict(loosest_of(sam, thresholds)),
                "offset": sam.config.everything.stability_score_offset,
            }
            tiled, sets = options.tile_size is not None, []
            for name, masks in zip(names, found, strict=True):
                cleaned = self._found.save_masks(name, masks)
                sets.append(choose(masks, thresholds, meta["offset"], cleaned, tiled=tiled))
            labels, infos = labelled(sets, record.label_shape)
        with self._store.mutex:
            if self._images[key.image].recipe(key.recipe) != how:
                raise SessionError(
                    f"The expressions of the pseudo-RGB {key.recipe} changed while the model was "
                    "running; segment again."
                )
            if keep is not None and self._add(key, keep, args, labels, infos):
                return
            if not replace and self._layers.edited([key]):
                raise SessionError(
                    "The masks were edited while the model was running and were kept; segment "
                    "again to replace them."
                )
            self._store.change(
                key, "segment", labels, args=args, infos=infos, meta=meta, renew=True
            )

    def _add(
        self,
        key: LayerKey,
        keep: Literal["hand", "all"],
        args: dict[str, Any],
        found: NDArray[Any],
        infos: Infos,
    ) -> bool:
        """Add what was found to the objects that stay; return whether there are any."""
        kept = set(self._layers.ids(key))
        if keep == "hand":
            kept -= self._layers.automatic(key)
        if not kept:
            return False
        layer = self._store.layer(key)
        facts = {**args, "kept": sorted(kept), "last": layer.next_id - 1}
        labels, names = added(layer.labels, found, kept, layer.next_id - 1)
        new = {names[label]: info for label, info in infos.items() if label in names}
        self._store.change(key, ADD, labels, args=facts, infos=new, meta=dict(args))
        return True

    def facts(self, layer: LayerKey) -> dict[str, Any]:
        """Return facts about the run that made a layer: files, options, thresholds, model."""
        with self._store.mutex:
            return dict(self._store.layer(layer).meta)

    def has_candidates(self, layer: LayerKey) -> bool:
        """Whether the thresholds of "everything" can be changed without the model."""
        return bool(self.facts(layer).get("candidates"))

    def has_scores(self, layer: LayerKey) -> bool:
        """Whether the threshold of semantic mode can be changed without the model."""
        return bool(self.facts(layer).get("scores"))

    def thresholds(self, layer: LayerKey) -> Thresholds:
        """Return the thresholds that selected the masks of a layer."""
        return Thresholds(**self._need(layer, "candidates")["thresholds"])

    def limits(self, layer: LayerKey) -> Thresholds:
        """Return the lowest thresholds that can be set without running the model again."""
        return Thresholds(**self._need(layer, "candidates")["limits"])

    def chosen(self, layer: LayerKey, plane: int = 0) -> MaskSet:
        """Return the masks that a layer was made from, with overlaps and without edits."""
        return self._chosen(layer, self.thresholds(layer))[plane]

    def count(self, layer: LayerKey, thresholds: Thresholds) -> int:
        """Return how many objects other thresholds would give."""
        return sum(len(masks) for masks in self._chosen(layer, thresholds))

    def preview(self, layer: LayerKey, thresholds: Thresholds) -> NDArray[Any]:
        """Return the labels that other thresholds would give; nothing is changed."""
        return self._labels_at(layer, thresholds)[0]

    def set_thresholds(
        self, layer: LayerKey, thresholds: Thresholds, *, replace: bool = False
    ) -> Change:
        """Select masks again with other thresholds, without the model.

        Raises
        ------
        EditedError
            If the layer was edited and `replace` is false.
        SessionError
            If the layer has no results of a run, or a threshold is below `limits`.
        """
        facts = {"thresholds": asdict(thresholds)}
        return self._choose(layer, facts, replace, lambda: self._labels_at(layer, thresholds))

    def preview_semantic(self, layer: LayerKey, threshold: float) -> NDArray[Any]:
        """Return the labels that another threshold (a logit) would give; nothing is changed."""
        return self._labels_at_logit(layer, threshold)[0]

    def set_semantic_threshold(
        self, layer: LayerKey, threshold: float, *, replace: bool = False
    ) -> Change:
        """Set the threshold (a logit) of a semantic mask, without the model.

        Raises
        ------
        EditedError, SessionError
            See `set_thresholds`.
        """
        facts = {"semantic_threshold": threshold}
        return self._choose(layer, facts, replace, lambda: self._labels_at_logit(layer, threshold))

    def _choose(
        self,
        layer: LayerKey,
        facts: dict[str, Any],
        replace: bool,
        choose_labels: Callable[[], tuple[NDArray[Any], Infos]],
    ) -> Change:
        state = self._store.state
        if not replace:
            state.refuse_edited([layer], "replaced")
        labels, infos = choose_labels()
        with self._store.mutex:
            if not replace:  # it may have been edited while the masks were selected
                state.refuse_edited([layer], "replaced")
            meta = {**self.facts(layer), **facts}
            kind = "segment" if self._layers.edited([layer]) else "thresholds"
            return self._store.change(
                layer, kind, labels, args=facts, infos=infos, meta=meta, renew=True
            )

    def _labels_at(self, layer: LayerKey, thresholds: Thresholds) -> tuple[NDArray[Any], Infos]:
        return labelled(self._chosen(layer, thresholds), self._images[layer.image].label_shape)

    def _chosen(self, layer: LayerKey, thresholds: Thresholds) -> list[MaskSet]:
        facts = self._need(layer, "candidates")
        refuse_below(Thresholds(**facts["limits"]), thresholds)
        tiled = facts["options"].get("tile_size") is not None
        sets = []
        for file in facts["candidates"]:
            masks, cleaned = self._found.masks(file)
            sets.append(choose(masks, thresholds, facts["offset"], cleaned, tiled=tiled))
        return sets

    def _labels_at_logit(self, layer: LayerKey, threshold: float) -> tuple[NDArray[Any], Infos]:
        maps = [self._found.scores(file) for file in self._need(layer, "scores")["scores"]]
        return semantic_labels(maps, self._images[layer.image].label_shape, threshold)

    def _need(self, layer: LayerKey, what: str) -> dict[str, Any]:
        facts = self.facts(layer)
        if not facts.get(what):
            raise SessionError(
                f"{self._layers.title(layer)} has no results of a run, so its thresholds cannot be "
                "changed; segment it first."
            )
        return facts
