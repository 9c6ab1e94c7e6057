"""``python -m recipes.small``: train a model of the shipped geometry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anymask.cli.console import ends_in_a_sentence
from anymask.errors import AnymaskError

app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False, add_completion=False)


@app.command()
@ends_in_a_sentence
def pretrain(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="DIR",
            help="A set with images/, masks/ (label images) and set.json, or a folder of sets. "
            "Several may be given.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for caches, log, curves, the state to resume from and the weights.",
        ),
    ],
    minutes: Annotated[float, typer.Option(min=0.001, help="How long to train.")] = 60.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training in --out.")
    ] = False,
    finish: Annotated[
        bool,
        typer.Option(
            "--finish", help="Let the learning rate fall to nothing towards the end of the time."
        ),
    ] = False,
    finish_share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="The share of the time in which it falls.")
    ] = 0.5,
    start_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Begin with these weights, exported by an earlier training.",
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Weights of another encoder: the new one first learns to give its features, and "
            "takes over its decoder.",
        ),
    ] = None,
    teacher_views: Annotated[int, typer.Option(min=1, help="Views to learn these on.")] = 4000,
    backbone: Annotated[
        str, typer.Option(help="lite0, lite1 or lite2: the EfficientNet-Lite to begin with.")
    ] = "lite2",
    side: Annotated[
        int, typer.Option(min=64, help="Side of the training views in pixels; multiples of 32.")
    ] = 256,
    last_side: Annotated[
        int,
        typer.Option(
            min=64,
            help="Side of the views towards the end of a run with --finish, where the model is "
            "used at 512; multiples of 32. No more than --side leaves the views as they are.",
        ),
    ] = 512,
    last_share: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="The share of the time for those last views.")
    ] = 0.15,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in one pass.")] = 16,
    accumulate: Annotated[int, typer.Option(min=1, help="Passes to one update.")] = 1,
    drawn: Annotated[int, typer.Option(min=0, help="Scenes to draw besides the data.")] = 3000,
    drawn_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the views that are of drawn scenes.")
    ] = 0.35,
    learning_rate: Annotated[
        float, typer.Option(min=1e-7, max=1.0, help="Of vectors, by AdamW.")
    ] = 1e-3,
    matrix_rate: Annotated[
        float, typer.Option(min=1e-7, max=1.0, help="Of weight matrices, by Muon.")
    ] = 2e-3,
    backbone_rate: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Of the backbone, by AdamW.")
    ] = 1.5e-4,
    warmup_images: Annotated[
        int,
        typer.Option(min=0, help="Images over which the rates rise; fewer do with --start-from."),
    ] = 6400,
    auxiliary_weight: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=100.0,
            help="Weight of the dense losses beside those of the masks; 0 leaves them out.",
        ),
    ] = 1.0,
    ema: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.99999,
            help="Decay of the moving average, an update; the weights exported are that average.",
        ),
    ] = 0.99,
    seed: Annotated[
        int, typer.Option(min=0, help="Of chance: which views are taken and what is drawn.")
    ] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
    threads: Annotated[
        int,
        typer.Option(min=1, help="CPU threads of the arithmetic in each process."),
    ] = 1,
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes that train together, each on its share of the passes of an update "
            "(--accumulate). On a CPU one of one thread for each core is the fastest.",
        ),
    ] = 1,
    evaluate_minutes: Annotated[
        float, typer.Option(min=0.1, help="Minutes between evaluations on validation images.")
    ] = 15.0,
) -> None:
    """Train a model of the shipped geometry from a backbone that knows ImageNet.

    An eighth of the images of a set of yours, 60 at most, is held out to evaluate on.

    Stop it when you like, with Ctrl-C too, and go on with --resume. What is written every few
    minutes: log.jsonl, curves.png, and weights.safetensors, which --model of the other commands
    takes.

    ```
    python -m recipes.small --data sets/ --out run/ --minutes 120 --processes 2 --accumulate 2
    python -m recipes.small --data sets/ --out run/ --minutes 60 --resume --finish
    ```
    """
    for option, value in (("--side", side), ("--last-side", last_side)):
        if value % 32:
            raise AnymaskError(f"{option} is {value}; it must be a multiple of 32.")
    try:
        import cv2
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise AnymaskError(
            f"Training needs {error.name}: install it with pip install 'anymask[train]'."
        ) from error
    from recipes.small.recipe import Recipe
    from recipes.small.run import pretrain as run

    # Drawing goes on in processes of its own; threads in each would only be in each other's way.
    cv2.setNumThreads(1)
    weights = run(
        data,
        out,
        recipe=Recipe(
            side=side,
            batch_size=batch_size,
            accumulate=accumulate,
            learning_rate=learning_rate,
            matrix_rate=matrix_rate,
            backbone_rate=backbone_rate,
            warmup_images=warmup_images,
            auxiliary_weight=auxiliary_weight,
            ema=ema,
            seed=seed,
            finish_share=finish_share,
            last_side=last_side,
            last_share=last_share,
        ),
        minutes=minutes,
        finish=finish,
        resume=resume,
        start_from=start_from,
        teacher=teacher,
        teacher_views=teacher_views,
        backbone=backbone,
        drawn=drawn,
        drawn_share=drawn_share,
        device=device,
        threads=threads,
        processes=processes,
        evaluate_minutes=evaluate_minutes,
        report=typer.echo,
    )
    typer.echo(f"Weights: {weights}")


if __name__ == "__main__":
    app(prog_name="python -m recipes.small")
