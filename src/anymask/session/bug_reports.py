"""The text of a bug report: versions, device and log, without names of folders and users."""

from __future__ import annotations

import getpass
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from anymask import __version__

if TYPE_CHECKING:
    from anymask.session.session import Session

_PACKAGES = ("numpy", "scipy", "torch", "pillow", "tifffile", "napari", "PyQt6", "PySide6")
_LINES = 60


def bug_report(session: Session) -> str:
    """Return versions, device, model and the last log lines of a session, without folder names."""
    lines = [
        f"anymask {__version__}, Python {platform.python_version()}, {platform.platform()}",
        ", ".join(f"{name} {version}" for name, version in _versions()),
        f"Device: {_device()}",
    ]
    model = session.runs.model
    if model is None:
        lines.append("No model was used.")
    else:
        source = "" if model.source is None else f" from {Path(model.source).name}"
        lines.append(f"Model: {model.name}{source}, hash {model.model_hash[:12]}")
    lines.append(f"Options: {session.runs.options.to_json()}")
    for record in session.images[:20]:
        layers = len(record.recipes)
        lines.append(
            f"Image: {record.path.suffix or 'no suffix'}, {record.axes} {record.shape} "
            f"{record.dtype}, {layers} pseudo-RGB{'s' if layers > 1 else ''}, "
            f"{session.images.state(record.id)}"
        )
    lines += ["", *session.log_lines(_LINES)]
    folders = [session.folder.parent, *(r.path.parent for r in session.images), Path.home()]
    return "\n".join(without_folders(line, folders) for line in lines)


def without_folders(text: str, folders: list[Path]) -> str:
    """Shorten every path in a text to its last name.

    Examples
    --------
    >>> without_folders("Cannot read /home/ann/my data/a.png.", [Path("/home/ann/my data")])
    'Cannot read a.png.'
    """
    for folder in sorted({str(f) for f in folders}, key=len, reverse=True):
        if len(folder) > 1:
            text = text.replace(folder + "/", "").replace(folder + "\\", "")
            text = text.replace(folder, Path(folder).name if folder != str(Path.home()) else "~")
    text = re.sub(r"(?:/[^\s/:;,'\"()]+)+/(?=[^\s/])", "", text)
    text = re.sub(r"[A-Za-z]:\\(?:[^\s\\:;,'\"()]+\\)+", "", text)
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        return text
    return re.sub(rf"\b{re.escape(user)}\b", "USER", text) if len(user) > 3 else text


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in _PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def _device() -> str:
    torch = sys.modules.get("torch")
    if torch is None:
        return "the model was not loaded"
    if torch.cuda.is_available():
        return f"CUDA, {torch.cuda.get_device_name(0)}"
    return f"CPU, {torch.get_num_threads()} threads"
