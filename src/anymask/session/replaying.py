"""Repeats the steps of a session, and compares the masks with the recorded ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.session.adding import added
from anymask.session.click_model import ClickModel
from anymask.session.clicks import clicked_again
from anymask.session.found import labels_again, run_again
from anymask.session.label_edits import EDITS, edited
from anymask.session.records import LayerKey
from anymask.session.session import Session
from anymask.session.stacks import followed, interpolated
from anymask.session.store.history import ADD
from anymask.session.store.layer import Layer, Step

if TYPE_CHECKING:
    from anymask.model.sam import Sam

Status = Literal["same", "close", "different", "not repeated"]
# Processors round differently, so an outline may move by a pixel here and there.
_CLOSE = 0.99
# Steps that change no pixels.
_NOTES = ("classify", "review")


@dataclass(frozen=True, eq=False)
class ReplayedLayer:
    """How the replayed masks of a layer compare with the recorded ones.

    Attributes
    ----------
    key : LayerKey
    title : str
    status : {"same", "close", "different", "not repeated"}
        Equal at every pixel; equal except for rounding; different; or partly taken from the
        recorded pixels, because the image or the model was missing.
    labels : array
        The masks of the replay.
    iou : float
        Overlap of recorded and replayed objects.
    different_pixels : int
    sentences : tuple of str
        Which steps could not be repeated, and from which step on the masks differ.
    """

    key: LayerKey
    title: str
    status: Status
    labels: NDArray[Any] = field(repr=False)
    iou: float
    different_pixels: int
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Replay:
    """How the replayed masks of a session compare with the recorded ones.

    Attributes
    ----------
    layers : list of ReplayedLayer
    sentences : list of str
        Messages about the session as a whole.
    """

    layers: list[ReplayedLayer]
    sentences: list[str]

    @property
    def is_reproduced(self) -> bool:
        """Whether every layer is equal, or equal except for rounding."""
        return all(layer.status in ("same", "close") for layer in self.layers)


def replay(
    session: Session | str | os.PathLike[str],
    *,
    sam: Sam | None = None,
    images: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Replay:
    """Repeat the prompts and edits of a session; the session itself is not changed.

    Parameters
    ----------
    session : Session or path-like
    sam : Sam, optional
        The model for all steps; by default each step is repeated with the model it was made with,
        from where the session found it.
    images : path-like, optional
        Folder to search for moved images.
    progress : callable, optional
        Called with the number of layers done and their total.
    device, dtype : str
        As in `anymask.load`, for the session's models.

    Raises
    ------
    SessionError
        If the folder is not a session.
    """
    if not isinstance(session, Session):
        with Session.open(session, read_only=True) as opened:
            return replay(
                opened, sam=sam, images=images, progress=progress, device=device, dtype=dtype
            )
    if images is not None:
        session.images.search_folders.append(Path(images))
    models = _Models(session, sam, device, dtype)
    keys = [key for key in session.layers if session.layers.state(key) != "new"]
    layers = []
    for index, key in enumerate(keys):
        if progress is not None:
            progress(index, len(keys))
        layers.append(_replay_layer(session, key, models))
        session.layers.release()
    if progress is not None:
        progress(len(keys), len(keys))
    return Replay(layers, models.sentences + session.messages)


class _Models:
    """The models of a replay: the given one, or those that the steps were made with.

    Attributes
    ----------
    sentences : list of str
        What is wrong with the session's models.
    """

    def __init__(self, session: Session, sam: Sam | None, device: str, dtype: str) -> None:
        self._session, self._device, self._dtype = session, device, dtype
        self._given = None if sam is None else session.clicks.model(sam)
        # The last one is kept: a model may have gigabytes, and steps rarely change it.
        self._loaded: tuple[str | None, ClickModel | None] | None = None
        self.sentences: list[str] = []

    def of(self, step: Step) -> ClickModel | None:
        """Return the model to repeat a step with; None if it cannot be loaded."""
        if self._given is not None:
            return self._given
        used = step.args.get("model")
        if self._loaded is None or self._loaded[0] != used:
            self._loaded = None  # before the next one is loaded
            self._loaded = used, self._load(used)
        return self._loaded[1]

    def _load(self, used: str | None) -> ClickModel | None:
        from anymask.checkpoints import load

        runs = self._session.runs
        record = runs.model if used is None else runs.models.get(used)
        if record is None:
            self._tell("The session does not say which model it used; give one.")
            return None
        if record.source is None:
            self._tell(
                f"The session does not say where the model {record.name!r} came from; the shipped "
                "one is tried."
            )
        try:
            sam = load(
                record.source,
                image_size=record.image_size,
                device=self._device,
                dtype=self._dtype,
            )
        except AnymaskError as error:
            self._tell(f"The model of the session could not be loaded: {error}")
            return None
        model = self._session.clicks.model(sam)
        if model.model_hash != record.model_hash and record.source is not None:
            self._tell(f"The model {record.source} has changed since the session used it.")
        return model

    def _tell(self, sentence: str) -> None:
        if sentence not in self.sentences:
            self.sentences.append(sentence)


def _replay_layer(session: Session, key: LayerKey, models: _Models) -> ReplayedLayer:
    shape = session.images[key.image].label_shape
    recorded, labels = Layer(key, shape), np.zeros(shape, np.uint16)
    found: list[Any] = []
    sentences: list[str] = []
    missing, deviates = False, False
    for number, step in enumerate(session.edits.steps(key), start=1):
        recorded.apply(step)
        model = models.of(step) if step.args.get("model") is not None else None
        try:
            labels = _again(session, key, model, labels, step, found)
        except AnymaskError as error:
            sentences.append(f"Step {number} ({step.kind}) could not be repeated: {error}")
            labels, missing = _by_pixels(labels, step), True
        used = step.args.get("model")
        if used is not None and model is not None and used != model.model_hash:
            sentences.append(f"Step {number} ({step.kind}) was made with another model.")
        if not deviates and not np.array_equal(labels, recorded.labels):
            deviates = True
            count = int(np.count_nonzero(labels != recorded.labels))
            sentences.append(f"From step {number} ({step.kind}) on {count} pixels differ.")
    different = int(np.count_nonzero(labels != recorded.labels))
    both = np.count_nonzero((labels > 0) & (labels == recorded.labels))
    either = np.count_nonzero((labels > 0) | (recorded.labels > 0))
    iou = float(both / either) if either else 1.0
    status: Status = "same" if not different else ("close" if iou >= _CLOSE else "different")
    if missing:
        status = "not repeated"
    return ReplayedLayer(
        key,
        session.layers.title(key),
        status,
        labels,
        iou,
        different,
        tuple(dict.fromkeys(sentences)),
    )


def _again(
    session: Session,
    key: LayerKey,
    model: ClickModel | None,
    labels: NDArray[Any],
    step: Step,
    found: list[Any],
) -> NDArray[Any]:
    """Repeat one step; `found` holds what the last run found."""
    kind, args = step.kind, step.args
    if kind in _NOTES:
        return labels
    if kind in EDITS and "ids" in args:  # without ids it is an eraser stroke
        return edited(kind, labels, args)
    if kind == "interpolate":
        return interpolated(labels, int(args["id"]), args.get("along"))
    if kind in ("segment", "thresholds"):
        if "options" in args:
            planes = range(session.images[key.image].planes)
            images = (session.images.rgb(key, plane) for plane in planes)
            found[:] = run_again(_needed(model).sam, images, args)
        if not found:
            raise AnymaskError("the run before it could not be repeated.")
        return labels_again(found, args, labels.shape)
    if kind == ADD:
        planes = range(session.images[key.image].planes)
        images = (session.images.rgb(key, plane) for plane in planes)
        again = labels_again(run_again(_needed(model).sam, images, args), args, labels.shape)
        return added(labels, again, args["kept"], int(args["last"]))[0]
    if kind == "click":
        return clicked_again(_needed(model), key, labels, args)
    if kind == "propagate":
        return followed(_needed(model), key, labels, args)[0]
    return _by_pixels(labels, step)


def _needed(model: ClickModel | None) -> ClickModel:
    if model is None:
        raise AnymaskError("there is no model; give one.")
    return model


def _by_pixels(labels: NDArray[Any], step: Step) -> NDArray[Any]:
    """Apply the recorded pixels of a step."""
    if step.delta is None:
        return labels
    delta = step.delta
    new = labels.astype(np.promote_types(labels.dtype, delta.after.dtype))
    delta.apply(new)
    return new
