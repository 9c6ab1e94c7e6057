"""``anymask export``: write the masks of a session in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from anymask.cli.console import err, errors_as_sentences, out
from anymask.cli.options import OverwriteOption

_MOST_LINES = 10


@errors_as_sentences
def export(
    session: Annotated[
        Path,
        typer.Argument(
            metavar="SESSION", help="The session folder, NAME.anymask.", show_default=False
        ),
    ],
    to: Annotated[
        list[str],
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="Format to write: FORMATS. May be repeated.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Output folder; for COCO alone it may be a file.",
            show_default=False,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="DIR",
            help="Folder where the images are now, if they moved; found by their content.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Export the masks of a session, keeping ids and class names.

    ```
    anymask export cells.anymask --to coco -o cells.json
    anymask export cells.anymask --to labels --to csv -o results/
    ```
    """
    from anymask.session import Session

    with Session.open(session, read_only=True) as opened:
        if images is not None:
            opened.images.search_folders.append(images)
        with err.status("Writing"):
            saved = opened.export.save(output, to, overwrite=overwrite)
    for name, sentence in saved.losses[:_MOST_LINES]:
        err.print(Text(f"{name}: {sentence}", style="yellow"), soft_wrap=True)
    for path in saved.files[:_MOST_LINES]:
        out.print(Text(str(path)), soft_wrap=True)
    if len(saved.files) > _MOST_LINES:
        out.print(Text(f"… and {len(saved.files) - _MOST_LINES} more files in {output}"))
