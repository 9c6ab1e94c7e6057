"""The folder of a session: creates, recognises and cleans it, and checks names of files in it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from anymask import __version__
from anymask.files import check_writable, whole_file
from anymask.session.errors import SessionError

SUFFIX = ".anymask"
_FORMAT = 1
_INFO = "session.json"


def create_folder(folder: str | os.PathLike[str]) -> Path:
    """Create the folder of a new session; the suffix ``.anymask`` is added if it is missing.

    Raises
    ------
    SessionError
        If a file or folder of that name exists.
    OutputError
        If it cannot be written.
    """
    path = _with_suffix(Path(folder)).absolute()
    if os.path.lexists(path):
        raise SessionError(f"{path} exists already; open it, or choose another name.")
    check_writable(path)
    info = {
        "format": _FORMAT,
        "anymask": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with whole_file(path / _INFO) as part:
        part.write_text(json.dumps(info), "utf-8")
    return path


def find_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the folder of an existing session; its suffix may be left out.

    Raises
    ------
    SessionError
        If it is not a session, or was made by a later version.
    """
    path = Path(folder).absolute()
    if not (path / _INFO).exists() and (_with_suffix(path) / _INFO).exists():
        path = _with_suffix(path)
    try:
        info = json.loads((path / _INFO).read_text("utf-8"))
        version = int(info["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SessionError(
            f"{path} is not an anymask session; a session is a folder NAME{SUFFIX} with a file "
            f"{_INFO}."
        ) from error
    if version > _FORMAT:
        raise SessionError(f"{path} was made by a later version of anymask; update anymask.")
    return path


def remove_unfinished(folder: Path) -> None:
    """Remove files that were being written when the program was killed."""
    for path in folder.glob("*/.anymask-*"):
        with suppress(OSError):
            path.unlink()


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file that the journal names.

    Raises
    ------
    SessionError
        If the path is outside the folder.
    """
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise SessionError(f"The journal names a file {name!r} outside the session.")
    return folder / name


def _with_suffix(path: Path) -> Path:
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
