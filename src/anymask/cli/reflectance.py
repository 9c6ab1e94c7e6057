"""Options for reflectance, which every command that reads spectral images shares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anymask.errors import AnymaskError
from anymask.io.references import References, references

_PANEL = "Reflectance"

WhiteOption = Annotated[
    Path | None,
    typer.Option(
        "--white",
        metavar="FILE",
        rich_help_panel=_PANEL,
        help="White reference cube, with the same bands and columns as the image.",
    ),
]
DarkOption = Annotated[
    Path | None,
    typer.Option(
        "--dark",
        metavar="FILE",
        rich_help_panel=_PANEL,
        help="Dark reference cube, taken with the shutter closed.",
    ),
]
PanelOption = Annotated[
    str | None,
    typer.Option(
        "--panel",
        metavar="LEFT,TOP,WIDTH,HEIGHT",
        rich_help_panel=_PANEL,
        help="Position of a white panel in the image, in pixels; replaces --white.",
    ),
]


def parse_references(white: Path | None, dark: Path | None, panel: str | None) -> References | None:
    """Parse and check the options; None if none is given.

    Raises
    ------
    AnymaskError
        If a file is missing, the panel cannot be parsed, or two cannot be combined.

    Examples
    --------
    >>> parse_references(None, None, "226,12,42,34").panel
    (12, 226, 34, 42)
    """
    return references(white, dark, None if panel is None else _panel(panel))


def _panel(text: str) -> tuple[int, int, int, int]:
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise AnymaskError(
            f"--panel {text!r} is not LEFT,TOP,WIDTH,HEIGHT in whole pixels; write for instance "
            "226,12,42,34."
        ) from None
    return top, left, height, width
