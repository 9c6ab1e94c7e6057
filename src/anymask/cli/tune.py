"""``anymask tune``: thresholds of "everything" that fit a user's annotated images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from rich.progress import track
from rich.text import Text

from anymask.cli.console import ends_in_a_sentence, err, out
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

if TYPE_CHECKING:
    pass

_SUFFIX = ".safetensors"
_CARD = "card.json"  # of a fine-tuning


@ends_in_a_sentence
def tune(
    data: DataOption,
    model: ModelOption = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="complete|sparse",
            help="Whether every object of the images is labelled, or only some are. With sparse "
            "labels, what is found elsewhere does not count as a mistake.",
        ),
    ] = "complete",
    limit: LimitOption = None,
    min_area: MinAreaOption = 0,
    components: ComponentsOption = False,
    images: ImagesOption = None,
    points_per_side: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Ask at this many points along each side, as you will later."
        ),
    ] = 32,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE|DIR",
            help=f"Write the model with the tuned thresholds to FILE{_SUFFIX}, or to "
            f"model{_SUFFIX} in DIR, such as the folder of a fine-tuning; they are used by default "
            "when it is loaded.",
        ),
    ] = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Fit the thresholds of `anymask everything` to your annotated images.

    Every image is segmented once; then some thousand combinations of thresholds are tried on
    what was found. The best is the one whose masks agree best with yours: F1, averaged over the
    overlap (IoU .5 to .9) that makes a match, so that missed objects, wrong masks and coarse ones
    all cost. Three images can be enough; with four or more each is also judged by thresholds
    chosen on the others, and if these are no better than the model's own, the model keeps its own.

    Three images of cells; photographs with some objects labelled, and the model used after:

    ```
    anymask tune --data cells/ --out cells.safetensors
    anymask tune --data photos/ --labels sparse --out photos.safetensors
    anymask everything new_photos/ --model photos.safetensors -o masks/
    ```

    A fine-tuned model, whose folder it goes back to:

    ```
    anymask tune --data cells/ --model cells_model/ --out cells_model/
    ```
    """
    if labels not in ("complete", "sparse"):
        raise AnymaskError(f"--labels is {labels!r}; it can be complete or sparse.")
    if output is not None:
        output = _file_of(output.expanduser())

    # Only now, so that help and mistakes in the command are answered at once.
    from anymask.checkpoints.thresholds import save_thresholds
    from anymask.evaluation.tuning import tune_everything
    from anymask.files import check_writable
    from anymask.reports.tuning_report import tables, to_dict, verdict_sentence
    from anymask.training.judging import note_thresholds

    if output is not None:
        check_writable(output.parent)
    # Images without objects stay: what is found in them is a mistake.
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
    """The file to write, for which a folder may stand."""
    if output.is_dir() or not output.suffix:
        return output / f"model{_SUFFIX}"
    if output.suffix.lower() != _SUFFIX:
        raise OutputError(
            f"{output} cannot hold thresholds; let the name end in {_SUFFIX}, the one format that "
            "can, or give a folder."
        )
    return output
