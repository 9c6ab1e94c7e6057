"""The mutex of a session, which notifies listeners after it is released."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from anymask.session.records import Event

Listener = Callable[[Event], None]


class Mutex:
    """A reentrant lock that delivers events.

    Events wait in `pending` until the thread has fully released the lock, so that a listener may
    wait for another thread that needs the session.

    Parameters
    ----------
    listeners : list of callable
        Called with each event; the list may change.
    """

    def __init__(self, listeners: list[Listener]) -> None:
        self.pending: list[Event] = []
        self._listeners = listeners
        self._lock = threading.RLock()
        self._depth = 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        events: list[Event] = []
        if self._depth == 0 and self.pending:
            events, self.pending = self.pending, []
        listeners = list(self._listeners)
        self._lock.release()
        for event in events:
            for listener in listeners:
                listener(event)
