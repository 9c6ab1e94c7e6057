"""Unpacks data sets from archives safely to a temporary folder.

Every member must be a plain file inside the folder. The total size is limited by counting the
bytes that are really unpacked, not those that the archive declares.
"""

from __future__ import annotations

import atexit
import gzip
import io
import os
import re
import shutil
import stat
import tarfile
import tempfile
import time
import zipfile
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO

from anymask.errors import AnymaskError, ImageError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")

_MOST_MEMBERS = 1_000_000
# Archives of images do not unpack to more than this many times their size; small ones are safe.
_MOST_GROWTH = 100
_HARMLESS = 2**30
_CHUNK = 2**20
# What operating systems add to archives.
_CLUTTER = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db"})


def is_archive(path: Path) -> bool:
    """Whether a place is an archive, judged by its name."""
    return path.name.lower().endswith(SUFFIXES) and not path.is_dir()


def unpacked(path: Path) -> Path:
    """Unpack an archive to a temporary folder that is removed when the program ends.

    The same file is unpacked only once.

    Returns
    -------
    Path
        A folder with the archive's name without its suffix.

    Raises
    ------
    ImageError
        If the archive is missing, damaged or encrypted; if a member would be outside the folder,
        is a link or occurs twice; or if it would unpack to more than archives of images do, or to
        more than half of the free disk space.
    """
    try:
        state = path.stat()
    except OSError:
        raise ImageError(f"There is no file or folder {path}; check the name.") from None
    return _unpacked(path.absolute(), state.st_mtime_ns, state.st_size)


@cache
def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="anymask-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _unpacked(path: Path, _modified: int, size: int) -> Path:
    folder = Path(tempfile.mkdtemp(dir=_temporary()))
    suffix = max((s for s in SUFFIXES if path.name.lower().endswith(s)), key=len)
    target = folder / (path.name[: -len(suffix)] or "archive")
    target.mkdir()
    room = min(max(_HARMLESS, _MOST_GROWTH * size), shutil.disk_usage(folder).free // 2)
    unpack = _unpack_zip if suffix == ".zip" else _unpack_tar
    try:
        unpack(path, _Unpacking(path, target, room))
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, AnymaskError) or not isinstance(error, Exception):
            raise
        damage = (OSError, tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError)
        if not isinstance(error, (*damage, RuntimeError)):
            raise
        raise ImageError(
            f"{path} cannot be unpacked ({error}); it may be damaged or encrypted, so copy it "
            "again or unpack it yourself and give the folder."
        ) from error
    return target


class _Unpacking:
    """Writes members into a folder, up to a maximum size."""

    def __init__(self, archive: Path, target: Path, room: int) -> None:
        self.archive, self.target, self.room = archive, target, room
        self.count = 0

    def place_of(self, name: str) -> Path | None:
        """Return the path of a member; None for clutter.

        Raises
        ------
        ImageError
            If the path is outside the folder.
        """
        self.count += 1
        if self.count > _MOST_MEMBERS:
            raise ImageError(f"{self.archive} has more than {_MOST_MEMBERS:,} files; split it.")
        written = name.replace("\\", "/")
        parts = PurePosixPath(written).parts
        if written.startswith("/") or re.match("[A-Za-z]:", written) or ".." in parts:
            raise ImageError(
                f"{self.archive} was not unpacked: its member {name!r} would be outside the "
                "folder; pack the data set again from the folder that contains it."
            )
        if not parts or parts[-1].startswith("._") or _CLUTTER.intersection(parts):
            return None
        return self.target.joinpath(*parts)

    def refuse_special(self, name: str) -> None:
        raise ImageError(
            f"{self.archive} was not unpacked: its member {name!r} is a link or a device; pack the "
            "files themselves."
        )

    def write(self, source: IO[bytes], place: Path, modified: float | None) -> None:
        """Copy a member with its modification time, which tells corrected results apart."""
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = place.open("xb")
        except FileExistsError:
            name = place.relative_to(self.target)
            raise ImageError(
                f"{self.archive} was not unpacked: its member {name} occurs twice; pack the data "
                "set again."
            ) from None
        with file:
            while chunk := source.read(_CHUNK):
                self.spend(len(chunk))
                file.write(chunk)
        if modified is not None:
            with suppress(OSError, OverflowError, ValueError):
                os.utime(place, (modified, modified))

    def spend(self, count: int) -> None:
        """Count unpacked bytes.

        Raises
        ------
        ImageError
            If there are more than allowed.
        """
        self.room -= count
        if self.room < 0:
            raise ImageError(
                f"{self.archive} was not unpacked: it needs more than {_MOST_GROWTH} times its "
                "size or more than half of the free disk space; unpack it yourself if you trust "
                "it, and give the folder."
            )


class _Counted(io.RawIOBase):
    """A stream that counts its bytes, including those of skipped members."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, unpacking: _Unpacking) -> None:
        self.stream, self.unpacking = stream, unpacking

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.unpacking.spend(len(data))
        return data


def _unpack_zip(path: Path, unpacking: _Unpacking) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        # Check all members before the first is written.
        places = [unpacking.place_of(member.filename) for member in members]
        for member in members:
            mode = stat.S_IFMT(member.external_attr >> 16)
            if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                unpacking.refuse_special(member.filename)
        declared = sum(member.file_size for member in members)
        unpacking.spend(declared)
        unpacking.room += declared  # `write` counts the bytes that are really unpacked
        for member, place in zip(members, places, strict=True):
            if place is not None and not member.is_dir():
                with archive.open(member) as source:
                    unpacking.write(source, place, _time_of(member))


def _time_of(member: zipfile.ZipInfo) -> float | None:
    try:
        return time.mktime((*member.date_time, 0, 0, -1))
    except (OverflowError, ValueError):
        return None


def _unpack_tar(path: Path, unpacking: _Unpacking) -> None:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if compressed else path.open("rb") as stream:
        counting = _Unpacking(path, unpacking.target, unpacking.room)
        counted = _Counted(stream, counting)
        # Read as a stream, in one pass, so that skipped members are counted too.
        with tarfile.open(fileobj=counted, mode="r|") as archive:
            for member in archive:
                place = unpacking.place_of(member.name)
                if member.isdir():
                    continue
                if not member.isfile():
                    unpacking.refuse_special(member.name)
                source = archive.extractfile(member)
                if place is not None and source is not None:
                    unpacking.write(source, place, member.mtime)
