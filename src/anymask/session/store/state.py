"""What the journal says about a session, apart from the pixels of its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anymask.images.recipes import Recipe
from anymask.session.errors import EditedError, SessionError
from anymask.session.records import ClassRecord, ImageRecord, LayerKey, State
from anymask.session.store.history import History, Ref
from anymask.session.store.journal import Line

Readers = Mapping[str, Callable[[Any], Any]]
"""For steps that only replace a value: how the value is read, by the name of the step."""


@dataclass
class SessionState:
    """The state that the steps read so far lead to.

    Attributes
    ----------
    folder : Path
        The session.
    readers : dict of callable
        Steps whose content the store need not understand, such as the model and the options.
    images : dict of ImageRecord by id, in order
    classes : tuple of ClassRecord
    values : dict
        What the last step of each reader gave.
    ui : dict
        What the window wants to find again.
    histories : dict of History by LayerKey
    number : int
        Of the last step.
    next_image : int
        For the id of the next image.
    """

    folder: Path
    readers: Readers = field(default_factory=dict)
    images: dict[str, ImageRecord] = field(default_factory=dict)
    classes: tuple[ClassRecord, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    ui: dict[str, Any] = field(default_factory=dict)
    histories: dict[LayerKey, History] = field(default_factory=dict)
    number: int = 0
    next_image: int = 1

    def image(self, image: str) -> ImageRecord:
        """The record of an image.

        Raises
        ------
        SessionError
            If there is none with that id.
        """
        if image not in self.images:
            raise SessionError(f"The session has no image {image!r}.")
        return self.images[image]

    def layer_keys(self) -> list[LayerKey]:
        """A layer for every pseudo-RGB of every image, in order."""
        return [LayerKey(i, how.name) for i, rec in self.images.items() for how in rec.recipes]

    def history(self, key: LayerKey) -> History:
        """The history of a layer.

        Raises
        ------
        SessionError
            If there is no such layer.
        """
        self.image(key.image).recipe(key.recipe)
        return self.histories.setdefault(key, History())

    def title(self, key: LayerKey) -> str:
        """What a layer is called: its image, and its pseudo-RGB if the image has several."""
        record = self.image(key.image)
        return record.name if len(record.recipes) == 1 else f"{record.name}.{key.recipe}"

    def layer_state(self, key: LayerKey) -> State:
        """Whether a layer is new, segmented, edited, or saved as it is."""
        history = self.history(key)
        if not history.done:
            return "new"
        if history.saved >= history.last:
            return "saved"
        return "edited" if history.is_edited else "segmented"

    def refuse_edited(self, layers: Iterable[LayerKey], what: str) -> None:
        """Refuse to lose work that was done by hand.

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
                f"Masks that were edited by hand would be {what}: {names}{more}; allow it, or "
                "leave them out.",
                edited,
            )

    def apply(self, line: Line) -> None:
        """Take a step in; one of an unknown kind changes nothing."""
        step = line.step
        self.number = max(self.number, int(step["n"]))
        do = str(step["do"])
        if do in self.readers:
            self.values[do] = self.readers[do](step[do])
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

    def _saved(self, step: Mapping[str, Any], _: Line) -> None:
        for layer, number in step["layers"]:
            history = self.histories.get(LayerKey(*layer))
            if history is not None:
                history.saved = int(number)

    def _known(self, step: Mapping[str, Any]) -> History | None:
        """The history that a step belongs to, unless its layer is gone."""
        key = LayerKey(*step["layer"])
        record = self.images.get(key.image)
        if record is None or all(how.name != key.recipe for how in record.recipes):
            return None
        return self.histories.setdefault(key, History())
