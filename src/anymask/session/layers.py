"""`session.layers`: labels and objects of each layer, read-only; see `session.edits` to edit."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from anymask.masks.choose import binarise, keep
from anymask.masks.mask_set import MaskSet
from anymask.session.errors import RevisionError, SessionError
from anymask.session.images import Images
from anymask.session.object_table import ObjectTable, measured, table_of
from anymask.session.records import ClassRecord, LayerKey, ObjectInfo, State
from anymask.session.rendering import plane_of
from anymask.session.store.deltas import Window
from anymask.session.store.store import Store

# What runs of the model make.
_AUTOMATIC = ("everything", "semantic", "alike")


class Layers:
    """The layers of a session as a sequence of `LayerKey`: one per pseudo-RGB of each image."""

    def __init__(self, store: Store, images: Images) -> None:
        self._store, self._images = store, images

    def __len__(self) -> int:
        return len(self._store.state.layer_keys())

    def __iter__(self) -> Iterator[LayerKey]:
        return iter(self._store.state.layer_keys())

    def __contains__(self, layer: object) -> bool:
        return layer in self._store.state.layer_keys()

    @overload
    def __getitem__(self, which: SupportsIndex) -> LayerKey: ...
    @overload
    def __getitem__(self, which: slice) -> list[LayerKey]: ...
    def __getitem__(self, which: SupportsIndex | slice) -> LayerKey | list[LayerKey]:
        return self._store.state.layer_keys()[which]

    def title(self, layer: LayerKey) -> str:
        """Return the name of a layer: its image, plus its pseudo-RGB if the image has several."""
        return self._store.state.title(layer)

    def state(self, layer: LayerKey) -> State:
        """Return whether a layer is new, segmented, edited, or saved since its last change."""
        return self._store.state.layer_state(layer)

    def edited(self, layers: Iterable[LayerKey] | None = None) -> list[LayerKey]:
        """Return the layers (of all by default) that were edited by hand."""
        state = self._store.state
        keys = state.layer_keys() if layers is None else layers
        return [key for key in keys if state.history(key).is_edited]

    def revision(self, layer: LayerKey) -> int:
        """Return the number of the layer's last step; 0 for none. Undo and redo raise it too."""
        return self._store.state.history(layer).last

    @contextmanager
    def held_at(self, layer: LayerKey, revision: int | None = None) -> Iterator[int]:
        """Hold a layer, so that nobody else changes it within the `with` block.

        Parameters
        ----------
        layer : LayerKey
        revision : int, optional
            What `revision` was when the caller last saw the layer; by default any.

        Yields
        ------
        int
            The revision of the layer.

        Raises
        ------
        RevisionError
            If someone else has changed the layer since then.
        """
        with self._store.mutex:
            now = self.revision(layer)
            if revision is not None and revision != now:
                raise RevisionError(
                    f"{self.title(layer)} was changed by someone else in the meantime; look at it "
                    "again and repeat the step."
                )
            yield now

    def with_masks(self) -> Iterator[LayerKey]:
        """Iterate over the layers that have an object."""
        for key in self:
            if self._store.state.history(key).done and self._store.layer(key).areas:
                yield key

    def labels(self, layer: LayerKey, plane: int | None = None) -> NDArray[Any]:
        """Return the label image of a layer: a read-only view that follows later edits.

        Parameters
        ----------
        layer : LayerKey
        plane : int, optional
            One plane of a stack, (H, W); by default all planes, (planes, H, W).

        Returns
        -------
        (H, W) or (planes, H, W) array of uint16, or uint32 once an id needs it
        """
        labels = self._store.layer(layer).labels
        view = (labels if plane is None or labels.ndim == 2 else labels[plane]).view()
        view.flags.writeable = False
        return view

    def next_id(self, layer: LayerKey) -> int:
        """Return the id that the next new object gets."""
        return self._store.layer(layer).next_id

    def info(self, layer: LayerKey, label: int) -> ObjectInfo:
        """Return class, scores and origin of an object.

        Raises
        ------
        SessionError
            If there is no object with that id.
        """
        self.check_ids(layer, [label])
        return self._store.layer(layer).objects[label]

    def ids(self, layer: LayerKey) -> list[int]:
        """Return the ids of the objects of a layer, in order; quicker than `objects`."""
        with self._store.mutex:
            return sorted(self._store.layer(layer).areas)

    def box(self, layer: LayerKey, label: int) -> Window:
        """Return the smallest box around an object: slices of rows and columns.

        In a stack, the slice of planes comes first.

        Raises
        ------
        SessionError
            If there is no object with that id.
        """
        self.check_ids(layer, [label])
        with self._store.mutex:
            box = self._store.layer(layer).box(int(label))
        assert box is not None
        return box

    def check_ids(self, layer: LayerKey, ids: Iterable[int]) -> list[int]:
        """Return ids as integers without duplicates.

        Raises
        ------
        SessionError
            If an id has no object.
        """
        wanted = list(dict.fromkeys(int(i) for i in ids))
        known = self._store.layer(layer).areas
        absent = [i for i in wanted if i not in known]
        if absent:
            raise SessionError(f"{self.title(layer)} has no object {absent[0]}.")
        return wanted

    def objects(
        self, layer: LayerKey, measurements: Sequence[str] = (), plane: int | None = None
    ) -> ObjectTable:
        """Return the objects of a layer as a table.

        Parameters
        ----------
        layer : LayerKey
        measurements : sequence of str
            Names in `anymask.masks.measure.PROPERTIES`. Slow: reads the image. In a stack, one
            plane is measured.
        plane : int, optional
            Only the objects that have a pixel in this plane.
        """
        with self._store.mutex:
            found = self._store.layer(layer)
            labels = found.labels[plane] if plane is not None and found.labels.ndim == 3 else None
            ids = sorted(found.areas)
            if labels is not None:
                ids = [int(i) for i in np.unique(labels) if i]
            infos = [found.objects.get(i, ObjectInfo()) for i in ids]
            areas = [found.areas[i] for i in ids]
        table = table_of(ids, infos, areas)
        if not measurements or not ids:
            return table
        image = plane_of(self._images.load(layer.image), plane or 0)
        return measured(table, self.labels(layer, plane or 0), image, measurements)

    def masks(self, layer: LayerKey, plane: int = 0) -> MaskSet:
        """Return the objects of a layer, or of one plane of a stack, as masks with their ids."""
        with self._store.mutex:
            found = self._store.layer(layer)
            labels = np.array(found.labels[plane] if found.labels.ndim == 3 else found.labels)
            infos = dict(found.objects)
        masks = MaskSet.from_labels(labels)
        known = [infos.get(int(i), ObjectInfo()) for i in masks.ids]
        masks = replace(
            masks,
            predicted_iou=np.array([o.predicted_iou for o in known], np.float64),
            stability_score=np.array([o.stability_score for o in known], np.float64),
        )
        if any(o.class_name for o in known):
            masks = masks.with_class_names([o.class_name for o in known])
        return masks

    def matching(self, layer: LayerKey, choice: str, plane: int | None = 0) -> list[int]:
        """Return ids of the objects that a list ("1-8,14") or condition ("area > 200") selects.

        Parameters
        ----------
        layer : LayerKey
        choice : str
            Syntax of `anymask.masks.choose.keep`.
        plane : int or None
            A plane of a stack; None for all planes, each measured separately.
        """
        if plane is not None or self._images[layer.image].planes == 1:
            return [int(i) for i in keep(self.masks(layer, plane or 0), choice).ids]
        found: set[int] = set()
        for each in range(self._images[layer.image].planes):
            masks = self.masks(layer, each)
            if len(masks):
                found |= {int(i) for i in keep(masks, choice, missing_ids=True).ids}
        return sorted(found)

    def binarise(
        self, layer: LayerKey, choice: str | None = None, plane: int = 0
    ) -> NDArray[np.bool_]:
        """Return one boolean mask (H, W) of all objects, or of those that `matching` selects."""
        return binarise(self.masks(layer, plane), choice)

    @property
    def classes(self) -> tuple[ClassRecord, ...]:
        """Names and colours of the classes, in the order of their numbers in files."""
        return self._store.state.classes

    def automatic(self, layer: LayerKey) -> set[int]:
        """Return the ids of objects that a run made and that nobody has changed since."""
        with self._store.mutex:
            objects, by_hand = self._store.layer(layer).objects, self._store.by_hand(layer)
            return {i for i, o in objects.items() if o.origin in _AUTOMATIC and i not in by_hand}

    def class_names(self, layer: LayerKey) -> dict[int, str]:
        """Return the class of each object that has one."""
        with self._store.mutex:
            objects = self._store.layer(layer).objects
            return {i: o.class_name for i, o in objects.items() if o.class_name}

    def review_queue(self, layer: LayerKey) -> list[int]:
        """Return unreviewed objects, lowest predicted quality first.

        Objects without scores, such as hand-drawn ones, come last.
        """
        with self._store.mutex:
            objects = dict(self._store.layer(layer).objects)
        waiting = [(o.quality, label) for label, o in objects.items() if not o.reviewed]
        return [i for _, i in sorted((math.inf if math.isnan(q) else q, i) for q, i in waiting)]

    def next_unreviewed(self, layer: LayerKey, after: int | None = None) -> int | None:
        """Return the next object to review: the one after `after` in the queue, or the first."""
        queue = self.review_queue(layer)
        if after in queue:
            queue = queue[queue.index(after) + 1 :] + queue[: queue.index(after)]
        return queue[0] if queue else None

    def release(self, keep: Collection[LayerKey] = ()) -> None:
        """Drop the labels of all layers except `keep` from memory; they stay on disk."""
        self._store.release(keep)
