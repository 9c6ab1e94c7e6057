"""The state of a session that results from its journal, except the pixels of its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anymask.images.recipes import Recipe
from anymask.journal import Line
from anymask.session.errors import EditedError, SessionError
from anymask.session.records import ClassRecord, ImageRecord, LayerKey, State
from anymask.session.store.history import History, Ref

Readers = Mapping[str, Callable[[Any], Any]]
"""Functions that read the value of steps that only replace a value, by the name of the step."""


@dataclass
class SessionState:
    """The state after the steps read so far.

    Attributes
    ----------
    folder : Path
        The session.
    readers : dict of callable
        Functions for values that the store need not understand, such as model and options.
    images : dict of ImageRecord by id, in order
    classes : tuple of ClassRecord
    values : dict
        The last value of each reader.
    earlier : dict of list
        All values of each reader, in order.
    ui : dict
        Values that the window stored.
    failures : dict of str by LayerKey
        Why the last run over a layer failed.
    written : dict of (int, int) by path
        Size and time of the files that the session wrote.
    histories : dict of History by LayerKey
    number : int
        Number of the last step.
    next_image : int
        Number for the id of the next image.
    """

    folder: Path
    readers: Readers = field(default_factory=dict)
    images: dict[str, ImageRecord] = field(default_factory=dict)
    classes: tuple[ClassRecord, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    earlier: dict[str, list[Any]] = field(default_factory=dict)
    ui: dict[str, Any] = field(default_factory=dict)
    failures: dict[LayerKey, str] = field(default_factory=dict)
    written: dict[str, tuple[int, int]] = field(default_factory=dict)
    histories: dict[LayerKey, History] = field(default_factory=dict)
    number: int = 0
    next_image: int = 1

    def image(self, image: str) -> ImageRecord:
        """Return the record of an image.

        Raises
        ------
        SessionError
            If there is no image with that id.
        """
        if image not in self.images:
            raise SessionError(f"The session has no image {image!r}.")
        return self.images[image]

    def layer_keys(self) -> list[LayerKey]:
        """Return the layers in order: one for every pseudo-RGB of every image."""
        return [LayerKey(i, how.name) for i, rec in self.images.items() for how in rec.recipes]

    def history(self, key: LayerKey) -> History:
        """Return the history of a layer.

        Raises
        ------
        SessionError
            If there is no such layer.
        """
        self.image(key.image).recipe(key.recipe)
        return self.histories.setdefault(key, History())

    def title(self, key: LayerKey) -> str:
        """Return the name of a layer: its image, plus its pseudo-RGB if the image has several."""
        record = self.image(key.image)
        return record.name if len(record.recipes) == 1 else f"{record.name}.{key.recipe}"

    def layer_state(self, key: LayerKey) -> State:
        """Return whether a layer is new, segmented, edited, or saved since its last change."""
        history = self.history(key)
        if not history.done:
            return "new"
        if history.saved >= history.last:
            return "saved"
        return "edited" if history.is_edited else "segmented"

    def refuse_edited(self, layers: Iterable[LayerKey], what: str) -> None:
        """Refuse to lose edits made by hand.

        Raises
        ------
        EditedError
            If one of the layers was edited.
        """
        edited = [key for key in layers if self.history(key).is_edited]
        if edited:
            names = ", ".join(self.title(key) for key in edited[:3])
            more = f" and {len(edited) - 3} more" if len(edited) > 3 else ""
            raise EditedError(
                f"Masks edited by hand would be {what}: {names}{more}; allow it, or leave them "
                "out.",
                edited,
            )

    def apply(self, line: Line) -> None:
        """Apply a step; a step of an unknown kind changes nothing."""
        step = line.step
        self.number = max(self.number, int(step["n"]))
        do = str(step["do"])
        if do in self.readers:
            self.values[do] = self.readers[do](step[do])
            self.earlier.setdefault(do, []).append(self.values[do])
            return
        handler = getattr(self, "_" + do.replace(".", "_"), None)
        if handler is not None:
            handler(step, line)

    def _images_add(self, step: Mapping[str, Any], _: Line) -> None:
        for data in step["images"]:
            record = ImageRecord.from_json(data, self.folder)
            self.images[record.id] = record
            self.next_image = max(self.next_image, int(record.id[1:]) + 1)

    def _images_remove(self, step: Mapping[str, Any], _: Line) -> None:
        for image in step["ids"]:
            self.images.pop(image, None)
            for key in [key for key in self.histories if key.image == image]:
                del self.histories[key]

    def _images_order(self, step: Mapping[str, Any], _: Line) -> None:
        first = [i for i in step["ids"] if i in self.images]
        rest = [i for i in self.images if i not in first]
        self.images = {i: self.images[i] for i in (*first, *rest)}

    def _image_changed(self, step: Mapping[str, Any], _: Line) -> None:
        record = ImageRecord.from_json(step["image"], self.folder)
        if record.id in self.images:
            self.images[record.id] = record

    def _recipe_add(self, step: Mapping[str, Any], _: Line) -> None:
        how = Recipe(step["recipe"][0], tuple(step["recipe"][1]))
        for image in step["images"]:
            if image in self.images:
                record = self.images[image]
                others = tuple(r for r in record.recipes if r.name != how.name)
                self.images[image] = replace(record, recipes=(*others, how))

    def _recipe_remove(self, step: Mapping[str, Any], _: Line) -> None:
        for image in step["images"]:
            if image in self.images:
                record = self.images[image]
                left = tuple(r for r in record.recipes if r.name != step["name"])
                self.images[image] = replace(record, recipes=left)
                self.histories.pop(LayerKey(image, step["name"]), None)

    def _classes(self, step: Mapping[str, Any], _: Line) -> None:
        self.classes = tuple(ClassRecord(name, color) for name, color in step["classes"])

    def _ui(self, step: Mapping[str, Any], _: Line) -> None:
        self.ui = {**self.ui, **step["ui"]}

    def _step(self, step: Mapping[str, Any], line: Line) -> None:
        history = self._known(step)
        if history is not None:
            continues = bool(step["args"].get("continues")) and bool(history.done)
            ref = Ref(int(step["n"]), str(step["kind"]), line.offset, line.length, continues)
            history.add(ref)

    def _undo(self, step: Mapping[str, Any], _: Line) -> None:
        history = self._known(step)
        if history is not None and history.done:
            history.undo(int(step["n"]))

    def _redo(self, step: Mapping[str, Any], _: Line) -> None:
        history = self._known(step)
        if history is not None and history.undone:
            history.redo(int(step["n"]))

    def _snapshot(self, step: Mapping[str, Any], _: Line) -> None:
        history = self._known(step)
        if history is not None:
            history.snapshots.append((int(step["at"]), str(step["file"])))

    def _run(self, step: Mapping[str, Any], _: Line) -> None:
        for layer in step["done"]:
            self.failures.pop(LayerKey(*layer), None)
        self.failures |= {LayerKey(*layer): str(sentence) for layer, sentence in step["failed"]}

    def _wrote(self, step: Mapping[str, Any], _: Line) -> None:
        self.written |= {path: (int(size), int(time)) for path, size, time in step["files"]}

    def _saved(self, step: Mapping[str, Any], _: Line) -> None:
        for layer, number in step["layers"]:
            history = self.histories.get(LayerKey(*layer))
            if history is not None:
                history.saved = int(number)

    def _known(self, step: Mapping[str, Any]) -> History | None:
        """Return the history that a step belongs to; None if its layer was removed."""
        key = LayerKey(*step["layer"])
        record = self.images.get(key.image)
        if record is None or all(how.name != key.recipe for how in record.recipes):
            return None
        return self.histories.setdefault(key, History())
