"""``anymask replay``: the masks of a session made again from its prompts and edits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from anymask.cli.console import EXIT_SOME_FAILED, complain, ends_in_a_sentence, err, out
from anymask.cli.options import (
    DeviceOption,
    DtypeOption,
    JsonOption,
    ModelOption,
    OverwriteOption,
    load_model,
)


@ends_in_a_sentence
def replay(
    session: Annotated[
        Path,
        typer.Argument(metavar="SESSION", help="The folder NAME.anymask.", show_default=False),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="DIR",
            help="Where the images are now; they are told by their content.",
        ),
    ] = None,
    model: ModelOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="OUT", help="Folder for the label images that come out."
        ),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Do the steps of a session again, and tell where the masks come out as others.

    The model is the one that the session names, unless --model names another; the session stays
    as it is. Ends with exit code 1 if a layer is not the same but for rounding.

    ```
    anymask replay cells.anymask
    anymask replay cells.anymask --images /data/cells -o again/
    ```
    """
    from anymask.session import Session
    from anymask.session.replaying import replay as again

    with Session.open(session, read_only=True) as opened:
        used, sam = opened.runs.model, None
        if model is not None:
            sam = load_model(model, device, dtype)
        elif used is not None:
            sam = load_model(used.source, device, dtype)
        with err.status("Doing the steps again"):
            result = again(opened, sam=sam, images=images)
    if output is not None:
        for layer in result.layers:
            _write(output / f"{layer.title}.labels.tif", layer.labels, overwrite)
    if as_json:
        rows = [_row(layer) for layer in result.layers]
        out.print_json(json.dumps({"layers": rows, "notes": result.sentences}))
    else:
        _print(result)
    if not result.is_reproduced:
        raise typer.Exit(EXIT_SOME_FAILED)


def _write(path: Path, labels: Any, overwrite: bool) -> None:
    import tifffile

    from anymask.files import check_free, whole_file

    check_free(path, overwrite)
    with whole_file(path) as part:
        tifffile.imwrite(part, labels, compression="zlib", photometric="minisblack")


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
    for name in ("layer", "masks", "IoU", "other pixels"):
        table.add_column(name, justify="left" if name in ("layer", "masks") else "right")
    for layer in result.layers:
        table.add_row(
            Text(layer.title), layer.status, f"{layer.iou:.4f}", str(layer.different_pixels)
        )
    out.print(table)
    for layer in result.layers:
        for sentence in layer.sentences:
            out.print(Text(f"{layer.title}: {sentence}"), soft_wrap=True)
