"""The files behind a session's images: told by their content, found again where they moved."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError
from anymask.images.image import Image
from anymask.io.read_images import read
from anymask.session.errors import SessionError
from anymask.session.records import ImageRecord

# Of larger files this much is hashed at the beginning, at the end, and in even steps between.
_WHOLE = 2**28
_PART = 2**22
_PARTS = 32
_MOST_FILES_SEARCHED = 20_000


@dataclass(frozen=True)
class Failure:
    """A file that could not be added.

    Attributes
    ----------
    path : Path
    sentence : str
        What is wrong with it.
    needs_header : bool
        Whether it can be read once its ENVI header is named.
    """

    path: Path
    sentence: str
    needs_header: bool = False


def open_source(record: ImageRecord) -> Image:
    """Read the image of a record from where the record says it is."""
    return read_source(record.path, record.header, record.read_options)


def read_source(path: Path, header: Path | None, options: Mapping[str, Any] | None) -> Image:
    """Read an image with the options that were given for it."""
    given = dict(options or {})
    return read(path, **given) if header is None else read(path, header=header, **given)


def needs_header(path: Path, error: AnymaskError) -> bool:
    """Whether reading failed for want of an ENVI header."""
    return "header=" in str(error) and "no header beside" in str(error) and path.is_file()


def fingerprint(image: Image, path: Path, header: Path | None) -> dict[str, Any]:
    """What tells the content of an image's files.

    Returns
    -------
    dict
        "sha256"; "bytes" in all; and "stat", from which is seen at once that nothing changed.
    """
    files = _files(image, path, header)
    digest = hashlib.sha256()
    for file in files:
        _hash(digest, file)
    return {
        "sha256": digest.hexdigest(),
        "bytes": sum(file.stat().st_size for file in files),
        "stat": stamp(files),
        "files": [str(file) for file in files],
    }


def is_unchanged(record: ImageRecord) -> bool:
    """Whether the files look as they did when their content was hashed."""
    files = [Path(file) for file in record.fingerprint.get("files", [])]
    try:
        return (
            bool(files)
            and files[0] == _first(record.path)
            and (stamp(files) == record.fingerprint.get("stat"))
        )
    except OSError:
        return False


def stamp(files: Iterable[Path]) -> list[list[int]]:
    """Size and time of change of each file."""
    return [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def find_moved(record: ImageRecord, folders: Iterable[Path]) -> Path | None:
    """Look for the file of a record that is no longer where it was.

    Files of its name come first, then those of its size; the content decides.

    Raises
    ------
    SessionError
        If there are too many files to look through.
    """
    wanted = record.fingerprint.get("sha256")
    for folder in folders:
        if not folder.is_dir():
            continue
        named, sized, seen = [], [], 0
        for root, inner, names in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.endswith(".anymask"))
            for name in sorted([*names, *(d for d in inner if d.endswith(".zarr"))]):
                seen += 1
                path = Path(root, name)
                if name == record.path.name:
                    named.append(path)
                elif record.header is None and _has_size(path, record):
                    sized.append(path)
            if seen > _MOST_FILES_SEARCHED:
                raise SessionError(
                    f"{folder} holds more than {_MOST_FILES_SEARCHED:,} files; name a folder "
                    f"nearer to {record.path.name}."
                )
        for path in [*named, *sized]:
            try:
                header = _header_beside(record, path)
                found = fingerprint(read_source(path, header, record.read_options), path, header)
            except (AnymaskError, OSError):
                continue
            if found["sha256"] == wanted:
                return path
    return None


def _header_beside(record: ImageRecord, path: Path) -> Path | None:
    """The header of a record whose data file is at another place now."""
    if record.header is None:
        return None
    moved = path.parent / record.header.name
    return moved if moved.exists() else record.header


def _files(image: Image, path: Path, header: Path | None) -> list[Path]:
    """The files that an image consists of, its own first."""
    found = [_first(path)]
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file())
    for other in (header, image.metadata.get("header"), image.metadata.get("data")):
        if other is not None and Path(other).is_file() and Path(other) not in found:
            found.append(Path(other))
    return found


def _first(path: Path) -> Path:
    if path.is_dir():
        return min(file for file in path.rglob("*") if file.is_file())
    return path


def _has_size(path: Path, record: ImageRecord) -> bool:
    try:
        sizes = record.fingerprint.get("stat") or [[-1]]
        return path.suffix == record.path.suffix and path.stat().st_size == sizes[0][0]
    except OSError:
        return False


def _hash(digest: Any, path: Path) -> None:
    size = path.stat().st_size
    digest.update(size.to_bytes(8, "little"))
    with path.open("rb") as file:
        if size <= _WHOLE:
            while block := file.read(2**22):
                digest.update(block)
            return
        step = (size - _PART) // (_PARTS - 1)
        for index in range(_PARTS):
            file.seek(index * step)
            digest.update(file.read(_PART))
