"""Refuses requests before anything reads them: unknown hosts, other sites, no token, too large."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anymask.web.access import Access
from anymask.web.pace import Pace

MOST_BODY = 4 * 2**20
"""Bytes of a request with JSON."""

_BODY_SECONDS = 60.0
_KEY = re.compile("[0-9a-f]{40}")  # as Access.dialect_key makes them
# What anyone may load: the page's code says nothing about the images.
_OPEN = ("/page/", "/favicon.ico")
_ALWAYS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """ASGI middleware around the whole application.

    Parameters
    ----------
    app : ASGI application
    access : Access
    most_upload : int
        Bytes of an image that is sent.
    """

    def __init__(self, app: ASGIApp, access: Access, most_upload: int) -> None:
        self._app, self._access, self._most_upload = app, access, most_upload
        self._pace = Pace()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        wait = self._pace.wait_of(scope["client"][0] if scope.get("client") else "")
        if wait:
            sentence = "These are too many requests; wait a moment."
            answer = JSONResponse({"error": sentence}, 429, {"retry-after": str(wait)})
            await answer(scope, receive, self._with_headers(scope, send))
            return
        scope, key = self._without_key(scope, headers)
        refusal = self._refusal(scope, headers, key)
        if refusal is not None:
            status, sentence = refusal
            more = {"www-authenticate": "Bearer"} if status == 401 else {}
            answer = JSONResponse({"error": sentence}, status, more)
            await answer(scope, receive, self._with_headers(scope, send))
            return
        limit = self._most_bytes(scope)
        await self._app(scope, _Bounded(receive, limit).receive, self._with_headers(scope, send))

    def _refusal(self, scope: Scope, headers: Headers, key: str) -> tuple[int, str] | None:
        access, path, host = self._access, scope["path"], headers.get("host", "")
        if not access.knows_host(host):
            return 421, (
                "This server is not known under that name; use the printed address, or start it "
                "with --allow-host."
            )
        origin = headers.get("origin")
        if origin is not None and not access.allows_origin(origin, host):
            return 403, "Pages of other sites may not ask; allow one with --allow-origin."
        if origin is None and self._is_from_another_site(headers):
            return 403, "Pages of other sites may not ask; open the printed address itself."
        if scope["method"] == "OPTIONS" and origin in access.origins:
            return None  # a browser asks without a token whether it may ask
        dialect = access.dialect_of(path)
        if dialect is not None:
            if not access.is_dialect_key(dialect, key):
                if access.is_guessed_at:
                    return 429, "There were too many wrong keys; wait a minute."
                return 401, "The key of the dialect is wrong; use the address that was printed."
        elif not path.startswith(_OPEN) and not self._is_known(scope, headers):
            if access.is_guessed_at:
                return 429, "There were too many wrong tokens; wait a minute."
            return 401, (
                "A token is needed; open the address that anymask serve printed, or send the "
                "header Authorization: Bearer TOKEN."
            )
        length = headers.get("content-length", "0")
        limit = self._most_bytes(scope)
        if not length.isascii() or not length.isdigit() or int(length) > limit:
            return 413, f"A request of this kind may have {limit:,} bytes at most."
        return None

    def _is_from_another_site(self, headers: Headers) -> bool:
        """Whether a browser says that another site's page asked, other than by a link."""
        site = headers.get("sec-fetch-site", "same-origin")
        if site in ("same-origin", "none"):
            return False
        return headers.get("sec-fetch-mode") != "navigate"

    def _is_known(self, scope: Scope, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if given:
            return kind.lower() == "bearer" and self._access.is_token(given.strip())
        if scope["path"] == "/":
            asked = parse_qs(scope["query_string"].decode("latin-1")).get("token")
            if asked:
                return self._access.is_token(asked[0])
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        kept = cookies.get(self._access.cookie)
        return kept is not None and self._access.is_cookie(kept.value)

    def _without_key(self, scope: Scope, headers: Headers) -> tuple[Scope, str]:
        """Find the key of a dialect: behind its name in the path, or in a header.

        The applications behind see the path without it.
        """
        dialect = self._access.dialect_of(scope["path"])
        if dialect is None:
            return scope, ""
        key, _, rest = scope["path"].removeprefix(f"/{dialect}/").partition("/")
        if _KEY.fullmatch(key):
            path = f"/{dialect}/{rest}"
            return {**scope, "path": path, "raw_path": quote(path).encode()}, key
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            with suppress(ValueError):
                given = b64decode(given, validate=True).decode().partition(":")[2]
        return scope, given.strip() or headers.get("token", "")

    def _most_bytes(self, scope: Scope) -> int:
        is_upload = scope["method"] == "POST" and scope["path"] == "/v1/images"
        is_large = is_upload or self._access.dialect_of(scope["path"]) is not None
        return self._most_upload if is_large else MOST_BODY

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        """Add the headers that every answer has."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        return with_headers


class TooLarge(HTTPException):
    """A body has more bytes than it may have, or an image more pixels."""

    def __init__(self) -> None:
        super().__init__(413, "This is larger than may be sent; make it smaller.")


class TooSlow(HTTPException):
    """A body did not arrive in time."""

    def __init__(self) -> None:
        super().__init__(408, "The request did not arrive in time; send it again.")


class _Bounded:
    """The body of a request, counted and timed while it arrives."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left, self._done = receive, limit, False
        self._until = 0.0

    async def receive(self) -> Message:
        if self._done:
            return await self._receive()  # waits until the browser goes away
        loop = asyncio.get_running_loop()
        self._until = self._until or loop.time() + _BODY_SECONDS
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise TooSlow from None
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self._done = not message.get("more_body", False)
            if self._left < 0:
                raise TooLarge
        return message
