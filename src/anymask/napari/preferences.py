"""What the window remembers for next time, whatever the session: a small JSON file."""

from __future__ import annotations

import json
from typing import Any

from anymask.napari.recent import sessions_folder

_FILE = "window.json"


def preference(name: str, default: Any) -> Any:
    """Return what was preferred last time, or a default."""
    return _read().get(name, default)


def prefer(**values: Any) -> None:
    """Remember values; without a place to write, they last as long as the window."""
    known = _read() | values
    try:
        sessions_folder().mkdir(parents=True, exist_ok=True)
        (sessions_folder() / _FILE).write_text(json.dumps(known, indent=1), "utf-8")
    except OSError:
        return  # only a convenience


def _read() -> dict[str, Any]:
    try:
        found = json.loads((sessions_folder() / _FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
