"""What is served: a session, or a folder of images with a session in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anymask.session import Session, SessionError
from anymask.session.store.folder import SUFFIX

_UPLOADS = "uploads"


@dataclass(frozen=True)
class Place:
    """An open session and the folders that belong to it.

    Attributes
    ----------
    session : Session
    images : Path or None
        The folder whose images belong to the session; None if a session is served.
    uploads : Path
        Where images go that arrive from a browser.
    """

    session: Session
    images: Path | None
    uploads: Path


def open_place(place: Path) -> Place:
    """Open a session; for a folder of images, the session in it, which is created if missing.

    Raises
    ------
    SessionError
        If there is no such folder, if it has several sessions, or if its session is open in
        another program.
    OutputError
        If no session can be created in the folder.
    """
    folder = place.expanduser().absolute()
    if folder.suffix == SUFFIX or (folder / "session.json").exists():
        return _of_session(Session.open(folder))
    if not folder.is_dir():
        raise SessionError(
            f"There is no folder {place}; give a folder with images, or a session NAME{SUFFIX}."
        )
    known = sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_dir())
    if len(known) > 1:
        names = ", ".join(path.name for path in known)
        raise SessionError(
            f"{place} holds several sessions ({names}); name one of them, such as {known[0]}."
        )
    name = folder.name or "images"
    session = Session.open(known[0]) if known else Session.create(folder / f"{name}{SUFFIX}")
    return Place(session, folder, folder)


def _of_session(session: Session) -> Place:
    return Place(session, None, session.folder / _UPLOADS)
