"""``anymask export-onnx``: write a model for use without torch, or by other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from anymask.cli.console import err, errors_as_sentences, out
from anymask.cli.options import OverwriteOption


@errors_as_sentences
def export_onnx(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Model name (see `anymask models`), checkpoint file or folder, or Hugging Face "
            "id.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder to write: encoder.onnx, decoder.onnx and model.json.",
            show_default=False,
        ),
    ],
    weights: Annotated[
        str,
        typer.Option(
            help="What weights are stored in: float32; float16, half as large; int8, the encoder a "
            "quarter as large and the decoder half. All compute in float32."
        ),
    ] = "float32",
    image_size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Side of the square that the encoder sees. [default: the model's]",
        ),
    ] = None,
    meta: Annotated[
        bool,
        typer.Option(
            "--meta",
            help="Inputs and outputs as Meta's export has them, for programs such as their web "
            "demo, X-AnyLabeling and samexporter.",
        ),
    ] = False,
    single_mask: Annotated[
        bool,
        typer.Option("--single-mask", help="With --meta: return the best mask instead of four."),
    ] = False,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Image to compare masks on. [default: one that is drawn]"
        ),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Export a model to ONNX, for use without torch or by other programs.

    The folder can be given wherever a model can: --model DIR. How far its masks are from those of
    the model in torch is printed, and written to model.json.

    Export the shipped model, and use it; export a model for X-AnyLabeling:

    ```
    anymask export-onnx small -o small-onnx/
    anymask everything photos/ -o masks/ --model small-onnx/
    anymask export-onnx vit_b -o vit-b-onnx/ --meta --single-mask
    ```
    """
    from anymask.onnx_export.export import export_onnx as export

    pixels = None
    if image is not None:
        from anymask.io.read_images import read_rgb

        pixels = read_rgb(image)
    with err.status("Exporting"):
        found = export(
            model,
            output,
            weights=weights,  # type: ignore[arg-type]
            image_size=image_size,
            meta=meta,
            single_mask=single_mask,
            image=pixels,
            overwrite=overwrite,
        )
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, size in found.sizes.items():
        table.add_row(name, f"{size / 1e6:,.1f} MB")
    parity = found.parity
    table.add_row("Prompts compared", str(parity.prompts))
    table.add_row(
        "IoU with torch's masks", f"{parity.mask_iou:.4f}, least {parity.least_mask_iou:.4f}"
    )
    table.add_row("Difference of logits", f"{parity.logits:.1e} of the largest")
    table.add_row("Difference of the embedding", f"{parity.embedding:.1e} of the largest")
    table.add_row("Difference of a predicted IoU", f"{parity.predicted_iou:.1e}")
    out.print(table)
