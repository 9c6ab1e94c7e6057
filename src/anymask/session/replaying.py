"""Doing the steps of a session again, and saying where the masks come out as others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.session.choosing import choose, labelled, semantic_labels
from anymask.session.clicking import Clicker
from anymask.session.committing import clicked_again
from anymask.session.label_edits import EDITS, edited
from anymask.session.layers import Layer, Step
from anymask.session.options import Options, Thresholds
from anymask.session.records import (
    LayerKey,
)
from anymask.session.running import find_masks, find_semantic
from anymask.session.session import Session
from anymask.session.stacks import followed, interpolated

if TYPE_CHECKING:
    from anymask.model.sam import Sam

Status = Literal["same", "close", "different", "not repeated"]
# Processors round differently; a boundary may move by a pixel here and there.
_CLOSE = 0.99
# Steps that change no pixels.
_NOTES = ("classify", "review")


@dataclass(frozen=True, eq=False)
class ReplayedLayer:
    """How the masks of a layer came out.

    Attributes
    ----------
    key : LayerKey
    title : str
    status : {"same", "close", "different", "not repeated"}
        The same at every pixel; the same but for rounding; others; or not to be had without the
        recorded pixels, because the image or the model was missing.
    labels : array
        As they came out.
    iou : float
        Between all pixels of objects then and now.
    different_pixels : int
    sentences : tuple of str
        What could not be repeated, and from which step on the masks are others.
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
    """How the masks of a session came out.

    Attributes
    ----------
    layers : list of ReplayedLayer
    sentences : list of str
        About the session as a whole.
    """

    layers: list[ReplayedLayer]
    sentences: list[str]

    @property
    def is_reproduced(self) -> bool:
        """Whether every layer is the same, or the same but for rounding."""
        return all(layer.status in ("same", "close") for layer in self.layers)


