"""One window a session: a lock that ends with the process that holds it."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from anymask.files import output_error
from anymask.session.errors import SessionError


class SessionLock:
    """The lock file of a session folder.

    The operating system keeps the lock and gives it up when the process ends, however it ends; so
    a file left behind by a process that was killed locks nothing. Where the file system has no
    locks, the process named in the file is looked for.

    Parameters
    ----------
    path : Path
        The lock file; made if missing.

    Raises
    ------
    SessionError
        If another window holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise output_error(path, error) from error
        held = _try_lock(self._file)
        holder = _holder(self._file)
        if held is False or (held is None and _is_alive(holder)):
            os.close(self._file)
            raise SessionError(_refusal(path.parent, holder))
        self.was_stale = bool(holder)
        text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()})
        _write(self._file, text.encode())

    def release(self) -> None:
        """Give the lock up."""
        if self._file >= 0:
            _write(self._file, b"")
            os.close(self._file)
            self._file = -1


def _try_lock(file: int) -> bool | None:
    """Lock a file: True if that worked, False if another has it, None if there are no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, 2**20, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _holder(file: int) -> dict[str, Any]:
    """Who wrote the file; empty if nobody did or it cannot be read."""
    os.lseek(file, 0, os.SEEK_SET)
    try:
        found = json.loads(os.read(file, 4096))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_alive(holder: dict[str, Any]) -> bool:
    if not holder or holder.get("host") != socket.gethostname():
        return bool(holder)
    try:
        os.kill(int(holder["pid"]), 0)
    except (OSError, KeyError, ValueError, OverflowError):
        return False
    return True


def _refusal(folder: Path, holder: dict[str, Any]) -> str:
    who = (
        f" (process {holder['pid']} on {holder['host']})" if {"pid", "host"} <= set(holder) else ""
    )
    return f"{folder} is open in another window{who}; close it there, or open another session."


def _write(file: int, content: bytes) -> None:
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, content)
