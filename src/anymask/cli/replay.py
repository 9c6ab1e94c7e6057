"""``anymask replay``: repeat the steps of a session and compare the masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from anymask.cli.console import EXIT_SOME_FAILED, complain, err, errors_as_sentences, out
from anymask.cli.options import (
    DeviceOption,
    DtypeOption,
    JsonOption,
    ModelOption,
    OverwriteOption,
    load_model,
)


@errors_as_sentences
def replay(
    session: Annotated[
        Path,
        typer.Argument(
            metavar="SESSION", help="The session folder, NAME.anymask.", show_default=False
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
    model: ModelOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="OUT", help="Output folder for the repeated label images."
        ),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Repeat the steps of a session and report masks that come out differently.

    Each step is repeated with the model it was made with, unless --model names another. The session
    is not changed. The exit code is 1 if a layer differs by more than rounding.

    ```
    anymask replay cells.anymask
    anymask replay cells.anymask --images /data/cells -o again/
    ```
    """
    from anymask.session import Session
    from anymask.session.replaying import replay as again

    with Session.open(session, read_only=True) as opened:
        sam = None if model is None else load_model(model, device, dtype)
        with err.status("Repeating the steps"):
            result = again(opened, sam=sam, images=images, device=device, dtype=dtype)
        if output is not None:
            for layer in result.layers:
                path = output / f"{layer.title}.labels.tif"
                opened.export.save_labels(layer.key, layer.labels, path, overwrite=overwrite)
    if as_json:
        rows = [_row(layer) for layer in result.layers]
        out.print_json(json.dumps({"layers": rows, "notes": result.sentences}))
    else:
        _print(result)
    if not result.is_reproduced:
        raise typer.Exit(EXIT_SOME_FAILED)


def _row(layer: Any) -> dict[str, Any]:
    return {
        "name": layer.title,
        "status": layer.status,
        "iou": layer.iou,
        "different_pixels": layer.different_pixels,
        "notes": list(layer.sentences),
    }


def _print(result: Any) -> None:
    for sentence in result.sentences:
        complain(sentence)
    table = Table()
    for name in ("layer", "masks", "IoU", "different pixels"):
        table.add_column(name, justify="left" if name in ("layer", "masks") else "right")
    for layer in result.layers:
        table.add_row(
            Text(layer.title), layer.status, f"{layer.iou:.4f}", str(layer.different_pixels)
        )
    out.print(table)
    for layer in result.layers:
        for sentence in layer.sentences:
            out.print(Text(f"{layer.title}: {sentence}"), soft_wrap=True)
