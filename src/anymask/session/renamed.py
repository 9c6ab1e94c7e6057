"""Names of 0.1.0 that moved. They work through version 0.2, with a `DeprecationWarning`.

In 0.1.0, `Session` had all methods itself, and clicks had their own class `Clicker`.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.session.embedding_folder import EmbeddingFolder
from anymask.session.records import Event, LayerKey
from anymask.session.visible_region import Region, region_for

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.session.click_prompts import ClickPrompts
    from anymask.session.previews import Prepared, Preview
    from anymask.session.session import Session

_MOVED = {
    "add_images": "images.add", "remove_images": "images.remove", "order_images": "images.order",
    "is_missing": "images.is_missing", "load": "images.load", "relocate": "images.relocate",
    "search_in": "images.search", "search_folders": "images.search_folders",
    "add_recipe": "images.add_recipe", "remove_recipe": "images.remove_recipe",
    "rgb": "images.rgb", "rgb_part": "images.rgb_part", "thumbnail": "images.thumbnail",
    "picture_hash": "images.rgb_hash",
    "title": "layers.title", "layer_state": "layers.state", "edited_layers": "layers.edited",
    "layers_with_masks": "layers.with_masks", "labels": "layers.labels",
    "next_id": "layers.next_id", "info": "layers.info", "objects": "layers.objects",
    "masks": "layers.masks", "matching": "layers.matching", "binarise": "layers.binarise",
    "classes": "layers.classes", "class_names": "layers.class_names",
    "review_queue": "layers.review_queue", "next_unreviewed": "layers.next_unreviewed",
    "release": "layers.release",
    "undo": "edits.undo", "redo": "edits.redo", "can_undo": "edits.can_undo",
    "can_redo": "edits.can_redo", "steps": "edits.steps", "checkpoint": "edits.checkpoint",
    "record_pixels": "edits.paint", "erase": "edits.erase", "merge": "edits.merge",
    "split": "edits.split", "clean": "edits.clean", "keep": "edits.keep",
    "place": "edits.place", "interpolate": "edits.interpolate", "set_class": "edits.classify",
    "set_reviewed": "edits.review", "set_classes": "edits.set_classes",
    "rename_class": "edits.rename_class",
    "model": "runs.model", "use_model": "runs.use_model", "options": "runs.options",
    "set_options": "runs.set_options", "segment": "runs.segment", "run_facts": "runs.facts",
    "has_candidates": "runs.has_candidates", "has_scores": "runs.has_scores",
    "thresholds": "runs.thresholds", "threshold_limits": "runs.limits", "chosen": "runs.chosen",
    "count_at": "runs.count", "preview_thresholds": "runs.preview",
    "set_thresholds": "runs.set_thresholds", "preview_semantic": "runs.preview_semantic",
    "set_semantic_threshold": "runs.set_semantic_threshold",
    "commit": "clicks.commit", "commit_many": "clicks.commit_many",
    "save": "export.save", "existing_files": "export.existing",
    "save_binary": "export.save_binary",
}  # fmt: skip
"""Methods and properties of 0.1.0 with the same arguments and results, and their new names."""


def forwarded(session: Session, name: str) -> Any:
    """Return what a 0.1.0 name of `Session` stands for now.

    Raises
    ------
    AttributeError
        If 0.1.0 had no such name.
    """
    if name in _MOVED:
        _warn(f"session.{name}", f"session.{_MOVED[name]}")
        return operator.attrgetter(_MOVED[name])(session)
    if name in _CHANGED:
        new, make = _CHANGED[name]
        _warn(f"session.{name}", new)
        return make(session)
    raise AttributeError(f"{type(session).__name__!r} object has no attribute {name!r}")


def _state(session: Session, of: str | LayerKey) -> Any:
    return session.layers.state(of) if isinstance(of, LayerKey) else session.images.state(of)


def _propagate(
    session: Session, clicker: Clicker, layer: LayerKey, *args: Any, **options: Any
) -> Any:
    return session.clicks.propagate(clicker.sam, layer, *args, **options)


def _bug_report(session: Session) -> str:
    from anymask.session.bug_reports import bug_report

    return bug_report(session)


_Maker = Callable[["Session"], Callable[..., Any]]
_CHANGED: dict[str, tuple[str, _Maker]] = {
    "image": ("session.images[image]", lambda s: lambda image: s.images[image]),
    "recipes": ("session.images[image].recipes", lambda s: lambda image: s.images[image].recipes),
    "all_layers": ("list(session.layers)", lambda s: lambda: list(s.layers)),
    "state": (
        "session.layers.state or session.images.state",
        lambda s: lambda of: _state(s, of),
    ),
    "plane_labels": (
        "session.layers.labels(layer, plane)",
        lambda s: lambda layer, plane=0: s.layers.labels(layer, plane),
    ),
    "import_labels": (
        "session.edits.import_masks",
        lambda s: lambda layer, labels, **options: s.edits.import_masks(layer, labels, **options),
    ),
    "propagate": (
        "session.clicks.propagate(sam, layer, …)",
        lambda s: lambda *args, **options: _propagate(s, *args, **options),
    ),
    "bug_report": ("anymask.session.bug_report(session)", lambda s: lambda: _bug_report(s)),
    "refresh": ("listeners of your own", lambda s: lambda: s._store.tell(Event("images"))),
}
"""Methods whose arguments changed: the new call, and a function that makes the old method."""


class Clicker:
    """The 0.1.0 class that prompts a model about the images of a session; now `Session.clicks`.

    Parameters
    ----------
    sam : Sam
    session : Session
    cache : Path, optional
        Folder of encoded images; in the session by default.
    """

    def __init__(self, sam: Sam, session: Session, cache: Path | None = None) -> None:
        _warn("anymask.session.Clicker", "session.clicks", stacklevel=3)
        self.sam, self.session = sam, session
        self._model = session.clicks.model(sam)
        if cache is not None:
            self._model._cache = EmbeddingFolder(cache)
        self.model_hash = self._model.model_hash
        self.selected: Prepared | None = None

    def region_for(
        self, image_size: tuple[int, int], view: tuple[float, float, float, float] | None = None
    ) -> Region:
        """Choose the region to encode for a visible window."""
        return region_for(image_size, view, self.sam.config.image_size)

    def is_prepared(self, layer: LayerKey, plane: int = 0, region: Region | None = None) -> bool:
        """Whether `prepare` would return at once."""
        return self._model.is_prepared(layer, plane, region)

    def prepare(self, layer: LayerKey, plane: int = 0, region: Region | None = None) -> Prepared:
        """Encode an image or a region of it."""
        return self._model.prepare(layer, plane, region)

    def select(self, prepared: Prepared) -> None:
        """Choose the encoded image that `predict` uses."""
        self.selected = prepared

    def predict(
        self, prompts: ClickPrompts, *, on: Prepared | None = None, **options: Any
    ) -> Preview:
        """Predict masks for the selected image, or for `on`."""
        return self.session.clicks.predict(on or self._need(), prompts, **options)

    def predict_boxes(self, boxes: Sequence[tuple[float, float, float, float]]) -> list[Preview]:
        """Predict one mask for each box."""
        return self.session.clicks.predict_boxes(self._need(), boxes)

    def cycle(self, preview: Preview, by: int = 1) -> Preview:
        """Return the next candidate."""
        return self.session.clicks.cycle(preview, by)

    def _need(self) -> Prepared:
        from anymask.errors import PromptError

        if self.selected is None:
            raise PromptError("The image is not prepared yet; wait a moment.")
        return self.selected


def renamed_class(name: str) -> Any:
    """Return what a 0.1.0 class of `anymask.session` is now.

    Raises
    ------
    AttributeError
        If there was no such class.
    """
    from anymask.session.click_prompts import ClickPrompts
    from anymask.session.run_result import RunProgress, RunResult

    if name == "Clicker":
        return Clicker  # warns when an instance is made
    new = {"Progress": RunProgress, "Prompts": ClickPrompts, "Run": RunResult}.get(name)
    if new is None:
        raise AttributeError(f"module 'anymask.session' has no attribute {name!r}")
    _warn(f"anymask.session.{name}", f"anymask.session.{new.__name__}")
    return new


def _warn(old: str, new: str, *, stacklevel: int = 4) -> None:
    warnings.warn(
        f"{old} is deprecated since anymask 0.2 and will be removed in 0.3; use {new}.",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
