"""``anymask session``: take masks of other programs into a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from anymask.cli.console import EXIT_SOME_FAILED, complain, errors_as_sentences, out
from anymask.cli.options import JsonOption
from anymask.wording import counted

app = typer.Typer(
    name="session",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def session() -> None:
    """Work on a session of the window without opening it."""


@app.command("import")
@errors_as_sentences
def import_masks(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="SESSION", help="The session folder, NAME.anymask.", show_default=False
        ),
    ],
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="MASKS...",
            help="Mask files in any format that anymask reads, named like their images.",
            show_default=False,
        ),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace masks that were edited by hand, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import masks of Cellpose, COCO, ImageJ, TIFF and others into the images of a session.

    A file belongs to the image that it is named after, such as cell7_cp_masks.png to cell7.tif, or
    that it names, as COCO does. Its masks replace those of the image; undo in the window brings
    these back. The exit code is 1 if a file could not be imported.

    ```
    anymask session import cells.anymask masks/*.png
    anymask session import cells.anymask annotations.json --replace
    ```
    """
    from anymask.session import Session
    from anymask.session.importing import import_files

    with Session.open(folder) as opened:
        result = import_files(opened, files, replace=replace)
        titles = {key: opened.layers.title(key) for _, key in result.done}
        counts = {key: len(opened.layers.ids(key)) for key in titles}
    if as_json:
        facts = {
            "done": [
                {"file": str(path), "image": titles[key], "objects": counts[key]}
                for path, key in result.done
            ],
            "failed": [{"file": str(path), "reason": why} for path, why in result.failed],
        }
        typer.echo(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        for path, key in result.done:
            out.print(
                f"{path.name}: {counted(counts[key], 'object')} in {titles[key]}", markup=False
            )
        for _, why in result.failed:
            complain(why)
    if result.failed:
        raise typer.Exit(EXIT_SOME_FAILED)
