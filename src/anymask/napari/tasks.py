"""Work in background threads: long tasks with Cancel, and short requests.

Work runs in daemon threads; everything that touches Qt or napari runs in the main thread.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from anymask.errors import AnymaskError
from anymask.session.records import CancelToken

Done = Callable[[Any], None]
Failed = Callable[[Exception], None]

# Minimum time between updates of the bar.
_REPORT_SECONDS = 0.05
# Before, nothing is said of the time that is left.
_TELLING, _SURE_SECONDS = 0.02, 2.0


class MainThread(QObject):
    """Calls functions in the thread that created it."""

    _called = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._open = True
        self._called.connect(self._call)

    def post(self, function: Callable[[], None]) -> None:
        """Schedule a function; may be called from any thread."""
        if self._open:
            try:
                self._called.emit(function)
            except RuntimeError:  # the window is closed, and the Qt part of this object deleted
                self._open = False

    def close(self) -> None:
        """Stop calling functions."""
        self._open = False

    def _call(self, function: Callable[[], None]) -> None:
        if self._open:
            function()


class Task:
    """The argument of a long task: reports progress, and holds a token to cancel it."""

    def __init__(self, title: str, report: Callable[[float | None, str], None]) -> None:
        self.title = title
        self.cancel = CancelToken()
        self._report = report
        self._last = 0.0
        self._begun = time.monotonic()

    def left(self, fraction: float | None) -> str:
        """Say about how long a task still takes; "" while that cannot be told."""
        took = time.monotonic() - self._begun
        if not fraction or fraction < _TELLING or took < _SURE_SECONDS:
            return ""
        return time_left(took * (1 - fraction) / fraction)

    def progress(self, fraction: float | None, text: str = "") -> None:
        """Report progress from 0 to 1; None if unknown."""
        now = time.monotonic()
        if now - self._last >= _REPORT_SECONDS or fraction == 1:
            self._last = now
            self._report(fraction, text)


class Tasks(QObject):
    """Long tasks, one at a time, shown with a bar and a Cancel button.

    Signals
    -------
    started(str), moved(object, str), ended()
        Title; fraction (None if unknown) and text; nothing.
    """

    started = Signal(str)
    moved = Signal(object, str)
    ended = Signal()

    def __init__(self, main: MainThread) -> None:
        super().__init__(main)
        self._main = main
        self.task: Task | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a task is running."""
        return self.task is not None

    def run(
        self,
        title: str,
        work: Callable[[Task], Any],
        done: Done | None = None,
        failed: Failed | None = None,
    ) -> bool:
        """Start a task unless one is running; return whether it was started.

        Parameters
        ----------
        title : str
            Text of the bar.
        work : callable
            Called with the `Task` in a separate thread.
        done, failed : callable
            Called in the main thread with the result or the error.
        """
        if self.task is not None:
            return False
        task = Task(title, lambda f, t: self._main.post(lambda: self.moved.emit(f, t)))
        self.task = task

        def end(function: Callable[[Any], None] | None, value: Any) -> None:
            self.task = None
            self.ended.emit()
            if function is not None:
                function(value)

        def run() -> None:
            try:
                result = work(task)
            except Exception as caught:
                error = caught
                self._main.post(lambda: end(failed, error))
            else:
                self._main.post(lambda: end(done, result))

        self.started.emit(title)
        threading.Thread(target=run, name=f"anymask: {title}", daemon=True).start()
        return True

    def cancel(self) -> None:
        """Ask the running task to stop."""
        if self.task is not None:
            self.task.cancel.cancel()


class Latest:
    """A thread for requests, of which only the newest waiting one is run.

    Parameters
    ----------
    main : MainThread
    name : str
    in_between : bool
        Whether to use a result even if there is a newer request, for instance while a slider
        moves. By default such a result is dropped.
    """

    def __init__(self, main: MainThread, name: str, *, in_between: bool = False) -> None:
        self._main = main
        self._in_between = in_between
        self._waiting: tuple[int, Callable[[], Any], Done, Failed] | None = None
        self._condition = threading.Condition()
        self._asked = self._forgotten = 0
        self._closed = False
        threading.Thread(target=self._run, name=f"anymask: {name}", daemon=True).start()

    def ask(self, work: Callable[[], Any], done: Done, failed: Failed) -> None:
        """Replace the waiting request; `done` or `failed` is called in the main thread."""
        with self._condition:
            self._asked += 1
            self._waiting = (self._asked, work, done, failed)
            self._condition.notify()

    def forget(self) -> None:
        """Drop the waiting request, and the result of the running one."""
        with self._condition:
            self._waiting = None
            self._forgotten = self._asked

    def close(self) -> None:
        """End the thread."""
        with self._condition:
            self._closed, self._waiting = True, None
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._waiting is None and not self._closed:
                    self._condition.wait()
                if self._closed or self._waiting is None:
                    return
                number, work, done, failed = self._waiting
                self._waiting = None
            _answer(
                self._main, work, self._if_wanted(number, done), self._if_wanted(number, failed)
            )
            del work, done, failed  # what they refer to, such as a session, may be closed

    def _if_wanted(self, number: int, function: Callable[[Any], None]) -> Callable[[Any], None]:
        """Wrap a callback so that outdated results are dropped."""

        def call(value: Any) -> None:
            if number > self._forgotten and (self._in_between or number == self._asked):
                function(value)

        return call


class InTurn:
    """A thread that runs small jobs in order, such as thumbnails."""

    def __init__(self, main: MainThread, name: str) -> None:
        self._main = main
        self._queue: queue.Queue[tuple[Callable[[], Any], Done, Failed] | None] = queue.Queue()
        threading.Thread(target=self._run, name=f"anymask: {name}", daemon=True).start()

    def ask(self, work: Callable[[], Any], done: Done, failed: Failed) -> None:
        """Add a job; `done` or `failed` is called in the main thread."""
        self._queue.put((work, done, failed))

    def close(self) -> None:
        """Drop waiting jobs and end the thread."""
        while True:
            try:
                self._queue.get_nowait()
            except queue.Empty:
                break
        self._queue.put(None)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            _answer(self._main, *item)
            del item  # what it refers to, such as a session, may be closed


def time_left(seconds: float) -> str:
    """Say a time that is left in words.

    Examples
    --------
    >>> time_left(42), time_left(200), time_left(9000)
    ('about 40 s left', 'about 3 min left', 'about 2 h 30 min left')
    """
    if seconds < 100:
        return f"about {max(5, 5 * round(seconds / 5))} s left"
    minutes = round(seconds / 60)
    hours = f"{minutes // 60} h " if minutes >= 60 else ""
    return f"about {hours}{minutes % 60 if hours else minutes} min left"


def sentence_of(error: BaseException) -> str:
    """Return the sentence that the user sees for an error; anymask's own errors are sentences."""
    if isinstance(error, AnymaskError):
        return str(error)
    first = (str(error).splitlines() or [""])[0]
    return (
        f"An unexpected error occurred ({type(error).__name__}: {first}); the Log page "
        "has a report to copy."
    )


def trace_of(error: BaseException) -> str:
    """Return the traceback of an unexpected error for the log; empty for anymask's own errors."""
    if isinstance(error, AnymaskError):
        return ""
    return "".join(traceback.format_exception(error))


def _answer(main: MainThread, work: Callable[[], Any], done: Done, failed: Failed) -> None:
    try:
        result = work()
    except Exception as caught:
        error = caught
        main.post(lambda: failed(error))
    else:
        main.post(lambda: done(result))
