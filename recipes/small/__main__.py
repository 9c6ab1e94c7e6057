"""``python -m recipes.small``: train a model with the architecture of the shipped one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anymask.cli.console import errors_as_sentences
from anymask.errors import AnymaskError

app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False, add_completion=False)


@app.command()
@errors_as_sentences
def pretrain(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="DIR",
            help="Data set with images/, masks/ (label images) and set.json, or a folder of such "
            "sets. Can be repeated.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for caches, log, curves, the state for --resume and the weights.",
        ),
    ],
    minutes: Annotated[float, typer.Option(min=0.001, help="Training time in minutes.")] = 60.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the training in --out.")
    ] = False,
    finish: Annotated[
        bool,
        typer.Option(
            "--finish", help="Reduce the learning rate to zero towards the end of the time."
        ),
    ] = False,
    finish_share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Fraction of the time for this decay.")
    ] = 0.5,
    start_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Start with these weights, exported by an earlier training.",
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Weights of a model with another encoder: the new encoder first learns to imitate "
            "its features, and the decoder is copied.",
        ),
    ] = None,
    teacher_views: Annotated[int, typer.Option(min=1, help="Views for this imitation.")] = 12000,
    backbone: Annotated[
        str, typer.Option(help="EfficientNet-Lite backbone: lite0, lite1 or lite2.")
    ] = "lite2",
    side: Annotated[
        int, typer.Option(min=64, help="Side of the training views in pixels, a multiple of 32.")
    ] = 256,
    last_side: Annotated[
        int,
        typer.Option(
            min=64,
            help="Side of the views towards the end of a run with --finish, a multiple of 32. The "
            "model is used at 512. At most --side: no change.",
        ),
    ] = 512,
    last_share: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Fraction of the time for these last views.")
    ] = 0.15,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per forward pass.")] = 16,
    accumulate: Annotated[int, typer.Option(min=1, help="Forward passes per update.")] = 1,
    drawn: Annotated[int, typer.Option(min=0, help="Number of synthetic scenes to add.")] = 3000,
    drawn_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Fraction of the views from synthetic scenes.")
    ] = 0.35,
    learning_rate: Annotated[
        float, typer.Option(min=1e-7, max=1.0, help="Learning rate of vectors (AdamW).")
    ] = 1e-3,
    matrix_rate: Annotated[
        float, typer.Option(min=1e-7, max=1.0, help="Learning rate of weight matrices (Muon).")
    ] = 2e-3,
    backbone_rate: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Learning rate of the backbone (AdamW).")
    ] = 1.5e-4,
    frozen_stages: Annotated[
        int,
        typer.Option(
            min=0, max=7, help="The first stages of the backbone, of seven, that do not learn."
        ),
    ] = 0,
    warmup_images: Annotated[
        int,
        typer.Option(min=0, help="Images of learning-rate warm-up; --start-from needs fewer."),
    ] = 6400,
    auxiliary_weight: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=100.0,
            help="Weight of the dense losses relative to the mask losses; 0 turns them off.",
        ),
    ] = 1.0,
    ema: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.99999,
            help="Decay per update of the moving average of the weights, which is exported.",
        ),
    ] = 0.99,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed of the views and the synthetic scenes.")
    ] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
    threads: Annotated[
        int,
        typer.Option(min=1, help="CPU threads per process."),
    ] = 1,
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes that train together and share the passes of each update "
            "(--accumulate). On a CPU, one single-threaded process per core is fastest.",
        ),
    ] = 1,
    evaluate_minutes: Annotated[
        float, typer.Option(min=0.1, help="Minutes between evaluations on validation images.")
    ] = 15.0,
) -> None:
    """Train a model with the architecture of the shipped one, from an ImageNet backbone.

    If a set is not in the validation list, an eighth of its images, at most 60, is held out for
    evaluation.

    You can stop at any time with Ctrl-C and continue with --resume. Every few minutes these files
    are written: log.jsonl, curves.png and weights.safetensors, which other commands take as
    --model.

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

    # Scenes are drawn in processes of their own, so more threads would only compete with them.
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
            frozen_stages=frozen_stages,
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
