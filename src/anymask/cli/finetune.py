"""``anymask finetune``: fine-tune a model on the user's own images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from anymask.cli.after_training import NONE, after_training
from anymask.cli.console import err, errors_as_sentences, out, was_interrupted
from anymask.cli.data_options import ComponentsOption, DataOption, ImagesOption, open_data
from anymask.cli.options import DeviceOption, DtypeOption, ModelOption
from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.training.finetune.finetune_results import FineTuned
    from anymask.training.finetune.progress import Progress as FineTuneProgress

_SHOWN = {
    "val_box_iou": "IoU from boxes",
    "val_box_dice": "Dice from boxes",
    "val_click_iou": "IoU from clicks",
    "val_click_dice": "Dice from clicks",
    "val_iou": "IoU of classes",
    "val_dice": "Dice of classes",
}


@errors_as_sentences
def finetune(
    data: DataOption,
    output: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Output folder for the model, its card, figures and curves; created if missing.",
            show_default=False,
        ),
    ],
    model: ModelOption = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            "--validation",
            metavar="DIR",
            help="Validation images, given like --data. [default: hold out a fifth of the images]",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="folder|REGEX",
            help="Hold out whole groups, such as patients: the images of one folder, or those "
            "whose names agree in the part in parentheses, such as '(patient\\d+)'.",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 20,
    freeze: Annotated[
        str,
        typer.Option(
            metavar="PARTS",
            help="Comma-separated parts to freeze: image_encoder, prompt_encoder, mask_decoder; "
            "'none' trains everything.",
        ),
    ] = "image_encoder,prompt_encoder",
    lora: Annotated[
        int | None,
        typer.Option(
            metavar="RANK",
            min=1,
            help="Also train low-rank updates (LoRA) of this rank in the frozen image encoder.",
        ),
    ] = None,
    loss: Annotated[str, typer.Option(help="Loss: dice, dice+bce or dice+focal.")] = "dice+focal",
    lr: Annotated[
        float | None,
        typer.Option(help="Peak learning rate. [default: chosen by the parts that train]"),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="Optimizer: adamw or adam.")] = "adamw",
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 4,
    accumulate: Annotated[
        int, typer.Option(min=1, help="Batches per update (gradient accumulation).")
    ] = 1,
    blend: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How far the saved weights move from the original ones (0) to the trained ones "
            "(1). [default: 0.6, with --semantic 1]",
        ),
    ] = None,
    augment: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=7,
            help="Number of rotated and mirrored copies of each image. [default: 3, with "
            "--semantic 1, if only the decoder of a ViT model trains 0]",
        ),
    ] = None,
    prompts: Annotated[
        str, typer.Option(help="Comma-separated prompts to train with: box, point or both.")
    ] = "box,point",
    box_jitter: Annotated[
        float,
        typer.Option(
            metavar="FRACTION",
            min=0,
            help="Jitter of each box side: standard deviation, as a fraction of the box size.",
        ),
    ] = 0.05,
    box_jitter_pixels: Annotated[
        float,
        typer.Option(
            metavar="PIXELS",
            min=0,
            help="Extra uniform jitter of each box side, in image pixels.",
        ),
    ] = 0.0,
    components: ComponentsOption = False,
    images: ImagesOption = None,
    semantic: Annotated[
        bool,
        typer.Option(
            "--semantic",
            help="Learn whole classes instead of single objects, from label values or COCO "
            "categories.",
        ),
    ] = False,
    patience: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after this many epochs without improvement."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the fine-tuning in --out.")
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder that keeps encoded images for later runs. [default: anymask's cache]",
        ),
    ] = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            metavar="full|prompts|none",
            help="Compare the new model with the original on held-out images and write "
            "report.html: with boxes, clicks and everything in some images (full), only boxes and "
            "clicks (prompts), or skip it (none). [default: full]",
        ),
    ] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(
            "--test",
            metavar="DIR",
            help="Images only for the verdict, given like --data. [default: the validation images, "
            "which also chose the best epoch]",
        ),
    ] = None,
    tune: Annotated[
        bool | None,
        typer.Option(
            "--tune/--no-tune",
            help="Fit the thresholds of `anymask everything` to ten training images, as `anymask "
            "tune` does, and save them with the model. [default: with --verdict full and at least "
            "four images]",
            show_default=False,
        ),
    ] = None,
    curve: Annotated[
        str | None,
        typer.Option(
            "--learning-curve",
            metavar="N,N,…",
            help="Also train on subsets of the images, such as 5,10,20,all, to see whether more "
            "images would help.",
        ),
    ] = None,
    also: Annotated[
        str | None,
        typer.Option(metavar="hugging-face", help="Also save the model in Hugging Face layout."),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Fine-tune a model on your own images with masks.

    By default only the mask decoder trains: each image is encoded once, and then an epoch takes
    seconds. Every epoch is validated on held-out images, and the best one is kept. You can stop at
    any time and continue with --resume. At the end, one sentence and report.html say whether the
    model is better than before.

    ```
    anymask finetune --data busi/ --out busi_model/
    anymask finetune --data cells.zip --model vit_b --lora 4 --out cells/ --epochs 30
    anymask segment new.png --box 80,40,210,160 --model busi_model/ -o masks/
    ```
    """
    if also not in (None, "hugging-face"):
        raise AnymaskError(f"--also is {also!r}; it can only be hugging-face.")
    # Imported late, so that help and mistakes in the command are answered at once.
    from anymask.training.finetune.loop import finetune as run
    from anymask.training.finetune.training_processes import TrainingProcesses

    after = after_training(verdict, tune, curve, test=bool(test), semantic=semantic)
    is_main = TrainingProcesses(device).is_main
    if curve is not None and TrainingProcesses(device).count > 1:
        raise AnymaskError("--learning-curve runs in one process; start without accelerate.")
    settings: dict[str, Any] = {
        "epochs": epochs,
        "freeze": _parts(freeze) if freeze != "none" else (),
        "lora_rank": lora,
        "loss": loss,
        "lr": lr,
        "optimizer": optimizer,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "augment": augment,
        "blend": blend,
        "prompts": _parts(prompts),
        "box_jitter": box_jitter,
        "box_jitter_pixels": box_jitter_pixels,
        "semantic": semantic,
        "patience": patience,
        "seed": seed,
    }

    same: dict[str, Any] = {"images": images, "components": components, "semantic": semantic}
    opened = open_data(data, **same)
    same["classes"] = (opened.classes or None) if semantic else None
    held_out, judged = (
        open_data(places, **same) if places else None for places in (validation, test)
    )
    with warnings.catch_warnings(), _resume_hint(output), _bar() as progress:
        warnings.showwarning = _print_warning
        tuned = run(
            model,
            opened,
            output,
            validation=held_out,
            group=group,
            resume=resume,
            device=device,
            dtype=dtype,
            cache_dir=cache,
            hugging_face=also is not None,
            progress=progress,
            **settings,
        )
        said: list[RenderableType] = []
        if is_main:
            said = after.run(
                tuned,
                model,
                judged,
                group=group,
                resume=resume,
                device=device,
                dtype=dtype,
                cache_dir=cache,
                progress=progress,
                options=settings,
            )
    if after.verdict == NONE:
        out.print(_table(tuned))
    for shown in said:
        out.print(shown, soft_wrap=isinstance(shown, Text))
    out.print(Text(_sentence(tuned)), soft_wrap=True)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _print_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    err.print(Text(str(message), style="yellow"), soft_wrap=True)


