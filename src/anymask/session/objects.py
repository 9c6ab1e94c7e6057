"""Objects of a layer: their table, classes and colours, and the order in which to review them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.io.tables import measure_in_image
from anymask.masks.mask_set import MaskSet
from anymask.palette import colours_of
from anymask.session.errors import SessionError
from anymask.session.layers import Layer
from anymask.session.pictures import SessionPictures
from anymask.session.records import Change, ClassRecord, Event, LayerKey, ObjectInfo
from anymask.session.rendering import plane_of


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """What is known of the objects of a layer, a row each, in order of ids.

    Attributes
    ----------
    columns : dict of str to (N,) array
        "id", "class_name", "predicted_iou", "stability_score", "quality", "reviewed", "origin",
        "area" in pixels, and measurements where asked for.
    units : dict of str
        Of measurements.
    """

    columns: dict[str, NDArray[Any]]
    units: dict[str, str]

    @property
    def ids(self) -> NDArray[np.int64]:
        """The objects."""
        return self.columns["id"]

    def __len__(self) -> int:
        return len(self.ids)


class SessionObjects(SessionPictures):
    """Labels, objects and classes of a session."""

    def labels(self, layer: LayerKey) -> NDArray[Any]:
        """The labels of a layer, (H, W) or (planes, H, W), to look at only; they live on."""
        view = self._layer(layer).labels.view()
        view.flags.writeable = False
        return view

    def next_id(self, layer: LayerKey) -> int:
        """The id for a new object."""
        return self._layer(layer).next_id

    def info(self, layer: LayerKey, label: int) -> ObjectInfo:
        """What is known of an object.

        Raises
        ------
        SessionError
            If there is none of that id.
        """
        self._known(layer, [label])
        return self._layer(layer).objects[label]

    def objects(
        self, layer: LayerKey, measurements: Sequence[str] = (), plane: int | None = None
    ) -> ObjectTable:
        """The objects of a layer.

        Parameters
        ----------
        layer : LayerKey
        measurements : sequence of str
            Names in `anymask.masks.measure.PROPERTIES` (slow; intensities read the image); of a
            stack, those of one plane.
        plane : int, optional
            Only the objects that have a pixel there.
        """
        with self._mutex:
            found = self._layer(layer)
            labels = found.labels[plane] if plane is not None and found.labels.ndim == 3 else None
            ids = sorted(found.areas)
            if labels is not None:
                ids = [int(i) for i in np.unique(labels) if i]
            infos = [found.objects.get(i, ObjectInfo()) for i in ids]
            areas = [found.areas[i] for i in ids]
        columns: dict[str, NDArray[Any]] = {
            "id": np.array(ids, np.int64),
            "class_name": np.array([o.class_name for o in infos], np.str_),
            "predicted_iou": np.array([o.predicted_iou for o in infos], np.float64),
            "stability_score": np.array([o.stability_score for o in infos], np.float64),
            "quality": np.array([o.quality for o in infos], np.float64),
            "reviewed": np.array([o.reviewed for o in infos], np.bool_),
            "origin": np.array([o.origin for o in infos], np.str_),
            "area": np.array(areas, np.int64),
        }
        units: dict[str, str] = {}
        if measurements and len(ids):
            columns, units = self._measured(layer, columns, measurements, plane)
        return ObjectTable(columns, units)

    def _measured(
        self,
        layer: LayerKey,
        columns: dict[str, NDArray[Any]],
        measurements: Sequence[str],
        plane: int | None,
    ) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        labels = self.plane_labels(layer, plane or 0)
        found = measure_in_image(
            MaskSet.from_labels(labels),
            plane_of(self.load(layer.image), plane or 0),
            properties=[name for name in measurements if name != "area"] or ["centroid"],
        )
        rows = np.searchsorted(found["id"], columns["id"])
        there = np.isin(columns["id"], found["id"])
        for name, column in found.items():
            if name not in columns:
                whole = np.full(len(there), np.nan)
                whole[there] = column[rows[there]]
                columns[name] = whole
        return columns, {name: unit for name, unit in found.units.items() if name in columns}

    def plane_labels(self, layer: LayerKey, plane: int = 0) -> NDArray[Any]:
        """Labels of one plane, (H, W), to look at only."""
        labels = self.labels(layer)
        return labels[plane] if labels.ndim == 3 else labels

    def set_class(self, layer: LayerKey, ids: Iterable[int], class_name: str) -> Change:
        """Say of what class objects are; a class that is new gets a colour. "" is none."""
        wanted = self._known(layer, ids)
        if class_name and all(c.name != class_name for c in self.classes):
            self.set_classes([*((c.name, c.color) for c in self.classes), (class_name, None)])
        return self._set(layer, "classify", wanted, class_name=class_name)

    def set_reviewed(self, layer: LayerKey, ids: Iterable[int], reviewed: bool = True) -> Change:
        """Say whether objects have been looked at."""
        return self._set(layer, "review", self._known(layer, ids), reviewed=reviewed)

    def _set(self, layer: LayerKey, kind: str, ids: list[int], **values: Any) -> Change:
        with self._mutex:
            found = self._layer(layer)
            infos = {i: replace(found.objects.get(i, ObjectInfo()), **values) for i in ids}
            step = found.step_to(kind, None, args={"ids": ids, **values}, infos=infos)
            return self._commit(layer, step)

    def review_queue(self, layer: LayerKey) -> list[int]:
        """Objects that nobody has reviewed, those of the lowest predicted quality first.

        Objects without scores, which were made by hand, come last.
        """
        with self._mutex:
            objects = dict(self._layer(layer).objects)
        waiting = [(o.quality, label) for label, o in objects.items() if not o.reviewed]
        return [i for _, i in sorted((math.inf if math.isnan(q) else q, i) for q, i in waiting)]

    def next_unreviewed(self, layer: LayerKey, after: int | None = None) -> int | None:
        """The next object to review: the one that follows `after` in the queue, or the first."""
        queue = self.review_queue(layer)
        if after in queue:
            queue = queue[queue.index(after) + 1 :] + queue[: queue.index(after)]
        return queue[0] if queue else None

    @property
    def classes(self) -> tuple[ClassRecord, ...]:
        """Names and colours of the classes, in the order of their numbers in files."""
        return self._state.classes

    def set_classes(self, classes: Iterable[tuple[str, str | None]]) -> None:
        """Set names and colours of the classes, "#rrggbb"; None chooses a colour.

        Raises
        ------
        SessionError
            If a name comes twice or is empty, or a colour is none.
        """
        made: list[list[str]] = []
        used = {color for _, color in classes if color} if isinstance(classes, list) else set()
        for name, color in classes:
            if not name.strip() or name in (given for given, _ in made):
                raise SessionError(f"{name!r} cannot name one more class; names must differ.")
            if color is None:
                color = _free_color(used | {c for _, c in made})
            if len(color) != 7 or color[0] != "#" or not _is_hex(color[1:]):
                raise SessionError(f"{color!r} is no colour; write it as #rrggbb.")
            made.append([name, color.lower()])
        self._record("classes", classes=made)
        self._tell(Event("classes"))

    def rename_class(self, old: str, new: str) -> None:
        """Give a class another name, in every layer."""
        self.set_classes([(new if c.name == old else c.name, c.color) for c in self.classes])
        for key in self.all_layers():
            if self._state.history(key).done:
                with self._mutex:
                    objects = self._layer(key).objects
                    ids = [i for i, o in objects.items() if o.class_name == old]
                if ids:
                    self._set(key, "classify", ids, class_name=new)

    def class_names(self, layer: LayerKey) -> dict[int, str]:
        """Class of each object that has one."""
        with self._mutex:
            objects = self._layer(layer).objects
            return {i: o.class_name for i, o in objects.items() if o.class_name}

    def masks(self, layer: LayerKey, plane: int = 0) -> MaskSet:
        """The objects of a layer (of a stack, in one plane) as a `MaskSet`; ids are the labels'."""
        with self._mutex:
            found = self._layer(layer)
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

    def _known(self, layer: LayerKey, ids: Iterable[int]) -> list[int]:
        """Ids as whole numbers, each once; one that no object has is refused."""
        wanted = list(dict.fromkeys(int(i) for i in ids))
        found: Layer = self._layer(layer)
        absent = [i for i in wanted if i not in found.areas]
        if absent:
            raise SessionError(f"{self.title(layer)} has no object {absent[0]}.")
        return wanted


def _free_color(used: set[str]) -> str:
    colors = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours_of(np.arange(1, 257)).tolist()]
    return next((color for color in colors if color not in used), colors[0])


def _is_hex(text: str) -> bool:
    return all(c in "0123456789abcdefABCDEF" for c in text)
