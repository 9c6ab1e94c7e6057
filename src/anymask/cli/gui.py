"""``anymask gui``: the napari window with the anymask panel."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from anymask.cli.console import errors_as_sentences
from anymask.errors import AnymaskError


@errors_as_sentences
def gui(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILES]...",
            help="Images, stacks, spectral cubes, folders of these, or a session NAME.anymask.",
        ),
    ] = None,
) -> None:
    """Open a window to segment, correct and save.

    Needs napari: `pip install "anymask[napari]"`. All work is kept in a session, a folder
    NAME.anymask, which you can open again:

    ```
    anymask gui photos/*.jpg
    anymask gui leaves.hdr
    anymask gui work.anymask
    ```
    """
    from anymask.napari.window import check_files, open_window

    # Checked first, because the window takes seconds to open and hides the shell.
    check_files(files or [])
    _check_screen()
    try:
        import qtpy.QtWidgets  # noqa: F401

        import napari
    except ImportError as error:
        raise AnymaskError(
            'The window needs napari and Qt; install them with pip install "anymask[napari]".'
        ) from error
    open_window(files or [])
    napari.run()


def _check_screen() -> None:
    """Refuse to start without a screen, where Qt would end the program with a core dump.

    Raises
    ------
    AnymaskError
        If there is no screen.
    """
    known = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in known):
        raise AnymaskError(
            "There is no screen to open the window on (DISPLAY is not set); connect to a server "
            "with ssh -X, or use anymask everything and anymask segment, which need no screen."
        )