@contextmanager
def _resume_hint(output: Path) -> Iterator[None]:
    """If the user stops a fine-tuning, say how to resume it."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if was_interrupted(error) and (output / "last.safetensors").exists():
            hint = f"Progress is saved in {output}; run the same command with --resume to continue."
            err.print(Text(hint), soft_wrap=True)
        raise


@contextmanager
def _bar() -> Iterator[FineTuneProgress]:
    """Show a progress bar on stderr for the current stage, and print messages above it."""
    from anymask.training.finetune.progress import Progress as FineTuneProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=err, transient=True) as bar:

        class Bar(FineTuneProgress):
            def say(self, sentence: str) -> None:
                bar.print(Text(sentence), soft_wrap=True)

            def begin(self, what: str, total: int) -> None:
                self.task = bar.add_task(what, total=total, note="")

            def advance(self, note: str = "") -> None:
                bar.update(self.task, advance=1, note=note)

            def end(self) -> None:
                bar.remove_task(self.task)

        yield Bar()


def _table(tuned: FineTuned) -> Table:
    """Make the table of figures on held-out images, before and after training."""
    table = Table(title="Held-out images")
    for heading in ("", "before", "after"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, label in _SHOWN.items():
        if name in tuned.after:
            table.add_row(label, f"{tuned.before[name]:.3f}", f"{tuned.after[name]:.3f}")
    return table


def _sentence(tuned: FineTuned) -> str:
    if tuned.best == 0:
        return (
            f"No epoch was better than the model before training, so {tuned.folder} holds the "
            "original weights."
        )
    return f"The best epoch was {tuned.best}; its weights are in {tuned.folder}."
