"""Who may ask: the token, and the names and origins under which the server is known."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from anymask.errors import AnymaskError
from anymask.files import whole_file

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_WILDCARDS = frozenset({"0.0.0.0", "::"})
_SHORTEST_TOKEN = 16
# Wrong tokens in a minute, from all addresses together, before further ones get another answer.
_MOST_WRONG, _PER_SECONDS = 30, 60.0


class Access:
    """Decides whether a request may be answered.

    Parameters
    ----------
    token : str
        The secret in the printed address.
    host : str
        The address that the server listens on.
    port : int
    hosts : iterable of str
        Further names under which the server is reached, such as that of a proxy.
    origins : iterable of str
        Origins of other sites whose pages may ask, such as "https://example.org".
    dialects : iterable of str
        Names of the dialects that are answered.

    Raises
    ------
    AnymaskError
        If the token is too short, or an origin is none.
    """

    def __init__(
        self,
        token: str,
        host: str = "127.0.0.1",
        port: int = 0,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        dialects: Iterable[str] = (),
    ) -> None:
        if len(token) < _SHORTEST_TOKEN or not token.isascii():
            raise AnymaskError(
                f"The token is too easy to guess; take at least {_SHORTEST_TOKEN} letters and "
                "digits, or leave it out to get a random one."
            )
        self._token, self._host = token, host
        self.origins = frozenset(map(_checked_origin, origins))
        self._names = {_name_of(name) for name in hosts} | {_bracketed(host)}
        if self.is_loopback:
            self._names |= _LOOPBACK
        elif host in _WILDCARDS:
            self._names |= _LOOPBACK | {socket.gethostname().lower(), socket.getfqdn().lower()}
        self.cookie = f"anymask-{port}"  # cookies do not know ports, their names can
        self.cookie_value = hmac.new(token.encode(), b"cookie", hashlib.sha256).hexdigest()
        self._dialects = {name: self._key_of(name) for name in dialects}
        self._wrong: deque[float] = deque(maxlen=_MOST_WRONG)
        self._guard = threading.Lock()

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach the server."""
        with suppress(ValueError):
            return ipaddress.ip_address(self._host).is_loopback
        return self._host == "localhost"

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this server.

        A page of another site that made its own name point here (DNS rebinding) sends its name.
        """
        name = _name_of(host)
        if name in self._names:
            return True
        if self._host not in _WILDCARDS:
            return False
        with suppress(ValueError):  # an address cannot be made to point elsewhere
            ipaddress.ip_address(name.strip("[]"))
            return True
        return False

    def allows_origin(self, origin: str, host: str) -> bool:
        """Whether a page of an origin may ask: the server's own page, or an allowed one."""
        return origin in self.origins or urlsplit(origin).netloc.lower() == host.lower()

    def is_token(self, given: str) -> bool:
        """Compare a token in constant time; wrong ones are counted."""
        return self._is_same(given, self._token)

    def dialect_of(self, path: str) -> str | None:
        """Return the dialect to which a path belongs; None if it is one of the server's own."""
        name = path[1:].partition("/")[0]
        return name if name in self._dialects else None

    def dialect_key(self, name: str) -> str:
        """Return the key of a dialect: it opens nothing but the dialect, and follows the token."""
        return self._dialects[name]

    def is_dialect_key(self, name: str, given: str) -> bool:
        """Compare the key of a dialect in constant time; wrong ones are counted."""
        return self._is_same(given, self._dialects[name])

    def _key_of(self, dialect: str) -> str:
        made = hmac.new(self._token.encode(), f"dialect {dialect}".encode(), hashlib.sha256)
        return made.hexdigest()[:40]

    def _is_same(self, given: str, known: str) -> bool:
        good = hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())
        if not good:
            with self._guard:
                self._wrong.append(time.monotonic())
        return good

    @property
    def is_guessed_at(self) -> bool:
        """Whether there were very many wrong tokens in the last minute."""
        with self._guard:
            full = len(self._wrong) == _MOST_WRONG
            return full and time.monotonic() - self._wrong[0] < _PER_SECONDS

    def is_cookie(self, given: str) -> bool:
        """Compare the value of the cookie in constant time."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.cookie_value.encode())


def token_of(session: Path, *, new: bool = False) -> str:
    """Return the token of a session, which stays the same so that open pages reconnect.

    The environment may give one, as `ANYMASK_TOKEN` or in the file that `ANYMASK_TOKEN_FILE`
    names; a container needs that. Otherwise it is kept in the user's own cache (`ANYMASK_HOME`),
    readable by the user alone.

    Parameters
    ----------
    session : Path
        Folder of the session.
    new : bool
        Make a new one, so that old addresses no longer work.

    Raises
    ------
    AnymaskError
        If the file of the environment cannot be read, or a new token is wanted and the
        environment gives one.
    """
    given = _given_token()
    if given is not None:
        if new:
            raise AnymaskError("The token comes from the environment; choose a new one there.")
        return given
    home = Path(os.environ.get("ANYMASK_HOME") or Path.home() / ".cache" / "anymask").expanduser()
    digest = hashlib.sha256(os.fsencode(session.resolve())).hexdigest()[:32]
    path = home / "serve" / f"{digest}.token"
    if not new:
        with suppress(OSError, UnicodeDecodeError):
            known = path.read_text("ascii").strip()
            if len(known) >= _SHORTEST_TOKEN:
                return known
    token = secrets.token_urlsafe(32)
    with whole_file(path) as part:
        part.touch(mode=0o600)
        part.write_text(token, "ascii")
    return token


def _given_token() -> str | None:
    """Return the token that the environment gives."""
    file = os.environ.get("ANYMASK_TOKEN_FILE")
    if file:
        try:
            return Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AnymaskError(
                f"The file {file} of ANYMASK_TOKEN_FILE cannot be read ({error})."
            ) from error
    return os.environ.get("ANYMASK_TOKEN") or None


def _name_of(host: str) -> str:
    """Return a host without its port, in lower case.

    >>> _name_of("LocalHost:8321"), _name_of("[::1]:80"), _name_of("a.b")
    ('localhost', '[::1]', 'a.b')
    """
    name = host.strip().lower()
    end = name.rfind("]") if name.startswith("[") else -1
    colon = name.find(":", end + 1)
    return (name if colon < 0 else name[:colon]).rstrip(".")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host.lower()


def _checked_origin(origin: str) -> str:
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
        raise AnymaskError(
            f"{origin!r} is no origin; write it as https://example.org, without a path."
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"
