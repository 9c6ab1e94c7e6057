"""Files that stay open while lazy arrays read from them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar


class _Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closable)


class Handle(Generic[T]):
    """A file that is opened on first use and closed when its last user is gone.

    One thread uses it at a time. It can be pickled; another process then opens the file itself.

    Parameters
    ----------
    opener
        Opens the file. For pickling it must be a function or a partial of one.
    """

    def __init__(self, opener: Callable[[], T]) -> None:
        self._opener = opener
        self._lock = threading.RLock()
        self._file: T | None = None

    @contextmanager
    def use(self) -> Iterator[T]:
        """Yield the open file."""
        with self._lock:
            if self._file is None:
                self._file = self._opener()
            yield self._file

    def __getstate__(self) -> dict[str, Any]:
        return {"_opener": self._opener}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_opener"])  # type: ignore[misc]

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self._file.close()  # type: ignore[union-attr]
