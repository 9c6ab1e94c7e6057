"""Running a model over the layers of a session."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.errors import AnymaskError
from anymask.files import sha256
from anymask.session.choosing import SessionChoices, choose, labelled, semantic_labels
from anymask.session.errors import SessionError, StoppedError
from anymask.session.journal import inside
from anymask.session.options import Options, Thresholds
from anymask.session.records import (
    CancelToken,
    Event,
    LayerKey,
    ModelRecord,
)

if TYPE_CHECKING:
    from anymask.masks.mask_set import MaskSet
    from anymask.model.sam import Sam
    from anymask.predict.score_map import ScoreMap

# Masks this much below the thresholds are kept, so that these can be lowered without the model.
_PRED_IOU_MARGIN, _STABILITY_MARGIN = 0.2, 0.2


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    layer : LayerKey
        At work.
    title : str
        Its name.
    index, total : int
        Which of the layers, from 0, and how many.
    fraction : float
        Of the whole run, from 0 to 1.
    """

    layer: LayerKey
    title: str
    index: int
    total: int
    fraction: float


@dataclass
class Run:
    """What became of a run.

    Attributes
    ----------
    done : list of LayerKey
    failed : list of (LayerKey, str)
        With a sentence each.
    cancelled : bool
        Whether it was stopped before the end; what is done stays.
    seconds : float
    """

    done: list[LayerKey] = field(default_factory=list)
    failed: list[tuple[LayerKey, str]] = field(default_factory=list)
    cancelled: bool = False
    seconds: float = 0.0


