"""Known checkpoints fetched once into a cache folder: resumable, verified, whole or absent.

The environment rules it: `ANYMASK_HOME` is the cache folder (else `anymask` in
`XDG_CACHE_HOME`, else in `~/.cache`), `ANYMASK_OFFLINE=1` forbids the network, `ANYMASK_MIRROR`
is the address of a folder that holds the same files.
"""

from __future__ import annotations

import errno
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from anymask.checkpoints.registry import CheckpointEntry
from anymask.errors import CheckpointError
from anymask.files import sha256

_CHUNK = 1 << 20
_TIMEOUT = 30.0  # seconds without a byte
_LOCK_SECONDS = 0.2  # between two looks at a download of the same file by somebody else
# A connection that breaks is taken up again where it broke, as long as each try brings bytes.
_BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError)

Told = Callable[[int, int | None], object]
"""Called with the bytes that are there and those that there are in all, None where unknown."""


def cache_dir() -> Path:
    """Return the folder that downloads are kept in; it need not exist yet."""
    home = os.environ.get("ANYMASK_HOME")
    if home:
        return Path(home).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "anymask"


def is_offline() -> bool:
    """Whether `ANYMASK_OFFLINE` forbids the network."""
    return os.environ.get("ANYMASK_OFFLINE", "").lower() not in ("", "0", "false", "no", "off")


def cached_path(entry: CheckpointEntry) -> Path | None:
    """Return where the file of a known checkpoint is cached, or None if it is not, or not whole."""
    path = cache_dir() / entry.file_name
    try:
        size = path.stat().st_size
    except OSError:
        return None
    return path if entry.size in (None, size) else None


def fetch(entry: CheckpointEntry, progress: bool | Told = True) -> Path:
    """Return the cached file of a known checkpoint, downloading it if need be.

    Parameters
    ----------
    entry : CheckpointEntry
    progress : bool or callable
        Show a progress bar on stderr; or call this with the bytes that are there and those that
        there are in all (None where unknown). What it raises ends the download and comes out of
        here.

    Raises
    ------
    CheckpointError
        If it cannot be downloaded, or is not the file that was published. What came of a broken
        download stays, as NAME.part, and the next call goes on from there.
    """
    cached = cached_path(entry)
    if cached:
        return cached
    target = cache_dir() / entry.file_name
    if is_offline():
        raise CheckpointError(
            f"{entry.name} is not in the cache and ANYMASK_OFFLINE forbids downloading it; unset "
            f"that, or put {entry.file_name} into {target.parent}."
        )
    url = _address(entry)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _telling(entry, progress) as tell:
            # Two processes must not append to one file.
            with _locked(target, lambda: tell(_size(part), entry.size)):
                cached = cached_path(entry)
                if cached:
                    return cached
                _download(url, part, entry, tell)
                _verify(part, entry, url)
                os.replace(part, target)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            why = "the disk is full; free some space or set ANYMASK_HOME to another folder"
        else:
            why = f"{error.strerror or error}; set ANYMASK_HOME to a folder that can be written"
        raise CheckpointError(f"{entry.name} cannot be kept in {target.parent}: {why}.") from error
    return target


def _verify(part: Path, entry: CheckpointEntry, url: str) -> None:
    """Remove what was downloaded and raise if it is not the file that was published."""
    size, actual = _size(part), sha256(part)
    if entry.size not in (None, size):
        wrong = f"{size:,} bytes instead of {entry.size:,}"
    elif not actual.startswith(entry.sha256 or ""):
        wrong = f"SHA-256 {actual[:12]}… instead of {str(entry.sha256)[:12]}…"
    else:
        return
    part.unlink()
    raise CheckpointError(
        f"{url} is not the published {entry.name} ({wrong}) and was removed; try again, or from "
        f"another network or mirror."
    )


def _address(entry: CheckpointEntry) -> str:
    mirror = os.environ.get("ANYMASK_MIRROR")
    if mirror:
        if not mirror.startswith(("http://", "https://", "file://")):
            raise CheckpointError(
                f"ANYMASK_MIRROR is {mirror!r}; it must be an address that begins with http://, "
                f"https:// or file://."
            )
        return f"{mirror.rstrip('/')}/{entry.file_name}"
    if entry.url is None:
        raise CheckpointError(f"{entry.name} comes with anymask and has no address to download.")
    return entry.url


@contextmanager
def _telling(entry: CheckpointEntry, progress: bool | Told) -> Iterator[Told]:
    """What to tell of a download: the caller's function, or a bar on stderr."""
    if callable(progress):
        yield progress
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task(f"Downloading {entry.file_name}", total=entry.size)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _locked(target: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the lock of a file; while somebody else has it, call something now and then."""
    lock = FileLock(f"{target}.lock")
    while True:
        try:
            lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout:
            waiting()
        else:
            break
    try:
        yield
    finally:
        lock.release()


def _download(url: str, part: Path, entry: CheckpointEntry, tell: Told) -> None:
    """Bring `part` to its full length, taking up broken connections."""
    while True:
        before = _size(part)
        tell(before, entry.size)
        try:
            total = _receive(url, part, tell)
        except _BROKEN as error:
            cause: Exception | None = error
            total = None
        else:
            cause = None
            if total is None or _size(part) >= total:
                return
        if _size(part) <= before:
            raise CheckpointError(
                f"The download of {entry.name} from {url} broke off at {_size(part):,} bytes; "
                f"load it again to go on from there."
            ) from cause


def _receive(url: str, part: Path, tell: Told) -> int | None:
    """Append what is missing of `url` to `part` and return the full length, if it is known."""
    have = _size(part)
    headers = {"User-Agent": "anymask"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            # No bytes are left: the part is whole, or it is of another file, as its hash shows.
            if error.headers.get("Content-Range", "").rpartition("/")[2] == str(have):
                return have
            part.unlink()
            return _receive(url, part, tell)
        raise CheckpointError(
            f"{url} cannot be downloaded: the server answers {error.code} {error.reason}; check "
            f"ANYMASK_MIRROR, or download the file by hand and load it by its path."
        ) from error
    except urllib.error.URLError as error:
        raise CheckpointError(
            f"{url} cannot be reached ({error.reason}); check the network, or download the file "
            f"on another machine and load it by its path."
        ) from error
    with response:
        start = _first_byte(response)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        # A server that ignores Range sends the whole file anew.
        with part.open("r+b" if have and start == have else "wb") as file:
            file.seek(start if start == have else 0)
            # What is there is taken, however little: on a slow line a megabyte takes long.
            while chunk := response.read1(_CHUNK):
                file.write(chunk)
                tell(file.tell(), total)
    return total


def _first_byte(response: Any) -> int:
    """Where in the file the response begins: after what we have, or at 0."""
    content_range = response.headers.get("Content-Range", "")
    first = content_range.removeprefix("bytes ").partition("-")[0]
    return int(first) if response.status == 206 and first.isdigit() else 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
