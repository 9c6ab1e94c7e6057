"""Image files of a session: reads them, recognises them by content, finds moved ones."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError
from anymask.images.image import Image
from anymask.io.read_images import read
from anymask.session.errors import SessionError
from anymask.session.records import ImageId, ImageRecord
from anymask.session.store.store import Store

# Larger files are hashed in parts: the first, the last, and evenly spaced ones in between.
_WHOLE = 2**28
_PART = 2**22
_PARTS = 32
_MOST_FILES_SEARCHED = 20_000
# Images in memory: the current one and its neighbours.
_MOST_IN_MEMORY = 4


@dataclass(frozen=True)
class Failure:
    """A file that could not be added.

    Attributes
    ----------
    path : Path
    sentence : str
        What is wrong with it.
    needs_header : bool
        Whether it can be read if its ENVI header is given.
    """

    path: Path
    sentence: str
    needs_header: bool = False


@dataclass
class Added:
    """The result of adding files.

    Attributes
    ----------
    ids : list of str
        The new images.
    failed : list of Failure
    already : list of str
        Images that were already in the session.
    """

    ids: list[ImageId] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    already: list[ImageId] = field(default_factory=list)


class ImageFiles:
    """Reads the images of a session; the last few stay in memory.

    Attributes
    ----------
    search_folders : list of Path
        Folders to search for moved files, besides the folder of the session.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._in_memory: OrderedDict[ImageId, Image] = OrderedDict()
        self.search_folders: list[Path] = []

    def keep(self, image: ImageId, pixels: Image) -> None:
        """Keep an image in memory."""
        with self._store.mutex:
            self._in_memory[image] = pixels
            self._in_memory.move_to_end(image)
            while len(self._in_memory) > _MOST_IN_MEMORY:
                self._in_memory.popitem(last=False)

    def forget(self, image: ImageId) -> None:
        """Drop an image from memory."""
        with self._store.mutex:
            self._in_memory.pop(image, None)

    def load(self, image: ImageId) -> Image:
        """Read an image; see `Images.load`."""
        store = self._store
        with store.mutex:
            if image in self._in_memory:
                self._in_memory.move_to_end(image)
                return self._in_memory[image]
            record = store.state.image(image)
        if not record.path.exists():
            found = find_moved(record, [*self.search_folders, store.folder.parent])
            if found is None:
                raise SessionError(
                    f"{record.name}: {record.path} is missing and was not found in "
                    f"{store.folder.parent}; say where it is now."
                )
            record = self.note_moved(record, found)
        pixels = open_source(record)
        if not is_unchanged(record):
            self._hash_again(record, pixels)
        self.keep(image, pixels)
        return pixels

    def note_moved(self, record: ImageRecord, path: Path) -> ImageRecord:
        """Record the new place of an image file."""
        self._store.say(f"{record.name} was found again at {path}.")
        return self._note(_at(record, path))

    def relocate(self, image: ImageId, path: Path) -> None:
        """Record the new place of an image file, after comparing its content."""
        record = self._store.state.image(image)
        moved = _at(record, path)
        facts = fingerprint(open_source(moved), moved.path, moved.header)
        if facts["sha256"] != record.fingerprint.get("sha256"):
            raise SessionError(
                f"{moved.path} is not the file that {record.name} was added from; choose the "
                "original file."
            )
        self._note(replace(moved, fingerprint=facts))

    def _hash_again(self, record: ImageRecord, pixels: Image) -> None:
        """Compare the content of files whose modification time or place changed."""
        facts = fingerprint(pixels, record.path, record.header)
        if facts["sha256"] != record.fingerprint.get("sha256"):
            if tuple(pixels.shape) != record.shape or pixels.axes != record.axes:
                raise SessionError(
                    f"{record.path} is no longer the image {record.name} (now {pixels.axes} "
                    f"{pixels.shape}, before {record.axes} {record.shape}); put the file back, "
                    "or add this one as a new image."
                )
            self._store.say(
                f"{record.path} has changed since it was added; its masks may no longer fit."
            )
        self._note(replace(record, fingerprint=facts))

    def _note(self, record: ImageRecord) -> ImageRecord:
        if self._store.read_only:
            self._store.state.images[record.id] = record
        else:
            self._store.record("image.changed", image=record.to_json(self._store.folder))
        return record


def open_source(record: ImageRecord) -> Image:
    """Read the image of a record."""
    return read_source(record.path, record.header, record.read_options)


def read_source(path: Path, header: Path | None, options: Mapping[str, Any] | None) -> Image:
    """Read an image with its header and options."""
    given = dict(options or {})
    return read(path, **given) if header is None else read(path, header=header, **given)


def needs_header(path: Path, error: AnymaskError) -> bool:
    """Whether reading failed because the ENVI header is missing."""
    return "header=" in str(error) and "no header beside" in str(error) and path.is_file()


def fingerprint(image: Image, path: Path, header: Path | None) -> dict[str, Any]:
    """Compute what identifies the content of an image's files.

    Returns
    -------
    dict
        "sha256" of the content, "bytes" of all files, "stat" (size and time, a quick check for
        changes) and "files".
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
    """Whether size and modification time are the same as when the files were hashed."""
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
    """Return size and modification time of each file."""
    return [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def find_moved(record: ImageRecord, folders: Iterable[Path]) -> Path | None:
    """Search folders for the file of a record; return None if it is not there.

    Files of the same name are compared first, then files of the same size; the content decides.

    Raises
    ------
    SessionError
        If a folder has too many files to search.
    """
    wanted = record.fingerprint.get("sha256")
    for folder in folders:
        if not folder.is_dir():
            continue
        named, sized, seen = [], [], 0
        for root, inner, names in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.endswith(".anymask"))
            images = [d for d in inner if d.endswith(".zarr") or d == record.path.name]
            for name in sorted([*names, *images]):
                seen += 1
                path = Path(root, name)
                if name == record.path.name:
                    named.append(path)
                elif record.header is None and _has_size(path, record):
                    sized.append(path)
            if seen > _MOST_FILES_SEARCHED:
                raise SessionError(
                    f"{folder} has more than {_MOST_FILES_SEARCHED:,} files; choose a smaller "
                    f"folder that contains {record.path.name}."
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


def _at(record: ImageRecord, path: Path) -> ImageRecord:
    """Return a record with a new path; its header is expected beside the file."""
    header = record.header
    if header is not None and not header.exists():
        header = path.parent / header.name
    return replace(record, path=path.absolute(), header=header)


def _header_beside(record: ImageRecord, path: Path) -> Path | None:
    """Return the header of a record whose data file has moved."""
    if record.header is None:
        return None
    moved = path.parent / record.header.name
    return moved if moved.exists() else record.header


def _files(image: Image, path: Path, header: Path | None) -> list[Path]:
    """Return all files of an image, the image file itself first."""
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
