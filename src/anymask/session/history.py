"""Layers as the journal gives them: brought back, changed, undone, and kept as snapshots."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError
from anymask.session.core import SessionCore
from anymask.session.deltas import Delta
from anymask.session.errors import SessionError
from anymask.session.journal import fetch, inside, store
from anymask.session.layers import Layer, Ref, Step
from anymask.session.records import Change, Event, LayerKey, ObjectInfo, joined_changes
from anymask.session.snapshots import read_snapshot, write_snapshot

# A snapshot of a layer is due after so many steps, or steps of so many bytes, since the last one.
_SNAPSHOT_STEPS = 40
_SNAPSHOT_BYTES = 2**20
_KEEPER_SECONDS = 1.0


class SessionHistory(SessionCore):
    """The layers of a session and their steps."""

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        super().__init__(folder, read_only=read_only)
        self._layers: dict[LayerKey, Layer] = {}
        self._ending = threading.Event()
        self._keeper: threading.Thread | None = None
        if not read_only:
            self._keeper = threading.Thread(target=self._keep, name="anymask session", daemon=True)
            self._keeper.start()

    def _finish(self) -> None:
        self._ending.set()
        if self._keeper is not None:
            self._keeper.join()
        if not self.read_only:
            self.checkpoint()

    def _layer(self, key: LayerKey) -> Layer:
        """A layer, brought back from its last snapshot and the steps after it if need be."""
        with self._mutex:
            if key in self._layers:
                return self._layers[key]
            history = self._state.history(key)
            layer = Layer(key, self._state.image(key.image).label_shape)
            start = 0
            for number, name in reversed(history.snapshots):
                try:
                    labels, objects, meta = read_snapshot(inside(self.folder, name))
                except (AnymaskError, OSError):
                    continue
                if labels.shape == layer.labels.shape:
                    layer.restore(labels, objects, meta)
                    start = number
                    break
            for number, ref, forward in history.events:
                if number > start:
                    try:
                        step = self._step(ref)
                        layer.apply(step if forward else step.reversed())
                    except AnymaskError as error:
                        self.messages.append(f"{self.title(key)}: {error}")
                        self.log(self.messages[-1])
            self._layers[key] = layer
            return layer

    def title(self, key: LayerKey) -> str:
        """What a layer is called: its image, and its pseudo-RGB where that is not the only one."""
        record = self._state.image(key.image)
        return record.name if len(record.recipes) == 1 else f"{record.name}.{key.recipe}"

    def _step(self, ref: Ref) -> Step:
        """Read a step of a layer again."""
        data = self._journal.read(ref.offset, ref.length)
        pixels = data.get("pixels")
        delta = None if pixels is None else Delta.unpacked(pixels, fetch(self.folder, pixels))
        objects = {
            int(label): (
                None if before is None else ObjectInfo.from_json(before),
                None if after is None else ObjectInfo.from_json(after),
            )
            for label, (before, after) in data.get("objects", {}).items()
        }
        meta = data.get("meta")
        return Step(
            str(data["kind"]), data.get("args", {}), delta, objects,
            None if meta is None else (meta[0], meta[1]),
        )  # fmt: skip

    def _commit(self, key: LayerKey, step: Step | None) -> Change:
        """Write a step of a layer to the journal, then do it; nothing at all if there is none."""
        with self._mutex:
            layer = self._layer(key)
            if step is None:
                empty = tuple(slice(0, 0) for _ in layer.labels.shape)
                return Change(key, empty, ())
            facts: dict[str, Any] = {"layer": list(key), "kind": step.kind, "args": step.args}
            if step.delta is not None:
                where, content = step.delta.packed()
                facts["pixels"] = where | store(self.folder, content)
            if step.objects:
                facts["objects"] = {
                    label: [None if o is None else o.to_json() for o in pair]
                    for label, pair in step.objects.items()
                }
            if step.meta is not None:
                facts["meta"] = step.meta
            self._record("step", **facts)
            change = layer.apply(step)
        kind = "objects" if step.delta is None and step.meta is None else "labels"
        self._tell(Event(kind, key.image, key, change))  # type: ignore[arg-type]
        return change

    def undo(self, key: LayerKey) -> Change | None:
        """Take the last step of a layer back; None if there is none."""
        return self._turn(key, forward=False)

    def redo(self, key: LayerKey) -> Change | None:
        """Do the step again that was taken back last; None if there is none."""
        return self._turn(key, forward=True)

    def _turn(self, key: LayerKey, *, forward: bool) -> Change | None:
        with self._mutex:
            history = self._state.history(key)
            waiting = history.undone if forward else history.done
            if not waiting:
                return None
            layer = self._layer(key)
            changes: list[Change] = []
            while waiting:
                ref = waiting[-1]
                if forward and changes and not ref.continues:
                    break
                step = self._step(ref)
                self._record("redo" if forward else "undo", layer=list(key))
                changes.append(layer.apply(step if forward else step.reversed()))
                if not forward and not ref.continues:
                    break
            change = joined_changes(changes)
            self._tell(Event("labels", key.image, key, change))
        return change

    def steps(self, key: LayerKey) -> list[Step]:
        """The steps that a layer is made of, in order; those undone are not among them."""
        return [self._step(ref) for ref in self._state.history(key).done]

    def can_undo(self, key: LayerKey) -> str | None:
        """What `undo` would take back ("paint", "merge", …), or None."""
        done = self._state.history(key).done
        return done[-1].kind if done else None

    def can_redo(self, key: LayerKey) -> str | None:
        """What `redo` would do again, or None."""
        undone = self._state.history(key).undone
        return undone[-1].kind if undone else None

    def checkpoint(self, layers: Sequence[LayerKey] | None = None) -> None:
        """Write a snapshot of every layer in memory that changed since its last one.

        Nothing is lost without; a session opens faster with.
        """
        for key in list(self._layers) if layers is None else layers:
            self._snapshot(key)
        with self._mutex:
            self._journal.sync()

    def release(self, keep: Sequence[LayerKey] = ()) -> None:
        """Forget the labels of all layers but some; they are on the disk."""
        for key in [key for key in list(self._layers) if key not in keep]:
            if not self.read_only:
                self._snapshot(key)
            with self._mutex:
                self._layers.pop(key, None)

    def _snapshot(self, key: LayerKey) -> None:
        with self._mutex:
            layer, history = self._layers.get(key), self._state.histories.get(key)
            if layer is None or history is None or self.read_only:
                return
            at = history.last
            if at == (history.snapshots[-1][0] if history.snapshots else 0):
                return
            labels, objects = layer.labels.copy(), dict(layer.objects)
            meta = dict(layer.meta)
        # Compressing takes its time, during which others may go on.
        name = f"labels/{key.image}-{key.recipe}-{at}.npz"
        write_snapshot(inside(self.folder, name), labels, objects, meta)
        with self._mutex:
            if self._state.histories.get(key) is not history:
                return
            old = history.snapshots[:-1]
            self._record("snapshot", layer=list(key), at=at, file=name)
            history.snapshots[:] = history.snapshots[-2:]
        for _, past in old:
            with suppress(OSError, SessionError):
                inside(self.folder, past).unlink()

    def _keep(self) -> None:
        """What a thread does while the session is open: sync the journal, write snapshots."""
        while not self._ending.wait(_KEEPER_SECONDS):
            try:
                self._journal.sync()  # outside of the lock: a slow disk keeps nobody waiting
                with self._mutex:
                    due = [key for key in self._layers if self._is_due(key)]
                for key in due:
                    self._snapshot(key)
            except (AnymaskError, OSError) as error:
                self.log(str(error))

    def _is_due(self, key: LayerKey) -> bool:
        history = self._state.histories.get(key)
        if history is None:
            return False
        since = history.snapshots[-1][0] if history.snapshots else 0
        new = [ref for number, ref, _ in history.events if number > since]
        return len(new) >= _SNAPSHOT_STEPS or sum(r.length for r in new) >= _SNAPSHOT_BYTES
