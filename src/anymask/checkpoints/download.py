"""Download known checkpoints once into a cache folder: resumable, verified, whole or not at all.

Environment variables control it: `ANYMASK_HOME` is the cache folder (by default `anymask` in
`XDG_CACHE_HOME` or `~/.cache`), `ANYMASK_OFFLINE=1` forbids network access, and `ANYMASK_MIRROR` is
the address of a folder with the same files.
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
_TIMEOUT = 30.0  # seconds without data
_LOCK_SECONDS = 0.2  # seconds between checks while another process downloads the same file
# A broken connection is resumed where it broke, as long as each attempt brings new bytes.
_BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError)

Told = Callable[[int, int | None], object]
"""Called with the bytes downloaded and the total, which is None if unknown."""


def cache_dir() -> Path:
    """Return the cache folder for downloads, which may not exist yet."""
    home = os.environ.get("ANYMASK_HOME")
    if home:
        return Path(home).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "anymask"


def is_offline() -> bool:
    """Whether `ANYMASK_OFFLINE` forbids the network."""
    return os.environ.get("ANYMASK_OFFLINE", "").lower() not in ("", "0", "false", "no", "off")


def cached_path(entry: CheckpointEntry) -> Path | None:
    """Return the path of a known checkpoint in the cache, or None if missing or incomplete."""
    path = cache_dir() / entry.file_name
    try:
        size = path.stat().st_size
    except OSError:
        return None
    return path if entry.size in (None, size) else None


def fetch(entry: CheckpointEntry, progress: bool | Told = True) -> Path:
    """Return the cached file of a known checkpoint, downloading it if needed.

    Parameters
    ----------
    entry : CheckpointEntry
    progress : bool or callable
        Whether to show a progress bar on stderr; or a function to call with the bytes downloaded
        and the total (None if unknown). An exception from it stops the download and is passed on.

    Raises
    ------
    CheckpointError
        If it cannot be downloaded, or is not the published file. A partial download stays as
        NAME.part, and the next call continues it.
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
            # Two processes must not append to the same file.
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
        raise CheckpointError(f"{entry.name} cannot be saved in {target.parent}: {why}.") from error
    return target


def _verify(part: Path, entry: CheckpointEntry, url: str) -> None:
    """Remove the download and raise an error if it is not the published file."""
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
    """The progress display of a download: the caller's function, or a bar on stderr."""
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
    """Hold the lock of a file; while another process has it, call a function now and then."""
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
    """Complete `part`, resuming broken connections."""
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
                f"The download of {entry.name} from {url} stopped at {_size(part):,} bytes; "
                f"load it again to continue from there."
            ) from cause


def _receive(url: str, part: Path, tell: Told) -> int | None:
    """Append the missing part of `url` to `part` and return the full length, if known."""
    have = _size(part)
    headers = {"User-Agent": "anymask"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            # No bytes are left: the part is complete, or of another file, as the hash will show.
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
        # A server that ignores Range sends the whole file again.
        with part.open("r+b" if have and start == have else "wb") as file:
            file.seek(start if start == have else 0)
            # Read whatever has arrived: on a slow line a full megabyte takes long.
            while chunk := response.read1(_CHUNK):
                file.write(chunk)
                tell(file.tell(), total)
    return total


def _first_byte(response: Any) -> int:
    """The position in the file where the response begins: after our bytes, or 0."""
    content_range = response.headers.get("Content-Range", "")
    first = content_range.removeprefix("bytes ").partition("-")[0]
    return int(first) if response.status == 206 and first.isdigit() else 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
