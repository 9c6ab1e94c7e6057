"""`session.edits`: changes by hand, undo and redo; each change is one step in the journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from anymask.label_ids import checked_labels
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import ObjectCrop
from anymask.session.class_colours import coloured
from anymask.session.errors import SessionError
from anymask.session.images import Images
from anymask.session.label_edits import Labels, edited, edited_part, placed, window_around
from anymask.session.layers import Layers
from anymask.session.records import Change, Event, LayerKey, ObjectInfo
from anymask.session.stacks import interpolated
from anymask.session.store.deltas import Window
from anymask.session.store.layer import Step
from anymask.session.store.store import Store

Found = TypeVar("Found")
# How often a slow edit is tried beside others before these have to wait for it.
_TRIES = 3


class Edits:
    """Edits of layers and classes. Each is written to the journal before it takes effect."""

    def __init__(self, store: Store, images: Images, layers: Layers) -> None:
        self._store, self._images, self._layers = store, images, layers

    def undo(self, layer: LayerKey) -> Change | None:
        """Undo the last step of a layer; None if there is none."""
        return self._store.turn(layer, forward=False)

    def redo(self, layer: LayerKey) -> Change | None:
        """Redo the step that was last undone; None if there is none."""
        return self._store.turn(layer, forward=True)

    def can_undo(self, layer: LayerKey) -> str | None:
        """Return the kind of step that `undo` would undo ("paint", "merge", …), or None."""
        done = self._store.state.history(layer).done
        return done[-1].kind if done else None

    def can_redo(self, layer: LayerKey) -> str | None:
        """Return the kind of step that `redo` would redo, or None."""
        undone = self._store.state.history(layer).undone
        return undone[-1].kind if undone else None

    def steps(self, layer: LayerKey) -> list[Step]:
        """Return the steps of a layer in order, without undone steps."""
        return self._store.steps(layer)

    def checkpoint(self, layers: list[LayerKey] | None = None) -> None:
        """Write snapshots of layers (by default all in memory), so that opening is quick.

        This is optional, because the journal has every step.
        """
        self._store.checkpoint(layers)

    def paint(
        self,
        layer: LayerKey,
        array: Labels,
        window: Window | None = None,
        kind: str = "paint",
        *,
        continues: bool = False,
    ) -> Change | None:
        """Record what was painted on a copy of the labels.

        Call it when the mouse is released, and every second while it is pressed.

        Parameters
        ----------
        layer : LayerKey
        array : array with the shape of the labels
            The painted copy.
        window : tuple of slice, optional
            The part that may have changed; everything by default.
        kind : str
            Name of the step: "paint", "fill", "polygon", "erase", ….
        continues : bool
            Whether this continues the stroke of the last call, so that undo treats them as one.

        Returns
        -------
        Change or None
            None if nothing differs.

        Raises
        ------
        SessionError
            If the array has the wrong shape, or does not contain labels.
        """
        with self._store.mutex:
            _check_labels(array, self._store.layer(layer).labels.shape)
            part = array if window is None else array[window]
            checked_labels(part, "The array", ndim=part.ndim, error=SessionError)
            args = {"continues": True} if continues and self.can_undo(layer) == kind else {}
            change = self._store.change(layer, kind, array, window=window, args=args)
            return None if change.is_empty else change

    def erase(self, layer: LayerKey, ids: Iterable[int], plane: int | None = None) -> Change:
        """Remove objects from one plane of a stack, or from all planes."""
        args = {"ids": self._layers.check_ids(layer, ids), "plane": plane}
        return self._edit(layer, "erase", args)

    def merge(self, layer: LayerKey, ids: Iterable[int]) -> Change:
        """Merge several objects into one, which gets the smallest of their ids."""
        wanted = self._layers.check_ids(layer, ids)
        if len(wanted) < 2:
            raise SessionError("Choose at least two objects to merge.")
        return self._edit(layer, "merge", {"ids": wanted})

    def split(
        self,
        layer: LayerKey,
        label: int,
        plane: int | None = None,
        how: Literal["components", "watershed"] = "components",
    ) -> Change:
        """Split an object into its connected pieces, or at its necks.

        The largest part keeps the id; the others get new ids.

        Raises
        ------
        SessionError
            If it cannot be split.
        """
        args = {"ids": self._layers.check_ids(layer, [label]), "plane": plane, "how": how}
        change = self._edit(layer, "split", args)
        if not change.ids:
            raise SessionError(f"Object {label} cannot be split this way; it is in one piece.")
        return change

    def clean(
        self,
        layer: LayerKey,
        ids: Iterable[int] | None = None,
        *,
        fill_holes: bool | float = False,
        min_area: float | None = None,
        min_piece: float | None = None,
        largest: bool = False,
        smooth: float | None = None,
        clear_border: bool = False,
        plane: int | None = None,
    ) -> Change:
        """Clean objects, in this order: holes, pieces, outline, size, border.

        Parameters
        ----------
        layer : LayerKey
        ids : iterable of int, optional
            Objects to clean, by default all. Other objects keep their pixels.
        fill_holes : bool or float
            True fills all holes; a number fills holes of at most this many pixels.
        min_area, min_piece : float, optional
            Remove objects, or pieces of objects, with fewer pixels.
        largest : bool
            Keep only the largest piece of each object.
        smooth : float, optional
            Smooth outlines over this radius in pixels.
        clear_border : bool
            Remove objects that touch the image border.
        plane : int, optional
            One plane of a stack; by default all, each separately.
        """
        args = {
            "ids": None if ids is None else self._layers.check_ids(layer, ids),
            "fill_holes": fill_holes, "min_area": min_area, "min_piece": min_piece,
            "largest": largest, "smooth": smooth, "clear_border": clear_border, "plane": plane,
        }  # fmt: skip
        return self._unhurried(
            layer,
            lambda: edited("clean", self._copy(layer), args),
            lambda new: self._store.change(layer, "clean", new, args=args),
        )

    def keep(self, layer: LayerKey, choice: str, plane: int | None = None) -> Change:
        """Keep the objects that `Layers.matching` selects; remove the others.

        Parameters
        ----------
        layer : LayerKey
        choice : str
            "1-8,14", or "area > 200 and circularity > .8".
        plane : int, optional
            One plane of a stack; all by default.
        """
        others = set(self._layers.objects(layer, plane=plane).ids.tolist())  # none made later

        def erase_others(kept: list[int]) -> Change:
            gone = sorted(others.difference(kept).intersection(self._store.layer(layer).areas))
            args = {"ids": gone, "plane": plane, "choice": choice}
            return self._edit(layer, "keep", args)

        return self._unhurried(
            layer, lambda: self._layers.matching(layer, choice, plane), erase_others
        )

    def interpolate(self, layer: LayerKey, label: int) -> Change:
        """Fill in an object in the planes between annotated ones.

        In a stack with several time points, the depths of each are filled separately.

        Raises
        ------
        SessionError
            If there are no planes to fill.
        """
        self._layers.check_ids(layer, [label])
        along = self._images[layer.image].along
        args = {"id": int(label), "along": along}
        change = self._unhurried(
            layer,
            lambda: interpolated(self._copy(layer), label, along),
            lambda new: self._store.change(layer, "interpolate", new, args=args),
        )
        if change.is_empty:
            raise SessionError(
                f"Object {label} has no empty planes between annotated ones; draw it in two "
                "planes that are not neighbours."
            )
        return change

    def place(
        self,
        layer: LayerKey,
        crop: ObjectCrop,
        label: int | None = None,
        *,
        plane: int = 0,
        overwrite: bool = False,
        info: ObjectInfo | None = None,
        kind: str = "mask",
        args: Mapping[str, Any] | None = None,
    ) -> Change:
        """Make an object from any mask.

        Parameters
        ----------
        layer : LayerKey
        crop : ObjectCrop
            The mask, cropped to its box.
        label : int, optional
            An object whose pixels in this plane the mask replaces; a new object by default.
        plane : int
        overwrite : bool
            Whether the mask takes pixels from other objects.
        info : ObjectInfo, optional
            Class and scores of the object.
        kind, args
            Name of the step, and facts to record with it.
        """
        with self._store.mutex:
            label = self._layers.next_id(layer) if label is None else int(label)
            labels = self._layers.labels(layer, plane)
            box = self._store.layer(layer).box(label)
            window = window_around(labels.shape, [crop], [] if box is None else [box])
            new = placed(labels[window], crop.within(window), label, overwrite=overwrite)
            facts = {**(args or {}), "id": label, "plane": plane, "overwrite": overwrite}
            infos = {label: info or ObjectInfo(origin=kind)}
            return self._store.change(
                layer, kind, new, plane=plane, window=window, args=facts, infos=infos
            )

    def import_masks(
        self,
        layer: LayerKey,
        masks: Labels | MaskSet | str | os.PathLike[str],
        *,
        replace: bool = False,
    ) -> Change:
        """Replace a layer with a label image, a mask set, or the masks of a file in any format.

        Raises
        ------
        EditedError
            If the layer was edited and `replace` is false.
        """
        if not replace:
            self._store.state.refuse_edited([layer], "replaced")
        names: Mapping[int, str] = {}
        found: MaskSet | None = masks if isinstance(masks, MaskSet) else None
        if isinstance(masks, np.ndarray):
            labels = masks
        elif found is None:
            from anymask.io.corrected import newest_masks
            from anymask.io.read_masks import load_masks
            from anymask.notices import noticing

            path = Path(masks)  # type: ignore[arg-type]
            read: MaskSet = load_masks(path, self._images[layer.image].size)
            with noticing() as notices:
                found = newest_masks(path, read)
            for notice in notices:
                self._store.log(notice)
        if found is not None:
            labels = found.to_labels()
            names = dict(zip(found.ids.tolist(), found.class_names or (), strict=False))
        shape = self._images[layer.image].label_shape
        labels = checked_labels(labels, "The array", ndim=len(shape), error=SessionError)
        _check_labels(labels, shape)
        ids = [int(i) for i in np.unique(labels) if i]
        infos = {i: ObjectInfo(names.get(i, ""), origin="import") for i in ids}
        return self._store.change(layer, "import", labels, infos=infos, renew=True)

    def classify(self, layer: LayerKey, ids: Iterable[int], class_name: str) -> Change:
        """Set the class of objects; a new class gets a colour. "" means no class."""
        wanted = self._layers.check_ids(layer, ids)
        if class_name:
            self.add_class(class_name)
        return self._note(layer, "classify", wanted, class_name=class_name)

    def review(self, layer: LayerKey, ids: Iterable[int], reviewed: bool = True) -> Change:
        """Mark objects as reviewed, or as not reviewed."""
        wanted = self._layers.check_ids(layer, ids)
        return self._note(layer, "review", wanted, reviewed=reviewed)

    def add_class(self, name: str, color: str | None = None) -> None:
        """Add a class unless it exists; without `color`, a free colour is chosen."""
        classes = self._layers.classes
        if all(c.name != name for c in classes):
            self.set_classes([*((c.name, c.color) for c in classes), (name, color)])

    def set_classes(self, classes: Iterable[tuple[str, str | None]]) -> None:
        """Set the names and colours ("#rrggbb") of all classes; None chooses a free colour.

        Raises
        ------
        SessionError
            If a name is empty or repeated, or a colour is not "#rrggbb".
        """
        self._store.record("classes", classes=coloured(classes))
        self._store.tell(Event("classes"))

    def rename_class(self, old: str, new: str) -> None:
        """Rename a class in all layers."""
        classes = self._layers.classes
        self.set_classes([(new if c.name == old else c.name, c.color) for c in classes])
        for key in self._layers:
            if self._layers.state(key) != "new":
                names = self._layers.class_names(key)
                ids = [i for i, name in names.items() if name == old]
                if ids:
                    self._note(key, "classify", ids, class_name=new)

    def _note(self, layer: LayerKey, kind: str, ids: list[int], **values: Any) -> Change:
        """Change facts about objects."""
        with self._store.mutex:
            known = self._store.layer(layer).objects
            infos = {i: replaced(known.get(i, ObjectInfo()), **values) for i in ids}
            return self._store.change(layer, kind, args={"ids": ids, **values}, infos=infos)

    def _copy(self, layer: LayerKey) -> Labels:
        with self._store.mutex:
            return np.array(self._store.layer(layer).labels)

    def _unhurried(
        self, layer: LayerKey, find: Callable[[], Found], finish: Callable[[Found], Change]
    ) -> Change:
        """Find something slow out, and finish an edit with it.

        Other edits need not wait meanwhile; if there was one, it is found out again.
        """
        for _ in range(_TRIES):
            with self._store.mutex:
                before = self._store.state.history(layer).last
            found = find()
            with self._store.mutex:
                if self._store.state.history(layer).last == before:
                    return finish(found)
        with self._store.mutex:
            return finish(find())

    def _edit(self, layer: LayerKey, kind: str, args: dict[str, Any]) -> Change:
        """Do one of `label_edits.EDITS`."""
        with self._store.mutex:
            found = self._store.layer(layer)
            boxes = [box for label in args["ids"] or () if (box := found.box(label)) is not None]
            window, new = edited_part(kind, found.labels, args, boxes, found.next_id - 1)
            infos: dict[int, ObjectInfo] = {}
            if kind == "split":
                parent = found.objects.get(args["ids"][0], ObjectInfo())
                infos = {int(i): parent for i in np.unique(new) if i and i not in found.areas}
            return self._store.change(layer, kind, new, window=window, args=args, infos=infos)


def _check_labels(array: Labels, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype.kind not in "ui":
        raise SessionError(
            f"Labels must be integers with shape {shape}; these are {array.dtype} with shape "
            f"{array.shape}."
        )
