"""``anymask gui``: the napari window with the anymask panel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anymask.cli.console import ends_in_a_sentence
from anymask.errors import AnymaskError


@ends_in_a_sentence
def gui(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILES]...",
            help="Pictures, stacks, spectral cubes, folders of them; or a session NAME.anymask.",
        ),
    ] = None,
) -> None:
    """Open a window in which to segment, correct and save.

    Needs napari: `pip install "anymask[napari]"`. All that is done in the window is kept in a
    session, a folder NAME.anymask, and can be taken up again:

    ```
    anymask gui photos/*.jpg
    anymask gui leaves.hdr
    anymask gui work.anymask
    ```
    """
    try:
        import napari
    except ImportError as error:
        raise AnymaskError(
            'The window needs napari; install it with pip install "anymask[napari]".'
        ) from error
    from anymask.napari.opening import open_window

    open_window(files or [])
    napari.run()
