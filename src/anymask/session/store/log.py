"""The log of a session: lines with timestamps, in memory and in a file."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from datetime import datetime
from pathlib import Path

_MOST_LINES = 2000
_LINES_FROM_BEFORE = 200


class Log:
    """The last lines of a log file.

    Parameters
    ----------
    path : Path
    writable : bool
        Whether new lines are also written to the file.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path, self._writable = path, writable
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        with suppress(OSError):
            self._lines.extend(path.read_text("utf-8").splitlines()[-_LINES_FROM_BEFORE:])

    def add(self, text: str) -> None:
        """Add lines with the time. If the file cannot be written, the error is ignored."""
        for line in text.splitlines() or [""]:
            self._lines.append(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}")
            if self._writable:
                with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
                    file.write(self._lines[-1] + "\n")

    def last(self, count: int) -> list[str]:
        """Return the last lines."""
        return list(self._lines)[-count:]
