"""Runs the server until Ctrl-C."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from anymask.errors import AnymaskError
from anymask.web.connections import Patient
from anymask.web.workplace import Workplace

PORT = 8321
"""The port by default; the next ones are tried if it is taken."""

_TRIED = 20
# Connections at a time; each open page has one that stays.
_MOST_CONNECTIONS = 400


def bound(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on a host and a port.

    Parameters
    ----------
    host : str
    port : int, optional
        By default the first free one of a few, so that an address is the same next time.

    Raises
    ------
    AnymaskError
        If the port is taken, or the host is none of this machine.
    """
    for number in range(PORT, PORT + _TRIED) if port is None else [port]:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listening = socket.socket(family)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, number))
            listening.listen(128)
        except OSError as error:
            listening.close()
            reason = error.strerror or str(error)
            continue
        return listening
    where = f"{host}:{PORT if port is None else port}"
    raise AnymaskError(f"Cannot listen on {where} ({reason}); choose another --port or --host.")


def run(
    app: ASGIApp, work: Workplace, listening: socket.socket, started: Callable[[], None]
) -> None:
    """Serve an application until Ctrl-C or a request to end; then close the session.

    Parameters
    ----------
    app : ASGI application
    work : Workplace
    listening : socket
    started : callable
        Called when requests are answered.
    """

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            work.hub.close()  # otherwise it would wait for pages that stay open
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        http=Patient,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    try:
        with suppress(KeyboardInterrupt):
            Server(config).run([listening])
    finally:
        work.close()
        listening.close()
