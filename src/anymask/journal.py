"""A journal: a file of one line per step, appended and never changed.

Each line is JSON and ends with a checksum of the text before it. A line is written in one go, so a
killed process leaves at most its last line incomplete; that line is dropped when the journal is
opened again.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError
from anymask.files import output_error

_SUM = b',"sum":"'


@dataclass(frozen=True)
class Line:
    """A step, and where it is in the journal."""

    step: dict[str, Any]
    offset: int
    length: int


class Journal:
    """A journal file, read whole when it is opened.

    Parameters
    ----------
    path : Path
    writable : bool
        Whether steps will be appended; then an incomplete last line is cut off.
    error : type
        The error to raise for a damaged step.

    Attributes
    ----------
    messages : list of str
        Problems found while reading.
    """

    def __init__(
        self, path: Path, *, writable: bool, error: type[AnymaskError] = AnymaskError
    ) -> None:
        self.path = path
        self._error = error
        self.messages: list[str] = []
        self._end = 0
        self._unsynced = False
        flags = os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY
        try:
            self._file = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise output_error(path, error) from error
        self._writable = writable

    def lines(self) -> Iterator[Line]:
        """Read all steps; incomplete and damaged lines are skipped and reported in `messages`."""
        damaged = 0
        with self.path.open("rb") as file:
            for raw in file:
                offset, self._end = self._end, self._end + len(raw)
                step = _checked(raw) if raw.endswith(b"\n") else None
                if step is not None:
                    yield Line(step, offset, len(raw))
                elif self._end == os.fstat(file.fileno()).st_size:
                    self._end = offset
                    self.messages.append(
                        "The last step was skipped, because the program ended before it was "
                        "written completely."
                    )
                else:
                    damaged += 1
        if damaged:
            self.messages.append(
                f"{damaged} damaged {'step' if damaged == 1 else 'steps'} in the journal "
                f"{'was' if damaged == 1 else 'were'} skipped; check whether anything is "
                "missing."
            )
        if self._writable:
            os.ftruncate(self._file, self._end)

    def append(self, step: Mapping[str, Any]) -> Line:
        """Write a step.

        Raises
        ------
        OutputError
            If it cannot be written; the journal is unchanged.
        """
        body = json.dumps(step, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
        raw = body + _SUM + _sum_of(body) + b'"}\n'
        offset = self._end
        try:
            os.lseek(self._file, offset, os.SEEK_SET)
            rest = memoryview(raw)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            os.ftruncate(self._file, offset)
            raise output_error(self.path, error) from error
        self._end += len(raw)
        self._unsynced = True
        return Line(dict(step), offset, len(raw))

    def read(self, offset: int, length: int) -> dict[str, Any]:
        """Read a step again.

        Raises
        ------
        AnymaskError
            If it is damaged.
        """
        with self.path.open("rb") as file:
            file.seek(offset)
            step = _checked(file.read(length))
        if step is None:
            raise self._error(f"A step in {self.path} is damaged; the disk may be failing.")
        return step

    def sync(self) -> None:
        """Make sure that all steps are on the disk."""
        if self._unsynced and self._file >= 0:
            self._unsynced = False
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            if self._writable:
                self.sync()
            os.close(self._file)
            self._file = -1


def _sum_of(body: bytes) -> bytes:
    return f"{zlib.crc32(body):08x}".encode()


def _checked(raw: bytes) -> dict[str, Any] | None:
    """Return the step in a line, or None if its checksum is wrong."""
    body, mark, rest = raw.rpartition(_SUM)
    if not mark or rest != _sum_of(body) + b'"}\n':
        return None
    try:
        step = json.loads(body + b"}")
    except ValueError:
        return None
    return step if isinstance(step, dict) else None
