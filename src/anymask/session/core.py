"""The base of a session: its folder, its lock, its journal, its log, and who listens."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from anymask import __version__
from anymask.errors import AnymaskError
from anymask.files import check_writable, whole_file
from anymask.session.errors import SessionError
from anymask.session.journal import Journal, Line
from anymask.session.lock import SessionLock
from anymask.session.mutex import Listener, Mutex
from anymask.session.records import Event
from anymask.session.state import SessionState

SUFFIX = ".anymask"
_FORMAT = 1
_INFO, _JOURNAL, _LOCK, _LOG = "session.json", "journal.jsonl", "lock", "log.txt"


class SessionCore:
    """Folder, lock, journal, log and listeners."""

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        self.folder = folder
        self.read_only = read_only
        self.messages: list[str] = []
        self._listeners: list[Listener] = []
        self._mutex = Mutex(self._listeners)
        self._log: deque[str] = deque(maxlen=2000)
        self._lock = None if read_only else SessionLock(folder / _LOCK)
        try:
            if not read_only:
                _remove_unfinished(folder)
            self._state = SessionState(folder)
            self._journal = Journal(folder / _JOURNAL, writable=not read_only)
            for line in self._journal.lines():
                self._take_in(line)
            self.messages += self._journal.messages
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        with suppress(OSError):
            self._log.extend((folder / _LOG).read_text("utf-8").splitlines()[-200:])
        self._is_open = True
        for message in self.messages:
            self.log(message)

    @classmethod
    def create(cls, folder: str | os.PathLike[str]) -> Self:
        """Make a session.

        Parameters
        ----------
        folder : path-like
            Gets the suffix ``.anymask`` if it has none.

        Raises
        ------
        SessionError
            If something of that name exists.
        OutputError
            If it cannot be written.
        """
        path = _with_suffix(Path(folder)).absolute()
        if os.path.lexists(path):
            raise SessionError(f"{path} exists already; open it, or choose another name.")
        check_writable(path)
        info = {
            "format": _FORMAT,
            "anymask": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with whole_file(path / _INFO) as part:
            part.write_text(json.dumps(info), "utf-8")
        return cls(path, read_only=False)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, read_only: bool = False) -> Self:
        """Open a session as it was after its last step, however it ended.

        Parameters
        ----------
        folder : path-like
        read_only : bool
            Whether only to look: nothing is locked and nothing written.

        Raises
        ------
        SessionError
            If it is none, of a later version, or open in another window.
        """
        path = Path(folder).absolute()
        if not (path / _INFO).exists() and (_with_suffix(path) / _INFO).exists():
            path = _with_suffix(path)
        try:
            info = json.loads((path / _INFO).read_text("utf-8"))
            version = int(info["format"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SessionError(
                f"{path} is no anymask session; a session is a folder NAME{SUFFIX} with a file "
                f"{_INFO}."
            ) from error
        if version > _FORMAT:
            raise SessionError(f"{path} was made by a later version of anymask; update anymask.")
        return cls(path, read_only=read_only)

    @property
    def name(self) -> str:
        """The folder's name without its suffix."""
        return self.folder.stem

    def close(self) -> None:
        """Write snapshots of what changed, and give the session up."""
        if not self._is_open:
            return
        try:
            self._finish()
        finally:
            self._is_open = False
            self._journal.close()
            if self._lock is not None:
                self._lock.release()

    def _finish(self) -> None:
        """What is left to do before the session is given up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have a function called with an `Event` after every change, in the thread of the change.

        Returns
        -------
        callable
            Ends it.
        """
        with self._mutex:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._mutex, suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    def _take_in(self, line: Line) -> None:
        try:
            self._state.apply(line)
        except (KeyError, TypeError, ValueError, IndexError, AnymaskError):
            self.messages.append(
                f"A step of the journal ({line.step.get('do')}) is not of a form that this version "
                "of anymask knows; it was left out."
            )

    def _tell(self, event: Event) -> None:
        with self._mutex:
            self._mutex.pending.append(event)

    def log(self, text: str) -> None:
        """Add a line with the time to the log."""
        for line in text.splitlines() or [""]:
            self._log.append(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}")
            if not self.read_only:
                with suppress(OSError), (self.folder / _LOG).open("a", encoding="utf-8") as file:
                    file.write(self._log[-1] + "\n")
        self._tell(Event("log"))

    def log_lines(self, count: int = 200) -> list[str]:
        """The last lines of the log."""
        return list(self._log)[-count:]

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise SessionError(
                f"{self.folder.name} was opened to look at only; close the window that has it, and "
                "open it again."
            )

    def _record(self, do: str, **facts: Any) -> int:
        """Append a step to the journal and to the state; return its number."""
        with self._mutex:
            self._refuse_read_only()
            if not self._is_open:
                raise SessionError(f"{self.folder.name} is closed; open it again.")
            step = {"n": self._state.number + 1, "t": round(time.time(), 2), "do": do, **facts}
            self._state.apply(self._journal.append(step))
            return self._state.number


def _remove_unfinished(folder: Path) -> None:
    """Remove what was being written when the program was killed."""
    for path in folder.glob("*/.anymask-*"):
        with suppress(OSError):
            path.unlink()


def _with_suffix(path: Path) -> Path:
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