def replay(
    session: Session | str | os.PathLike[str],
    *,
    sam: Sam | None = None,
    images: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Make the masks of a session again from prompts and edits; the session stays as it is.

    Parameters
    ----------
    session : Session or path-like
    sam : Sam, optional
        The model; by default the one that the session names.
    images : path-like, optional
        Folder in which images are looked for that are not where they were.
    progress : callable, optional
        Called with layers done and layers in all.

    Raises
    ------
    SessionError
        If the folder is no session.
    """
    if not isinstance(session, Session):
        with Session.open(session, read_only=True) as opened:
            return replay(opened, sam=sam, images=images, progress=progress)
    sentences: list[str] = []
    if images is not None:
        session.search_folders.append(Path(images))
    if sam is None:
        try:
            sam = _model_of(session)
        except AnymaskError as error:
            sentences.append(f"The model of the session is not here: {error}")
    clicker = None if sam is None else Clicker(sam, session)
    keys = [key for key in session.all_layers() if session.steps(key)]
    layers = []
    for index, key in enumerate(keys):
        if progress is not None:
            progress(index, len(keys))
        layers.append(_replay_layer(session, key, clicker))
        session.release()
    if progress is not None:
        progress(len(keys), len(keys))
    return Replay(layers, sentences + session.messages)


def _model_of(session: Session) -> Sam | None:
    """The model that the session used last, or None if it used none."""
    from anymask.checkpoints import load

    record = session.model
    if record is None:
        return None
    return load(record.source, image_size=record.image_size)


def _replay_layer(session: Session, key: LayerKey, clicker: Clicker | None) -> ReplayedLayer:
    shape = session.image(key.image).label_shape
    recorded, labels = Layer(key, shape), np.zeros(shape, np.uint16)
    found: list[Any] = []
    sentences: list[str] = []
    missing, deviates = False, False
    for number, step in enumerate(session.steps(key), start=1):
        recorded.apply(step)
        try:
            labels = _again(session, key, clicker, labels, step, found)
        except AnymaskError as error:
            sentences.append(f"Step {number} ({step.kind}) could not be repeated: {error}")
            labels, missing = _by_pixels(labels, step), True
        used = step.args.get("model")
        if used is not None and clicker is not None and used != clicker.model_hash:
            sentences.append(f"Step {number} ({step.kind}) was made with another model.")
        if not deviates and not np.array_equal(labels, recorded.labels):
            deviates = True
            count = int(np.count_nonzero(labels != recorded.labels))
            sentences.append(f"From step {number} ({step.kind}) on {count} pixels are others.")
    different = int(np.count_nonzero(labels != recorded.labels))
    both = np.count_nonzero((labels > 0) & (labels == recorded.labels))
    either = np.count_nonzero((labels > 0) | (recorded.labels > 0))
    iou = float(both / either) if either else 1.0
    status: Status = "same" if not different else ("close" if iou >= _CLOSE else "different")
    if missing:
        status = "not repeated"
    return ReplayedLayer(
        key, session.title(key), status, labels, iou, different, tuple(dict.fromkeys(sentences))
    )


def _again(
    session: Session,
    key: LayerKey,
    clicker: Clicker | None,
    labels: NDArray[Any],
    step: Step,
    found: list[Any],
) -> NDArray[Any]:
    """Do one step again; `found` holds what the last run found."""
    kind, args = step.kind, step.args
    if kind in _NOTES:
        return labels
    if kind in EDITS and "ids" in args:  # without, it is a stroke of an eraser
        return edited(kind, labels, args)
    if kind == "interpolate":
        return interpolated(labels, int(args["id"]), args.get("along"))
    if kind in ("segment", "thresholds"):
        if "options" in args:
            found[:] = _run_again(session, key, _needed(clicker).sam, args)
        return _chosen_again(found, args, labels.shape)
    if kind == "click":
        return _with_labels(_needed(clicker), labels, lambda c: clicked_again(c, key, labels, args))
    if kind == "propagate":
        return _with_labels(_needed(clicker), labels, lambda c: followed(c, key, labels, args)[0])
    return _by_pixels(labels, step)


def _needed(clicker: Clicker | None) -> Clicker:
    if clicker is None:
        raise AnymaskError("there is no model; name one.")
    return clicker


def _with_labels(
    clicker: Clicker, labels: NDArray[Any], do: Callable[[Clicker], NDArray[Any]]
) -> NDArray[Any]:
    """Do something with a clicker that sees these labels and not those of the session."""
    before = clicker.labels_of
    clicker.labels_of = lambda _, plane: labels[plane] if labels.ndim == 3 else labels
    try:
        return do(clicker)
    finally:
        clicker.labels_of = before


def _run_again(session: Session, key: LayerKey, sam: Sam, args: Mapping[str, Any]) -> list[Any]:
    options = Options.from_json(args["options"])
    pictures = (session.rgb(key, plane) for plane in range(session.image(key.image).planes))
    if options.mode == "semantic":
        return [find_semantic(sam, picture, options) for picture in pictures]
    thresholds = Thresholds(**args["thresholds"])
    tiled = options.tile_size is not None
    offset = sam.config.everything.stability_score_offset
    return [(find_masks(sam, picture, options, thresholds), offset, tiled) for picture in pictures]


def _chosen_again(
    found: list[Any], args: Mapping[str, Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    if not found:
        raise AnymaskError("the run before it was not repeated.")
    if not isinstance(found[0], tuple):
        threshold = args.get("semantic_threshold", (args.get("options") or {}).get(
            "semantic_threshold", 0.0
        ))  # fmt: skip
        return semantic_labels(found, shape, float(threshold))[0]
    thresholds = Thresholds(**args["thresholds"])
    sets: list[MaskSet] = [
        choose(masks, thresholds, offset, tiled=tiled) for masks, offset, tiled in found
    ]
    return labelled(sets, shape)[0]


def _by_pixels(labels: NDArray[Any], step: Step) -> NDArray[Any]:
    """Change the pixels that a step changed to what it made of them."""
    if step.delta is None:
        return labels
    delta = step.delta
    new = labels.astype(np.promote_types(labels.dtype, delta.after.dtype))
    delta.apply(new)
    return new
