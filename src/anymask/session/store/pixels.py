"""Stores the pixels of a step in its journal line, or in a file named after their content."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from anymask.files import whole_file
from anymask.session.errors import SessionError
from anymask.session.store.folder import inside

# Larger content goes to a separate file, so that the journal is quick to read.
_MOST_INLINE = 2**14
_FOLDER = "pixels"


def keep_pixels(folder: Path, content: bytes) -> dict[str, str]:
    """Store the bytes of a step; return what the journal needs to find them again."""
    if len(content) <= _MOST_INLINE:
        return {"data": base64.b64encode(content).decode()}
    name = f"{_FOLDER}/{_digest(content)}"
    path = folder / name
    if not path.exists():
        with whole_file(path) as part, part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    return {"file": name}


def fetch_pixels(folder: Path, kept: Mapping[str, object]) -> bytes:
    """Read the bytes that `keep_pixels` stored.

    Raises
    ------
    SessionError
        If they are missing or damaged.
    """
    if "data" in kept:
        return base64.b64decode(str(kept["data"]))
    path = inside(folder, str(kept.get("file")))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SessionError(f"{path} is missing, so an edit is lost.") from error
    if _digest(content) != path.name:
        raise SessionError(f"{path} is damaged, so an edit is lost.")
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:40]
