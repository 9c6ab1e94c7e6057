"""Where unnamed sessions are, and which sessions were opened last."""

from __future__ import annotations

import os
from pathlib import Path

_RECENT = "recent.txt"


def sessions_folder() -> Path:
    """Return the folder for unnamed sessions: `ANYMASK_SESSIONS`, else ~/anymask sessions."""
    given = os.environ.get("ANYMASK_SESSIONS")
    return Path(given).expanduser() if given else Path.home() / "anymask sessions"


def recent_sessions() -> list[Path]:
    """Return the last opened sessions that still exist, newest first."""
    try:
        lines = (sessions_folder() / _RECENT).read_text("utf-8").splitlines()
    except OSError:
        return []
    return [path for path in map(Path, lines) if path.is_dir()][:8]


def note_recent(folder: Path) -> None:
    """Put a session first among the last opened ones."""
    others = [path for path in recent_sessions() if path != folder]
    try:
        sessions_folder().mkdir(parents=True, exist_ok=True)
        text = "\n".join(map(str, [folder, *others]))
        (sessions_folder() / _RECENT).write_text(text, "utf-8")
    except OSError:
        return  # the list is only a convenience
