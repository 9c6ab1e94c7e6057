"""``anymask tune``: thresholds of "everything" that fit a user's annotated images."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from rich.progress import track
from rich.text import Text

from anymask.cli.console import ends_in_a_sentence, err, out
from anymask.cli.options import DeviceOption, DtypeOption, JsonOption, ModelOption, load_model
from anymask.errors import AnymaskError, OutputError

if TYPE_CHECKING:
    from anymask.evaluation.data import Example, Examples

_SUFFIX = ".safetensors"
_CARD = "card.json"  # of a fine-tuning


@ends_in_a_sentence
def tune(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="DIR",
            help="A folder with images/ and masks/ (label images, binary masks, or a folder of "
            "binary masks an image), a COCO JSON file, or a folder of such sets. Several may be "
            "given. Three images can be enough; four or more also give a verdict.",
            show_default=False,
        ),
    ],
    model: ModelOption = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="complete|sparse",
            help="Whether every object of the images is labelled, or only some are. With sparse "
            "labels, what is found elsewhere does not count as a mistake.",
        ),
    ] = "complete",
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="At most N images of each set, evenly spread by name."
        ),
    ] = None,
    min_area: Annotated[
        int, typer.Option(metavar="PIXELS", min=0, help="Leave out objects of fewer pixels.")
    ] = 0,
    components: Annotated[
        bool,
        typer.Option(
            "--components",
            help="Each connected part of a label image is an object, whatever its ids. Always so "
            "where 255 is the only id.",
        ),
    ] = False,
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
            "--output",
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
    all cost. With four images or more each is also judged by thresholds chosen on the others, and
    if these are no better than the model's own, the model keeps its own.

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
    from anymask.evaluation.data import open_examples
    from anymask.evaluation.tuning import tune_everything
    from anymask.evaluation.tuning_report import tables, to_dict, verdict_sentence
    from anymask.files import check_writable
    from anymask.training.judging import note_thresholds

    if output is not None:
        check_writable(output.parent)
    examples = open_examples(
        *data,
        limit=limit,
        min_area=min_area,
        objects="components" if components else "auto",
    )
    sam = load_model(model, device, dtype)
    tuning = tune_everything(
        sam,
        _progress(examples),
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


def _progress(examples: Examples) -> Iterable[Example]:
    return track(examples, "Everything", console=err, transient=True)


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
