"""One thread for the model, and a fair queue before it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from anymask.errors import AnymaskError

_MOST_OF_A_USER, _MOST_OF_ALL = 8, 256
# A long task starts after this many seconds, even if short ones keep coming: it gives way to them.
_PATIENCE = 5.0


class BusyError(AnymaskError):
    """Too much is waiting for the model."""


class ModelQueue:
    """Does the work of the model in one thread, in turns among users.

    Short work (a click, an image to encode) goes before long work (a run), and long work lets
    short work in between its steps (`give_way`). Users take turns, so that one who asks for much
    does not hold up the others; the work of one user keeps its order.
    """

    def __init__(self) -> None:
        self._short, self._long = _Turns(), _Turns()
        self._change = threading.Condition()
        self._is_open = True
        self._thread = threading.Thread(target=self._work, name="anymask model", daemon=True)
        self._thread.start()

    def ask(self, user: str, work: Callable[[], Any], *, long: bool = False) -> Future[Any]:
        """Have work done.

        Parameters
        ----------
        user : str
            Whose turn it takes.
        work : callable
        long : bool
            Whether it takes many seconds; it then has to call `give_way`.

        Raises
        ------
        BusyError
            If too much of this user, or of all, is waiting.
        """
        done: Future[Any] = Future()
        turns = self._long if long else self._short
        with self._change:
            if not self._is_open:
                raise BusyError("The server is stopping; start it again.")
            if turns.of(user) >= _MOST_OF_A_USER or len(turns) >= _MOST_OF_ALL:
                raise BusyError("The model has more to do than it can; try again in a moment.")
            turns.add(user, work, done)
            self._change.notify()
        return done

    def give_way(self) -> None:
        """Do the short work that waits now, one piece of each user; called by long work."""
        if threading.current_thread() is not self._thread:
            return
        for _ in range(self._short.users):
            with self._change:
                task = self._short.next()
            if task is None:
                return
            _do(*task)

    def close(self) -> None:
        """Do nothing more; what waits is cancelled, and what runs is waited for."""
        with self._change:
            self._is_open = False
            waiting = [*self._short.clear(), *self._long.clear()]
            self._change.notify()
        for future in waiting:
            future.cancel()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._change:
                while not (task := self._next()):
                    if not self._is_open:
                        return
                    self._change.wait()
            _do(*task)
            del task  # a result may be large

    def _next(self) -> tuple[Callable[[], Any], Future[Any]] | None:
        if self._long.waits_since() < time.monotonic() - _PATIENCE:
            return self._long.next()
        return self._short.next() or self._long.next()


class _Turns:
    """Work of several users, who take turns."""

    def __init__(self) -> None:
        # Whose turn is next comes first.
        self._of: OrderedDict[str, deque[tuple[Callable[[], Any], Future[Any]]]] = OrderedDict()
        self._since: float = float("inf")

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    @property
    def users(self) -> int:
        return len(self._of)

    def of(self, user: str) -> int:
        return len(self._of.get(user, ()))

    def waits_since(self) -> float:
        """When the first began to wait; never if there is none."""
        return self._since if self._of else float("inf")

    def add(self, user: str, work: Callable[[], Any], done: Future[Any]) -> None:
        if not self._of:
            self._since = time.monotonic()
        self._of.setdefault(user, deque()).append((work, done))

    def next(self) -> tuple[Callable[[], Any], Future[Any]] | None:
        if not self._of:
            return None
        user, tasks = self._of.popitem(last=False)
        task = tasks.popleft()
        if tasks:
            self._of[user] = tasks
        self._since = time.monotonic()
        return task

    def clear(self) -> list[Future[Any]]:
        waiting = [done for tasks in self._of.values() for _, done in tasks]
        self._of.clear()
        return waiting


def _do(work: Callable[[], Any], done: Future[Any]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(work())
    except BaseException as error:
        done.set_exception(error)
