"""Only one run at a time writes into a place."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from anymask.errors import OutputError
from anymask.files import output_error


class OneRun:
    """A lock that ends with its process, however that ends.

    Parameters
    ----------
    lock : Path
        The file that is locked; removed when the lock is given back.
    sentence : str
        What to say if another process holds it.

    Raises
    ------
    OutputError
        If another process holds it, or the file cannot be written.
    """

    def __init__(self, lock: Path, sentence: str) -> None:
        self._lock = FileLock(lock, timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise OutputError(sentence) from None
        except OSError as error:
            raise output_error(lock, error) from error

    def end(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._lock.is_locked:
            with suppress(OSError):
                os.unlink(self._lock.lock_file)
            self._lock.release()
