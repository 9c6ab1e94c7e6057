"""Opens a napari window with the panel, for the command line and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.io.listing import list_images
from anymask.session.errors import SessionError
from anymask.session.store.folder import SUFFIX

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from anymask.napari.panel import Panel

_TITLE = "anymask"


def open_window(files: Sequence[str | Path] = (), *, show: bool = True) -> tuple[Viewer, Panel]:
    """Open a window with the panel, and load files or a session.

    Parameters
    ----------
    files : sequence of path-like
        Images, folders and patterns; or one session.
    show : bool
        Whether the window is visible.

    Raises
    ------
    SessionError, ImageError
        See `check_files`.
    """
    check_files(files)
    from anymask.napari.panel import Panel
    from napari import Viewer

    sessions = [Path(file) for file in files if is_session(Path(file))]
    # napari's welcome screen would cover the empty canvas; the panel says what to do.
    viewer = Viewer(title=_TITLE, show=show, show_welcome_screen=False)
    panel = Panel(viewer)
    viewer.window.add_dock_widget(panel, name="anymask", area="right")
    if sessions:
        panel.images.open(sessions[0])
    elif files:
        panel.images.add(files)
    return viewer, panel


def check_files(files: Sequence[str | Path]) -> None:
    """Refuse missing files, and a session together with other files.

    Raises
    ------
    ImageError
        If a file is missing, or a folder has no images.
    SessionError
        If there is no such session, or other files are given with it.
    """
    for file in map(Path, files):
        if file.suffix != SUFFIX:
            list_images(file)
        elif not file.is_dir():
            raise SessionError(f"There is no session {file}; check its name, or start a new one.")
        elif len(files) > 1:
            raise SessionError(
                f"{file} is a session and cannot be opened together with other files; open it "
                "alone, then add images in the window."
            )


def is_session(path: Path) -> bool:
    """Whether a path is a session folder."""
    return path.suffix == SUFFIX and path.is_dir()
