"""The lock of a session, so that only one window has it open."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from anymask.files import output_error
from anymask.session.errors import SessionError

_LOCK, _HOLDER = "lock", "lock.json"


class SessionLock:
    """The lock of a session folder.

    `filelock` takes the operating system's lock on the file ``lock``. The system releases it when
    the process ends, even if it is killed. The holder is written beside it, for the error message
    in a second window.

    Parameters
    ----------
    folder : Path
        The session.

    Raises
    ------
    SessionError
        If another window holds it.
    OutputError
        If the lock file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._holder = folder / _HOLDER
        # Not thread-local: a session may be closed in another thread than it was opened in.
        self._lock = FileLock(folder / _LOCK, timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise SessionError(_refusal(folder, self._holder)) from None
        except OSError as error:
            raise output_error(folder / _LOCK, error) from error
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        with suppress(OSError):
            self._holder.write_text(json.dumps(facts), "utf-8")

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._lock.is_locked:
            with suppress(OSError):
                self._holder.unlink()
            self._lock.release()


def _refusal(folder: Path, holder: Path) -> str:
    who = ""
    try:
        facts: Any = json.loads(holder.read_text("utf-8"))
        who = f" (process {facts['pid']} on {facts['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # the message works without these facts
    return f"{folder} is open in another window{who}; close it there, or open another session."
