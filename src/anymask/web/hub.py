"""Tells open pages what changed: one stream of server-sent events for each."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

from anymask import __version__

_ALIVE_SECONDS = 15.0
_MOST_STREAMS = 200
# Events that wait for a page; one that reads slower has to look at everything again.
_MOST_WAITING = 200


class Hub:
    """The streams of all pages. `tell` may be called from any thread.

    Attributes
    ----------
    server : str
        Changes with every start, so that a page notices one.
    """

    def __init__(self) -> None:
        self.server = secrets.token_hex(8)
        self._streams: set[asyncio.Queue[str | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_full(self) -> bool:
        """Whether there are as many streams as there may be."""
        return len(self._streams) >= _MOST_STREAMS

    def tell(self, kind: str, /, **facts: Any) -> None:
        """Send an event to all pages."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, _event(kind, facts))

    def close(self) -> None:
        """End all streams."""
        for stream in self._streams:
            while not stream.empty():
                stream.get_nowait()
            stream.put_nowait(None)

    async def stream(self) -> AsyncIterator[str]:
        """Yield events as text until the page or the server goes away."""
        self._loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[str | None] = asyncio.Queue(_MOST_WAITING)
        self._streams.add(waiting)
        self._tell_people()
        try:
            yield _event("hello", {"server": self.server, "version": __version__})
            while True:
                try:
                    async with asyncio.timeout(_ALIVE_SECONDS):
                        text = await waiting.get()
                except TimeoutError:
                    yield ": alive\n\n"
                    continue
                if text is None:
                    return
                yield text
        finally:
            self._streams.discard(waiting)
            self._tell_people()

    def _tell_people(self) -> None:
        self._put(_event("people", {"count": len(self._streams)}))

    def _put(self, text: str) -> None:
        for stream in self._streams:
            if stream.full():
                while not stream.empty():
                    stream.get_nowait()
                stream.put_nowait(_event("missed", {}))
            else:
                stream.put_nowait(text)


def _event(kind: str, facts: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(facts)}\n\n"
