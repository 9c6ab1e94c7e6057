"""The store of a session: every step is written to the journal before it takes effect.

It holds the folder, its lock, the journal, the state that results from the journal, and the layers
in memory. All methods may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.journal import Journal, Line
from anymask.session.errors import SessionError
from anymask.session.records import Change, Event, LayerKey, ObjectInfo, joined_changes
from anymask.session.store.by_hand import ByHand
from anymask.session.store.deltas import Delta, Window
from anymask.session.store.events import Listener, Mutex
from anymask.session.store.folder import inside, remove_unfinished
from anymask.session.store.layer import Layer, Step
from anymask.session.store.lock import SessionLock
from anymask.session.store.log import Log
from anymask.session.store.session_state import Readers, SessionState
from anymask.session.store.snapshots import read_snapshot, write_snapshot
from anymask.session.store.steps import facts_of, read_step

# A layer gets a new snapshot after this many steps, or bytes of steps, since the last one.
_SNAPSHOT_STEPS = 40
_SNAPSHOT_BYTES = 2**20
_KEEPER_SECONDS = 1.0


class Store:
    """The files of a session, and its layers in memory.

    Parameters
    ----------
    folder : Path
        An existing session folder.
    read_only : bool
        Open without a lock and without writing anything.
    readers : mapping
        Functions for values that the store need not understand; see `SessionState`.

    Attributes
    ----------
    state : SessionState
        The state that results from the journal.
    mutex : Mutex
        Held while the state or a layer is read or changed.
    messages : list of str
        Problems found on opening and reading.

    Raises
    ------
    SessionError
        If the session is open in another window.
    """

    def __init__(self, folder: Path, *, read_only: bool, readers: Readers) -> None:
        self.folder = folder
        self.read_only = read_only
        self.messages: list[str] = []
        self._listeners: list[Listener] = []
        self.mutex = Mutex(self._listeners)
        self._lock = None if read_only else SessionLock(folder)
        try:
            if not read_only:
                remove_unfinished(folder)
            self.state = SessionState(folder, readers)
            self._journal = Journal(
                folder / "journal.jsonl", writable=not read_only, error=SessionError
            )
            for line in self._journal.lines():
                self._take_in(line)
            self.messages += self._journal.messages
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        self._log = Log(folder / "log.txt", writable=not read_only)
        self._layers: dict[LayerKey, Layer] = {}
        # Not a method of the store, which could then not be freed with its last reference.
        self._read_step = partial(read_step, folder, self._journal)
        self._by_hand = ByHand(self._read_step)
        self._is_open = True
        for message in self.messages:
            self.log(message)
        self._ending = threading.Event()
        self._keeper: threading.Thread | None = None
        if not read_only:
            self._keeper = threading.Thread(target=self._keep, name="anymask session", daemon=True)
            self._keeper.start()

    def close(self) -> None:
        """Write snapshots of changes and release the session; a second call does nothing."""
        if not self._is_open:
            return
        try:
            self._ending.set()
            if self._keeper is not None:
                self._keeper.join()
            if not self.read_only:
                self.checkpoint()
        finally:
            self._is_open = False
            self._journal.close()
            if self._lock is not None:
                self._lock.release()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call a function with each `Event`; return a function that unsubscribes it."""
        with self.mutex:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self.mutex, suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    def tell(self, event: Event) -> None:
        """Notify the listeners as soon as this thread has released the mutex."""
        with self.mutex:
            self.mutex.pending.append(event)

    def log(self, text: str) -> None:
        """Add a line to the log, with the time."""
        self._log.add(text)
        self.tell(Event("log"))

    def log_lines(self, count: int) -> list[str]:
        """Return the last lines of the log."""
        return self._log.last(count)

    def say(self, sentence: str) -> None:
        """Add a message for the user who opened the session."""
        self.messages.append(sentence)
        self.log(sentence)

    def refuse_read_only(self) -> None:
        """Refuse to change a session that was opened read-only.

        Raises
        ------
        SessionError
        """
        if self.read_only:
            raise SessionError(
                f"{self.folder.name} was opened read-only; close the window that has it open, then "
                "open it again."
            )

    def record(self, do: str, **facts: Any) -> int:
        """Append a step to the journal, then apply it to the state; return its number.

        Raises
        ------
        SessionError
            If the session is closed or read-only.
        OutputError
            If the journal cannot be written; then nothing changes.
        """
        with self.mutex:
            self._refuse_unwritable()
            step = {"n": self.state.number + 1, "t": round(time.time(), 2), "do": do, **facts}
            self.state.apply(self._journal.append(step))
            return self.state.number

    def layer(self, key: LayerKey) -> Layer:
        """Return a layer; if needed, restore it from its last good snapshot and later steps."""
        with self.mutex:
            if key in self._layers:
                return self._layers[key]
            history = self.state.history(key)
            layer = Layer(key, self.state.image(key.image).label_shape)
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
                        step = self._read_step(ref)
                        layer.apply(step if forward else step.reversed())
                    except AnymaskError as error:
                        self.say(f"{self.state.title(key)}: {error}")
            self._layers[key] = layer
            return layer

    @property
    def layers_in_memory(self) -> int:
        """Number of layers in memory."""
        return len(self._layers)

    def steps(self, key: LayerKey) -> list[Step]:
        """Return the steps of a layer in order, without undone steps."""
        return [self._read_step(ref) for ref in self.state.history(key).done]

    def by_hand(self, key: LayerKey) -> set[int]:
        """Return the ids of objects that were changed by hand since the last run."""
        with self.mutex:
            return self._by_hand.ids(self.state.history(key))

    def change(
        self,
        key: LayerKey,
        kind: str,
        labels: NDArray[Any] | None = None,
        *,
        plane: int | None = None,
        window: Window | None = None,
        args: Mapping[str, Any] | None = None,
        infos: Mapping[int, ObjectInfo] | None = None,
        meta: dict[str, Any] | None = None,
        renew: bool = False,
    ) -> Change:
        """Change a layer by one step; return an empty `Change` if nothing differs.

        Parameters
        ----------
        key : LayerKey
        kind : str
            Name of the step.
        labels : array, optional
            The new labels of the whole layer, of one plane, or of the window alone.
        plane : int, optional
        window : tuple of slice, optional
            The only part in which `labels` may differ.
        args, infos, meta, renew
            See `Layer.step_to`.
        """
        with self.mutex:
            layer = self.layer(key)
            delta = None
            if labels is not None and (plane is None or layer.labels.ndim == 2):
                delta = Delta.between(layer.labels, labels, window)
            elif labels is not None:
                delta = Delta.between(layer.labels[plane], labels, window)
                delta = None if delta is None else delta.in_plane(plane or 0)
            step = layer.step_to(kind, delta, args=args, infos=infos, meta=meta, renew=renew)
            if step is None:
                return Change(key, tuple(slice(0, 0) for _ in layer.labels.shape), ())
            return self._commit(layer, step)

    def _commit(self, layer: Layer, step: Step) -> Change:
        """Write a step of a layer to the journal, then apply it."""
        key = layer.key
        self._refuse_unwritable()
        self.record("step", layer=list(key), **facts_of(self.folder, step))
        change = layer.apply(step)
        only_objects = step.delta is None and step.meta is None
        self.tell(Event("objects" if only_objects else "labels", key.image, key, change))
        return change

    def turn(self, key: LayerKey, *, forward: bool) -> Change | None:
        """Undo the last step of a layer, or redo the last undone step; None if there is none.

        A stroke that was recorded in parts is undone and redone as one.
        """
        with self.mutex:
            history = self.state.history(key)
            waiting = history.undone if forward else history.done
            if not waiting:
                return None
            layer = self.layer(key)
            changes: list[Change] = []
            while waiting:
                ref = waiting[-1]
                if forward and changes and not ref.continues:
                    break
                step = self._read_step(ref)
                self.record("redo" if forward else "undo", layer=list(key))
                changes.append(layer.apply(step if forward else step.reversed()))
                if not forward and not ref.continues:
                    break
            change = joined_changes(changes)
            self.tell(Event("labels", key.image, key, change))
        return change

    def forget(self, keys: Collection[LayerKey]) -> None:
        """Drop layers from memory that were removed from the session."""
        with self.mutex:
            for key in keys:
                self._layers.pop(key, None)

    def release(self, keep: Collection[LayerKey] = ()) -> None:
        """Drop all layers except `keep` from memory, after writing their snapshots."""
        for key in [key for key in list(self._layers) if key not in keep]:
            self._snapshot(key)
            with self.mutex:
                self._layers.pop(key, None)

    def checkpoint(self, layers: Sequence[LayerKey] | None = None) -> None:
        """Write a snapshot of each layer in memory that changed since its last one."""
        for key in list(self._layers) if layers is None else layers:
            self._snapshot(key)
        with self.mutex:
            self._journal.sync()

    def _refuse_unwritable(self) -> None:
        self.refuse_read_only()
        if not self._is_open:
            raise SessionError(f"{self.folder.name} is closed; open it again.")

    def _take_in(self, line: Line) -> None:
        try:
            self.state.apply(line)
        except (KeyError, TypeError, ValueError, IndexError, AnymaskError):
            self.messages.append(
                f"A step of the journal ({line.step.get('do')}) was skipped, because this version "
                "of anymask does not understand it."
            )

    def _snapshot(self, key: LayerKey) -> None:
        with self.mutex:
            layer, history = self._layers.get(key), self.state.histories.get(key)
            if layer is None or history is None or self.read_only:
                return
            at = history.last
            if at == (history.snapshots[-1][0] if history.snapshots else 0):
                return
            labels, objects = np.array(layer.labels), dict(layer.objects)
            meta = dict(layer.meta)
        # Compressing is slow, so it runs outside the mutex.
        name = f"labels/{key.image}-{key.recipe}-{at}.npz"
        write_snapshot(inside(self.folder, name), labels, objects, meta)
        with self.mutex:
            if self.state.histories.get(key) is not history:
                return
            old = history.snapshots[:-1]
            self.record("snapshot", layer=list(key), at=at, file=name)
            history.snapshots[:] = history.snapshots[-2:]
        for _, past in old:
            with suppress(OSError, SessionError):
                inside(self.folder, past).unlink()

    def _keep(self) -> None:
        """Sync the journal and write snapshots in a thread while the session is open."""
        while not self._ending.wait(_KEEPER_SECONDS):
            try:
                self._journal.sync()  # outside the mutex, so that a slow disk blocks nobody
                with self.mutex:
                    due = [key for key in self._layers if self._is_due(key)]
                for key in due:
                    self._snapshot(key)
            except (AnymaskError, OSError) as error:
                self.log(str(error))

    def _is_due(self, key: LayerKey) -> bool:
        history = self.state.histories.get(key)
        if history is None:
            return False
        since = history.snapshots[-1][0] if history.snapshots else 0
        new = [ref for number, ref, _ in history.events if number > since]
        return len(new) >= _SNAPSHOT_STEPS or sum(r.length for r in new) >= _SNAPSHOT_BYTES
