"""``anymask benchmark``: how fast a model is on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from anymask.cli.console import err, errors_as_sentences
from anymask.cli.options import DeviceOption, DtypeOption, JsonOption, ModelOption


@errors_as_sentences
def benchmark(
    model: ModelOption = None,
    random: Annotated[
        bool,
        typer.Option(
            "--random",
            help="Use random weights instead of downloading the variant's own; the speed is the "
            "same.",
        ),
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Number of CPU threads. [default: PyTorch's choice]"),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure how fast a model runs on this machine.

    Times loading the model, encoding an image, a click, a box, and everything in an image. Takes
    about a minute.

    ```
    anymask benchmark
    anymask benchmark --model vit_b --random --threads 4
    ```
    """
    from anymask.evaluation.speed import benchmark as run

    with err.status("Measuring"):
        speed = run(model, random=random, threads=threads, device=device, dtype=dtype)
    typer.echo(json.dumps(speed.to_dict(), indent=2) if as_json else speed.table())
