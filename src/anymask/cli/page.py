"""``anymask page``: a page without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from anymask.cli.console import err, errors_as_sentences, out
from anymask.cli.options import ModelOption, OverwriteOption


@errors_as_sentences
def page(
    output: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder to write the page into.", show_default=False
        ),
    ],
    model: ModelOption = None,
    weights: Annotated[
        str,
        typer.Option(help="What the model's weights are stored in: int8, float16 or float32."),
    ] = "int8",
    overwrite: OverwriteOption = False,
) -> None:
    """Write a page that segments in the browser alone, without a server.

    The folder can be put on any web server, also below a path. Who opens the page needs nothing
    installed: the model runs in the browser, and pictures stay on their computer. A model is
    exported with torch and `pip install "anymask[onnx]"`; one that `anymask export-onnx` wrote is
    taken as it is.

    Write the page, and look at it at http://127.0.0.1:8000:

    ```
    anymask page -o page/
    python -m http.server --directory page/
    ```
    """
    from anymask.web.static_page import write_page

    with err.status("Writing the page"):
        written = write_page(output, model=model, weights=weights, overwrite=overwrite)
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, size in written.model.items():
        table.add_row(name, f"{size / 1e6:,.1f} MB")
    table.add_row("Model", f"{sum(written.model.values()) / 1e6:,.1f} MB")
    table.add_row("Everything else", f"{written.other / 1e6:,.1f} MB")
    if written.parity is not None:
        found = written.parity
        table.add_row(
            "IoU with torch's masks",
            f"{found['mask_iou']:.4f}, least {found['least_mask_iou']:.4f}, of "
            f"{found['prompts']:.0f} prompts",
        )
    out.print(table)
    err.print(Text(f"To look at it: python -m http.server --directory {written.folder}"))
