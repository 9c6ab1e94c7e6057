"""``anymask tune``: fit the thresholds of "everything" to annotated images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, cast

import typer
from rich.progress import track
from rich.text import Text

from anymask.cli.console import err, errors_as_sentences, out
from anymask.cli.data_options import (
    ComponentsOption,
    DataOption,
    ImagesOption,
    LimitOption,
    MinAreaOption,
    open_data,
)
from anymask.cli.options import DeviceOption, DtypeOption, JsonOption, ModelOption, load_model
from anymask.errors import AnymaskError, OutputError

_SUFFIX = ".safetensors"
_CARD = "card.json"  # written by a fine-tuning


@errors_as_sentences
def tune(
    data: DataOption,
    model: ModelOption = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="complete|sparse",
            help="Whether all objects in the images are labelled, or only some. With sparse "
            "labels, masks of unlabelled objects do not count as mistakes.",
        ),
    ] = "complete",
    limit: LimitOption = None,
    min_area: MinAreaOption = 0,
    components: ComponentsOption = False,
    images: ImagesOption = None,
    points_per_side: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Points along each side of the grid; use the same number as for 'everything'.",
        ),
    ] = 32,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE|DIR",
            help=f"Save the model with the tuned thresholds as FILE{_SUFFIX}, or as "
            f"model{_SUFFIX} in DIR, for instance a fine-tuned model's folder. They are then the "
            "model's defaults.",
        ),
    ] = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Fit the thresholds of `anymask everything` to your annotated images.

    Each image is segmented once; then some thousand combinations of thresholds are tried on the
    masks that were found. The best combination has the highest F1 score, averaged over matches at
    IoU 0.5 to 0.9, so missed objects, wrong masks and coarse outlines all count. Three images can
    be enough. With four or more, each image is also tested with thresholds chosen on the others;
    if these are no better than the model's own, the model keeps its own.

    Three images of cells; photographs with some objects labelled; then use the model:

    ```
    anymask tune --data cells/ --out cells.safetensors
    anymask tune --data photos/ --labels sparse --out photos.safetensors
    anymask everything new_photos/ --model photos.safetensors -o masks/
    ```

    Tune a fine-tuned model in its own folder:

    ```
    anymask tune --data cells/ --model cells_model/ --out cells_model/
    ```
    """
    if labels not in ("complete", "sparse"):
        raise AnymaskError(f"--labels is {labels!r}; it can be complete or sparse.")
    if output is not None:
        output = _file_of(output.expanduser())

    # Imported late, so that help and mistakes in the command are answered at once.
    from anymask.checkpoints.thresholds import save_thresholds
    from anymask.evaluation.tuning import tune_everything
    from anymask.files import check_writable
    from anymask.reports.tuning_report import tables, to_dict, verdict_sentence
    from anymask.training.judging import note_thresholds

    if output is not None:
        check_writable(output.parent)
    # Images without objects stay: any mask found in them is a mistake.
    dataset = open_data(
        data,
        images=images,
        components=components,
        limit=limit,
        min_area=min_area,
        keep_empty=True,
    )
    sam = load_model(model, device, dtype)
    tuning = tune_everything(
        sam,
        track(dataset, "Everything", console=err, transient=True),
        labels=cast(Literal["complete", "sparse"], labels),
        points_per_side=points_per_side,
    )
    if output is not None:
        save_thresholds(model, tuning.chosen, output)
        if output.name == f"model{_SUFFIX}" and (output.parent / _CARD).is_file():
            note_thresholds(output.parent, tuning)
    if as_json:
        written = {"written": None if output is None else str(output)}
        typer.echo(json.dumps({**to_dict(tuning), **written}, indent=1, ensure_ascii=False))
        return
    for table in tables(tuning):
        out.print(table)
    out.print(Text(verdict_sentence(tuning)), soft_wrap=True)
    if output is not None:
        out.print(Text(f"Written: {output}"), soft_wrap=True)


def _file_of(output: Path) -> Path:
    """Return the file to write; a folder stands for its model file."""
    if output.is_dir() or not output.suffix:
        return output / f"model{_SUFFIX}"
    if output.suffix.lower() != _SUFFIX:
        raise OutputError(
            f"{output} cannot store thresholds; give a name that ends in {_SUFFIX}, the only "
            "format that can, or a folder."
        )
    return output