class SessionRuns(SessionChoices):
    """The model, the options, and runs over layers."""

    @property
    def model(self) -> ModelRecord | None:
        """The model used last."""
        return self._state.model

    def use_model(self, sam: Sam, source: str | Path | None = None) -> ModelRecord:
        """Note with which model the session works. Slow: its weights are hashed.

        Parameters
        ----------
        sam : Sam
        source : str or Path, optional
            What `anymask.load` was given.
        """
        from anymask.predict.embeddings import model_hash

        digest = model_hash(sam)
        known = self._state.model
        if known is not None and known.model_hash == digest and source in (None, known.source):
            return known
        file = None if source is None else Path(source)
        record = ModelRecord(
            sam.config.name,
            None if source is None else str(source),
            sha256(file) if file is not None and file.is_file() else None,
            digest,
            sam.config.image_size,
        )
        self._record("model", model=asdict(record))
        self.log(f"Model {record.name}, {sam.device.type}, {str(sam.dtype).removeprefix('torch.')}")
        self._tell(Event("model"))
        return record

    @property
    def options(self) -> Options:
        """What a run does."""
        return self._state.options

    def set_options(self, **changes: Any) -> Options:
        """Change options; see `Options`.

        Raises
        ------
        SessionError
            If there is no such option, or it is out of its range.
        """
        options = self.options.changed(**changes)
        if options != self.options:
            self._record("options", options=options.to_json())
            self._tell(Event("options"))
        return options

    def segment(
        self,
        sam: Sam,
        layers: Iterable[LayerKey] | None = None,
        *,
        replace: bool | Collection[LayerKey] = False,
        progress: Callable[[Progress], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Run:
        """Segment layers, all by default, with the options of the session. Slow.

        One that fails is named and leaves the others, one that is removed meanwhile is left out;
        a run that is cancelled leaves what is done.

        Parameters
        ----------
        sam : Sam
        layers : iterable of LayerKey, optional
        replace : bool or collection of LayerKey
            Whether layers that were edited by hand may be replaced, or which. Others that are
            edited while the model is at work keep their masks and are named as failed.
        progress : callable, optional
        cancel : CancelToken, optional

        Raises
        ------
        EditedError
            If a layer was edited by hand that may not be replaced; before anything is done.
        SessionError
            If the session was opened to look at only.
        """
        self._refuse_read_only()
        keys = self.all_layers() if layers is None else list(layers)
        replaceable = set(keys if replace is True else replace or ())
        self._refuse_edited([key for key in keys if key not in replaceable], "replaced")
        self.use_model(sam)
        options, run, start = self.options, Run(), time.monotonic()

        for index, key in enumerate(keys):

            def tell(part: float, key: LayerKey = key, index: int = index) -> None:
                if cancel is not None and cancel.is_cancelled:
                    raise StoppedError
                if progress is not None:
                    whole = (index + part) / len(keys)
                    progress(Progress(key, self.title(key), index, len(keys), whole))

            try:
                tell(0.0)
                self._run_layer(sam, key, options, key in replaceable, tell)
                run.done.append(key)
            except StoppedError:
                run.cancelled = True
                self.log(f"Cancelled; {len(run.done)} of {len(keys)} are done.")
                break
            except AnymaskError as error:
                if key in self.all_layers():  # else it was removed meanwhile, and nobody misses it
                    run.failed.append((key, str(error)))
            except (MemoryError, RuntimeError, OSError) as error:
                # Of torch above all: a GPU without memory is the commonest.
                self.log("".join(traceback.format_exception(error)[-4:]))
                first = (str(error).splitlines() or [type(error).__name__])[0]
                run.failed.append((key, f"The model failed: {first}"))
            finally:
                # A run over hundreds of images holds the labels of one.
                if len(self._layers) > 8:
                    self.release(keep=[key])
        there = self.all_layers()
        run.failed = [(key, sentence) for key, sentence in run.failed if key in there]
        for key, sentence in run.failed:
            self.log(f"{self.title(key)}: {sentence}")
        run.seconds = time.monotonic() - start
        return run

    def _run_layer(
        self,
        sam: Sam,
        key: LayerKey,
        options: Options,
        replace: bool,
        tell: Callable[[float], None],
    ) -> None:
        record = self.image(key.image)
        how = record.recipe(key.recipe)
        thresholds = options.thresholds or Thresholds.of(sam)
        found: list[Any] = []
        for plane in range(record.planes):

            def advance(done: int, total: int, plane: int = plane) -> None:
                tell((plane + done / max(total, 1)) / record.planes)

            picture = self.rgb(key, plane)
            advance(0, 1)
            if options.mode == "semantic":
                found.append(find_semantic(sam, picture, options))
            else:
                found.append(find_masks(sam, picture, options, thresholds, advance))
        number = self._state.number
        names = [f"found/{key.image}-{key.recipe}-{number}-{p}.npz" for p in range(len(found))]
        meta: dict[str, Any] = {"options": options.to_json(), "model": self._model_hash()}
        if options.mode == "semantic":
            meta |= {"scores": names, "semantic_threshold": options.semantic_threshold}
            for name, scores in zip(names, found, strict=True):
                scores.save(inside(self.folder, name))
                self._keep_found(name, scores)
            labels, infos = semantic_labels(found, record.label_shape, options.semantic_threshold)
        else:
            limits = loosest_of(sam, thresholds)
            meta |= {
                "candidates": names,
                "thresholds": asdict(thresholds),
                "limits": asdict(limits),
                "offset": sam.config.everything.stability_score_offset,
            }
            tiled = options.tile_size is not None
            sets = []
            for name, masks in zip(names, found, strict=True):
                cleaned: dict[Any, Any] = {}
                save_found(inside(self.folder, name), masks)
                self._keep_found(name, (masks, cleaned))
                sets.append(choose(masks, thresholds, meta["offset"], cleaned, tiled=tiled))
            labels, infos = labelled(sets, record.label_shape)
        with self._mutex:
            if not replace and self.edited_layers([key]):
                raise SessionError(
                    "The masks were edited while the model was at work and were left as they are; "
                    "segment again to replace them."
                )
            if self.image(key.image).recipe(key.recipe) != how:
                raise SessionError(
                    f"The pseudo-RGB {key.recipe} was given other expressions while the model was "
                    "at work; segment again."
                )
            args = {"options": meta["options"], "model": meta["model"]}
            if options.mode != "semantic":
                args["thresholds"] = meta["thresholds"]
            self._renew(key, "segment", labels, infos, meta, args)

    def _model_hash(self) -> str | None:
        return None if self._state.model is None else self._state.model.model_hash


def loosest_of(sam: Sam, thresholds: Thresholds) -> Thresholds:
    """The scores down to which a run keeps masks."""
    own = Thresholds.of(sam)
    return replace(
        thresholds,
        pred_iou=round(max(0.0, min(own.pred_iou, thresholds.pred_iou) - _PRED_IOU_MARGIN), 6),
        stability=round(max(0.0, min(own.stability, thresholds.stability) - _STABILITY_MARGIN), 6),
    )


def find_masks(
    sam: Sam,
    picture: Any,
    options: Options,
    thresholds: Thresholds,
    progress: Callable[[int, int], None] | None = None,
) -> MaskSet:
    """All masks of a picture that any thresholds above `loosest_of` may keep."""
    from anymask.predict.everything.found_once import find

    limits = loosest_of(sam, thresholds)
    return find(
        sam,
        picture,
        limits.config(sam.config.everything.stability_score_offset),
        progress=progress,
        points_per_side=options.points_per_side,
        crop_n_layers=options.crop_n_layers,
        tile_size=options.tile_size,
    )


def find_semantic(sam: Sam, picture: Any, options: Options) -> ScoreMap:
    """The score of every pixel of a picture, for the prompt of semantic mode."""
    from anymask.predict.predictor import SamPredictor
    from anymask.predict.semantic import score_map

    predictor = SamPredictor(sam)
    predictor.set_image(picture)
    points = options.semantic_points or None
    return score_map(predictor, points, options.semantic_labels or None)


def save_found(path: Path, masks: MaskSet) -> None:
    """Write the masks that a run found, with their scores."""
    from anymask.io.mask_formats.npz_runs import save
    from anymask.io.write_context import WriteContext

    save(path, masks, WriteContext(path.stem))
