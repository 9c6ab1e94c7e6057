"""``anymask benchmark``: how fast a model is on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.text import Text

from anymask.benchmarking.effort import PARTS
from anymask.cli.console import ends_in_a_sentence, err
from anymask.cli.options import DeviceOption, JsonOption, ModelOption


@ends_in_a_sentence
def benchmark(
    model: ModelOption = None,
    random: Annotated[
        bool,
        typer.Option(
            "--random",
            help="Draw random weights for vit_b, vit_l or vit_h instead of downloading its own; "
            "it is as fast with them.",
        ),
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="PARTS",
            help=f"Measure these parts alone, with commas between: {', '.join(PARTS)}. All but "
            "large if not given.",
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Ask 1,024 points of ViTs too, and repeat more often. Beside the "
            "segment-anything package that takes up to half an hour.",
        ),
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Threads of the network; by default PyTorch's choice."
        ),
    ] = None,
    alone: Annotated[
        bool,
        typer.Option("--alone", help="Leave other packages out, even where they are installed."),
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure how fast a model is on this machine, in about two minutes.

    The image encoder, the mask decoder with 64 prompts, all that follows it, "everything" with
    its peak memory, a click, and a whole process from cold. With a ViT, Meta's segment-anything
    package and transformers are measured beside it, where they are installed.

    The shipped model; a ViT-B beside other packages, without a download; two parts of it:

    ```
    anymask benchmark
    anymask benchmark --model vit_b --random
    anymask benchmark --model vit_b --random --only encoder,decoder
    ```
    """
    from anymask.benchmarking.run import benchmark as run

    report = run(
        model,
        random=random,
        parts=None if only is None else [part.strip() for part in only.split(",")],
        full=full,
        threads=threads,
        device=device,
        peers=not alone,
        progress=lambda line: err.print(Text(line, style="dim"), soft_wrap=True),
    )
    typer.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.table())
