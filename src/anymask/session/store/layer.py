"""A layer in memory: its labels and objects, and the steps that change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks.labels import label_dtype
from anymask.session.errors import SessionError
from anymask.session.records import Change, LayerKey, ObjectInfo
from anymask.session.store.deltas import Delta, Window
from anymask.session.store.history import RUNS
from anymask.session.store.object_boxes import Boxes

ObjectChanges = dict[int, tuple[ObjectInfo | None, ObjectInfo | None]]
"""Facts about each object before and after a step; None if the object did not exist."""


@dataclass(frozen=True, eq=False)
class Step:
    """One change of a layer, which can be undone.

    Attributes
    ----------
    kind : str
        "segment", "thresholds", "click", "paint", "merge", ….
    args : dict
        Arguments, sufficient to repeat the step.
    delta : Delta or None
        The changed pixels.
    objects : dict
        The changed objects.
    meta : pair of dict or None
        Facts about the whole layer, before and after, if they changed.
    """

    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)
    delta: Delta | None = None
    objects: ObjectChanges = field(default_factory=dict)
    meta: tuple[dict[str, Any], dict[str, Any]] | None = None

    def reversed(self) -> Step:
        """Return the step that undoes this one."""
        return replace(
            self,
            delta=None if self.delta is None else self.delta.reversed(),
            objects={i: (after, before) for i, (before, after) in self.objects.items()},
            meta=None if self.meta is None else (self.meta[1], self.meta[0]),
        )


class Layer:
    """Labels of an image seen through one pseudo-RGB.

    Attributes
    ----------
    key : LayerKey
    labels : (H, W) or (P, H, W) array
        uint16, or uint32 once an id needs it.
    objects : dict of int to ObjectInfo
        Facts about every id that has a pixel.
    areas : dict of int to int
        Number of pixels of every id.
    meta : dict
        "candidates" or "scores": files with the results of a run; "thresholds", "options" and
        "model" of that run.
    """

    def __init__(self, key: LayerKey, shape: tuple[int, ...]) -> None:
        self.key = key
        self.labels: NDArray[Any] = np.zeros(shape, np.uint16)
        self.objects: dict[int, ObjectInfo] = {}
        self.areas: dict[int, int] = {}
        self.meta: dict[str, Any] = {}
        self._boxes = Boxes(self.labels)

    @property
    def next_id(self) -> int:
        """The id for a new object."""
        return max(self.areas, default=0) + 1

    def box(self, label: int) -> Window | None:
        """Return the smallest box around an object; None if there is no such object."""
        return self._boxes.of(self.labels, label) if label in self.areas else None

    def step_to(
        self,
        kind: str,
        delta: Delta | None,
        *,
        args: Mapping[str, Any] | None = None,
        infos: Mapping[int, ObjectInfo] | None = None,
        meta: dict[str, Any] | None = None,
        renew: bool = False,
    ) -> Step | None:
        """Plan a step; return None if it would change nothing.

        Objects that lose their last pixel are removed, and new ids become objects.

        Parameters
        ----------
        kind, delta, args
            See `Step`.
        infos : mapping, optional
            New facts about objects, by id.
        meta : dict, optional
            New facts about the layer.
        renew : bool
            Whether all objects are new, even those with an old id.
        """
        areas = dict(self.areas)
        touched: set[int] = set(infos or ())
        if delta is not None:
            changed = delta.changed
            for pixels, sign in ((delta.before, -1), (delta.after, 1)):
                for label, count in _counted(pixels[changed]):
                    areas[label] = areas.get(label, 0) + sign * count
                    touched.add(label)
        if renew:
            touched |= set(self.objects)
        changes: ObjectChanges = {}
        origin = kind if kind not in RUNS else "everything"
        for label in touched:
            before, after = self.objects.get(label), None
            if areas.get(label, 0) > 0:
                kept = None if renew else before
                after = (infos or {}).get(label) or kept or ObjectInfo(origin=origin)
            if not (before is None and after is None) and not (before and before.same_as(after)):
                changes[label] = (before, after)
        new_meta = None if meta is None or meta == self.meta else (dict(self.meta), dict(meta))
        if delta is None and not changes and new_meta is None:
            return None
        return Step(kind, dict(args or {}), delta, changes, new_meta)

    def apply(self, step: Step) -> Change:
        """Apply a step."""
        whole, touched = False, set[int]()
        window: tuple[slice, ...] = tuple(slice(0, 0) for _ in self.labels.shape)
        if step.delta is not None:
            delta = step.delta
            window = delta.window
            if any(p.stop > n for p, n in zip(window, self.labels.shape, strict=False)) or (
                len(window) != self.labels.ndim
            ):
                raise SessionError("An edit lies outside its image and was skipped.")
            largest = int(delta.after.max(initial=0))
            if largest > np.iinfo(self.labels.dtype).max:
                self.labels = self.labels.astype(label_dtype(largest))
                whole = True
            # Areas are counted in the labels, so that they are right even after a damaged step.
            changed = delta.changed
            for label, count in _counted(self.labels[window][changed]):
                self.areas[label] = self.areas.get(label, 0) - count
                touched.add(label)
            delta.apply(self.labels)
            painted = _counted(delta.after[changed])
            for label, count in painted:
                self.areas[label] = self.areas.get(label, 0) + count
                touched.add(label)
            self._boxes.note(delta, [label for label, _ in painted])
            for label in [label for label, area in self.areas.items() if area <= 0]:
                del self.areas[label]
        for label, (_, after) in step.objects.items():
            if after is None:
                self.objects.pop(label, None)
            else:
                self.objects[label] = after
        if step.meta is not None:
            self.meta = dict(step.meta[1])
        ids = tuple(sorted(step.objects))
        return Change(self.key, window, ids, whole, touched=tuple(sorted(touched)))

    def restore(
        self, labels: NDArray[Any], objects: Mapping[int, ObjectInfo], meta: Mapping[str, Any]
    ) -> None:
        """Set labels, objects and facts from a snapshot."""
        dtype = np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32
        self.labels = labels.astype(dtype)
        self.objects, self.meta = dict(objects), dict(meta)
        self.areas = dict(_counted(self.labels))
        self._boxes = Boxes(self.labels)


def _counted(pixels: NDArray[Any]) -> list[tuple[int, int]]:
    """Count the pixels of each id in an array, without 0."""
    if pixels.size and int(pixels.max()) < 2**20:
        counts = np.bincount(pixels.ravel())
        found = np.flatnonzero(counts)
        return [(int(i), int(counts[i])) for i in found if i]
    ids, numbers = np.unique(pixels, return_counts=True)
    return [(int(i), int(n)) for i, n in zip(ids, numbers, strict=True) if i]
