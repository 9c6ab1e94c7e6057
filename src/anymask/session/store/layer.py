"""One layer in memory: its labels and objects, and the steps that change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks.labels import label_dtype
from anymask.session.errors import SessionError
from anymask.session.records import Change, LayerKey, ObjectInfo
from anymask.session.store.deltas import Delta
from anymask.session.store.history import RUNS

ObjectChanges = dict[int, tuple[ObjectInfo | None, ObjectInfo | None]]
"""What was known about each object of a step before and after it; None if it did not exist."""


@dataclass(frozen=True, eq=False)
class Step:
    """One change of a layer, which can be undone.

    Attributes
    ----------
    kind : str
        What was done: "segment", "thresholds", "click", "paint", "merge", ….
    args : dict
        With what; enough to do it again.
    delta : Delta or None
        The pixels that changed.
    objects : dict
        The objects that changed.
    meta : pair of dict or None
        What is known about the whole layer, before and after, if that changed.
    """

    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)
    delta: Delta | None = None
    objects: ObjectChanges = field(default_factory=dict)
    meta: tuple[dict[str, Any], dict[str, Any]] | None = None

    def reversed(self) -> Step:
        """The step that undoes this one."""
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
        Every id that has a pixel.
    areas : dict of int to int
        Pixels of every id.
    meta : dict
        "candidates" or "scores": files of what a run found; "thresholds", "options", "model":
        of the run.
    """

    def __init__(self, key: LayerKey, shape: tuple[int, ...]) -> None:
        self.key = key
        self.labels: NDArray[Any] = np.zeros(shape, np.uint16)
        self.objects: dict[int, ObjectInfo] = {}
        self.areas: dict[int, int] = {}
        self.meta: dict[str, Any] = {}

    @property
    def next_id(self) -> int:
        """The id for a new object."""
        return max(self.areas, default=0) + 1

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

        Objects that lose their last pixel are forgotten, and ids that appear become objects.

        Parameters
        ----------
        kind, delta, args
            Of the step.
        infos : mapping, optional
            What becomes known about objects, by id.
        meta : dict, optional
            What becomes known about the layer.
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
        """Do a step."""
        whole = False
        window: tuple[slice, ...] = tuple(slice(0, 0) for _ in self.labels.shape)
        if step.delta is not None:
            delta = step.delta
            window = delta.window
            if any(p.stop > n for p, n in zip(window, self.labels.shape, strict=False)) or (
                len(window) != self.labels.ndim
            ):
                raise SessionError("An edit lies outside of its image; it was left out.")
            largest = int(delta.after.max(initial=0))
            if largest > np.iinfo(self.labels.dtype).max:
                self.labels = self.labels.astype(label_dtype(largest))
                whole = True
            # Counted in the labels, so that areas are right even after a damaged step.
            changed = delta.changed
            for label, count in _counted(self.labels[window][changed]):
                self.areas[label] = self.areas.get(label, 0) - count
            delta.apply(self.labels)
            for label, count in _counted(delta.after[changed]):
                self.areas[label] = self.areas.get(label, 0) + count
            for label in [label for label, area in self.areas.items() if area <= 0]:
                del self.areas[label]
        for label, (_, after) in step.objects.items():
            if after is None:
                self.objects.pop(label, None)
            else:
                self.objects[label] = after
        if step.meta is not None:
            self.meta = dict(step.meta[1])
        return Change(self.key, window, tuple(sorted(step.objects)), whole)

    def restore(
        self, labels: NDArray[Any], objects: Mapping[int, ObjectInfo], meta: Mapping[str, Any]
    ) -> None:
        """Become what a snapshot holds."""
        dtype = np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32
        self.labels = labels.astype(dtype)
        self.objects, self.meta = dict(objects), dict(meta)
        self.areas = dict(_counted(self.labels))


def _counted(pixels: NDArray[Any]) -> list[tuple[int, int]]:
    """Ids in an array, 0 left out, and how often each is there."""
    if pixels.size and int(pixels.max()) < 2**20:
        counts = np.bincount(pixels.ravel())
        found = np.flatnonzero(counts)
        return [(int(i), int(counts[i])) for i in found if i]
    ids, numbers = np.unique(pixels, return_counts=True)
    return [(int(i), int(n)) for i, n in zip(ids, numbers, strict=True) if i]
