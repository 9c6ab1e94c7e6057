"""Connections that send nothing, or too slowly, are closed; nobody holds all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_HEAD_SECONDS = 15.0
# Half of what the server holds: others still get in.
_MOST_OF_AN_ADDRESS = 200


class Patient(H11Protocol):
    """HTTP/1.1 whose patience ends: the head of a request has to arrive in time.

    uvicorn waits for it without end, so a few hundred silent connections would fill the server.
    """

    open_of: ClassVar[Counter[str]] = Counter()
    """Connections of each address."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait, or close at once if the address has too many connections."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.open_of[self._address] += 1
        if self.open_of[self._address] > _MOST_OF_AN_ADDRESS:
            transport.close()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        self.open_of[self._address] -= 1
        if self.open_of[self._address] <= 0:
            del self.open_of[self._address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; go on waiting while it is not yet the head of a request."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._timer is None:
            self._wait()

    def on_response_complete(self) -> None:
        """Stop waiting: between requests uvicorn's own limit holds."""
        self._stop_waiting()
        super().on_response_complete()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
