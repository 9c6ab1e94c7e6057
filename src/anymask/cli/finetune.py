"""``anymask finetune``: a model that knows a user's own images."""

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
from anymask.cli.console import ends_in_a_sentence, err, out, was_interrupted
from anymask.cli.data_options import ComponentsOption, DataOption, ImagesOption, open_data
from anymask.cli.options import DeviceOption, DtypeOption, ModelOption
from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.training.finetune.progress import Progress as FineTuneProgress
    from anymask.training.finetune.results import FineTuned

_SHOWN = {
    "val_box_iou": "IoU by box",
    "val_box_dice": "Dice by box",
    "val_click_iou": "IoU by click",
    "val_click_dice": "Dice by click",
    "val_iou": "IoU of classes",
    "val_dice": "Dice of classes",
}


@ends_in_a_sentence
def finetune(
    data: DataOption,
    output: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for the model, its card, figures and curves; made if missing.",
            show_default=False,
        ),
    ],
    model: ModelOption = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            "--validation",
            metavar="DIR",
            help="Images to judge by, read as --data. Without it a fifth of the images is held "
            "out.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="folder|REGEX",
            help="Hold out whole groups, such as patients: the images of a folder, or those whose "
            "names agree in the part that the expression has in parentheses.",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 20,
    freeze: Annotated[
        str,
        typer.Option(
            metavar="PARTS",
            help="What stays as it is, separated by commas: image_encoder, prompt_encoder, "
            "mask_decoder; 'none' trains everything.",
        ),
    ] = "image_encoder,prompt_encoder",
    lora: Annotated[
        int | None,
        typer.Option(
            metavar="RANK", min=1, help="Also train updates of this rank of the frozen encoder."
        ),
    ] = None,
    loss: Annotated[str, typer.Option(help="dice, dice+bce or dice+focal.")] = "dice+focal",
    lr: Annotated[
        float | None,
        typer.Option(help="Highest learning rate; by default what fits what trains."),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="adamw or adam.")] = "adamw",
    batch_size: Annotated[int, typer.Option(min=1, help="Images in one pass.")] = 4,
    accumulate: Annotated[int, typer.Option(min=1, help="Passes to one update.")] = 1,
    blend: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How much of what the weights learnt is kept; by default 0.6, and 1 of classes.",
        ),
    ] = None,
    augment: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=7,
            help="Turned and mirrored views of each image besides itself; by default 3, 1 of "
            "classes, and none where a ViT is to encode them.",
        ),
    ] = None,
    prompts: Annotated[
        str, typer.Option(help="How objects are asked for: box, point or both with a comma.")
    ] = "box,point",
    box_jitter: Annotated[
        float,
        typer.Option(
            metavar="FRACTION", min=0, help="How far a box's sides move, of its width or height."
        ),
    ] = 0.05,
    box_jitter_pixels: Annotated[
        float,
        typer.Option(metavar="PIXELS", min=0, help="And up to so many pixels of the image."),
    ] = 0.0,
    components: ComponentsOption = False,
    images: ImagesOption = None,
    semantic: Annotated[
        bool,
        typer.Option(
            "--semantic",
            help="Learn to mark all of each class, by the label values or COCO categories, "
            "instead of single objects.",
        ),
    ] = False,
    patience: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many epochs without a better figure."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the order, prompts and updates.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the fine-tuning in --out.")
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where encoded images are kept for later runs; by default in anymask's cache.",
        ),
    ] = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            metavar="full|prompts|none",
            help="At the end, compare the model with the one it started from on images held out, "
            "and write report.html: by box and clicks and by all masks of some images (full, the "
            "default), by box and clicks alone (prompts), or not at all.",
        ),
    ] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(
            "--test",
            metavar="DIR",
            help="Images for the verdict alone, read as --data. Without them it is about the "
            "images by which the best epoch was chosen.",
        ),
    ] = None,
    tune: Annotated[
        bool | None,
        typer.Option(
            "--tune/--no-tune",
            help="Fit the thresholds of `anymask everything` to ten of the training images, as "
            "`anymask tune` does, and save them with the model. Done unless --verdict leaves "
            "everything out, if there are four images or more.",
            show_default=False,
        ),
    ] = None,
    curve: Annotated[
        str | None,
        typer.Option(
            "--learning-curve",
            metavar="N,N,…",
            help="Also train on so many of the images, such as 5,10,20,all, to see whether more "
            "would help.",
        ),
    ] = None,
    also: Annotated[
        str | None,
        typer.Option(metavar="hugging-face", help="Also save in the layout of Hugging Face."),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Fine-tune a model on your own images with masks.

    Unless told otherwise the mask decoder alone trains: every image is encoded once, and then an
    epoch takes seconds. Each epoch is judged on images that are held out; the best is kept. Stop
    it when you like, and go on with --resume. At the end a sentence and report.html say whether
    the model is better than before.

    ```
    anymask finetune --data busi/ --out busi_model/
    anymask finetune --data cells.zip --model vit_b --lora 4 --out cells/ --epochs 30
    anymask segment new.png --box 80,40,210,160 --model busi_model/ -o masks/
    ```
    """
    if also not in (None, "hugging-face"):
        raise AnymaskError(f"--also is {also!r}; it can be hugging-face.")
    # Only now, so that help and mistakes in the command are answered at once.
    from anymask.training.finetune.loop import finetune as run
    from anymask.training.finetune.processes import Processes

    after = after_training(verdict, tune, curve, test=bool(test), semantic=semantic)
    is_main = Processes(device).is_main
    if curve is not None and Processes(device).count > 1:
        raise AnymaskError("A learning curve is trained by one process; leave out accelerate.")
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
    with warnings.catch_warnings(), _told_how_to_go_on(output), _bar() as progress:
        warnings.showwarning = _tell_warning
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


def _tell_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    err.print(Text(str(message), style="yellow"), soft_wrap=True)


@contextmanager
def _told_how_to_go_on(output: Path) -> Iterator[None]:
    """When the user stops a fine-tuning, say that it can go on."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if was_interrupted(error) and (output / "last.safetensors").exists():
            said = f"What is done is kept in {output}; the same command with --resume goes on."
            err.print(Text(said), soft_wrap=True)
        raise


@contextmanager
def _bar() -> Iterator[FineTuneProgress]:
    """A bar on stderr for the stretch that is running, and a line for each that is said."""
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
    """Figures of held-out images before and after."""
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
            f"No epoch was better than the model before training, which is what {tuned.folder} "
            "holds."
        )
    return f"The weights of epoch {tuned.best}, the best, are in {tuned.folder}."
