"""``anymask alike``: find all objects like some that are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from anymask.cli.console import errors_as_sentences, note, out
from anymask.cli.folder_command import Leaving, leave_out, segment
from anymask.cli.options import (
    DaskOption,
    DeviceOption,
    DtypeOption,
    ImagesArgument,
    JobsOption,
    JsonOption,
    ModelOption,
    OutputOption,
    OverwriteOption,
    SkipFailedOption,
    load_model,
)
from anymask.cli.view import with_view
from anymask.io.view import View
from anymask.jobs.inputs import gather

# Rows of the least certain that are printed; the file has all.
_MOST_ROWS = 10


@errors_as_sentences
@with_view
def alike(
    images: ImagesArgument,
    output: OutputOption,
    example: Annotated[
        list[str] | None,
        typer.Option(
            "--example",
            "-e",
            metavar="IMAGE:box=X0,Y0,X1,Y1|point=X,Y|mask=FILE",
            help="An object of the wanted kind, in any image: a box around it, a point on it, or a "
            "file with masks, such as a label image, of which all objects count. May be repeated.",
        ),
    ] = None,
    negative: Annotated[
        list[str] | None,
        typer.Option(
            "--not",
            metavar="IMAGE:box=…|point=…|mask=…",
            help="An object that is not wanted, written in the same way. May be repeated.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="LIKENESS",
            min=0,
            max=1,
            help="Keep objects that are at least this likely of the kind, from 0 to 1. [default: "
            "the threshold with the best expected F1 in each image]",
            show_default=False,
        ),
    ] = None,
    active: Annotated[
        bool,
        typer.Option(
            "--active",
            help="Show the candidates that are least certain, and write all of them to "
            "OUT/least_certain.csv: answers to the first ones help most, as --example or --not.",
        ),
    ] = False,
    points_per_side: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Ask at this many points along each side. More points find smaller objects.",
        ),
    ] = 32,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Skip images that already have complete results from the same file, model and "
            "examples. Use it to resume a stopped run.",
        ),
    ] = False,
    skip_failed: SkipFailedOption = False,
    overwrite: OverwriteOption = False,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    jobs: JobsOption = None,
    dask: DaskOption = None,
    as_json: JsonOption = False,
    *,
    view: View,
) -> None:
    """Find all objects like some that are shown, in one or many images.

    Objects are shown by a box, a point or masks, in one of the images or in another. Everything in
    each image is compared with them: features of the model, colour, size and shape, and the bands
    of spectral images.

    The results are those of 'anymask everything', of the found objects only; the table and the COCO
    file also have their likeness, from 0 to 1. What was found in an image before the comparison is
    kept in OUT/.alike, so that the next call with other examples is fast.

    All leaves like two; not the pots; what should be looked at first:

    ```
    anymask alike photos/ --example photos/a.png:box=10,20,80,90 -o leaves/
    anymask alike photos/ -e a.png:point=40,60 -e b.png:point=90,20 --not a.png:point=200,30 -o out/
    anymask alike photos/ -e a.png:mask=a.labels.tif -o leaves/ --overwrite --active
    ```
    """
    from anymask.jobs.alike_job import LEAST_CERTAIN, AlikeJob, parse_shown

    shown = [parse_shown(text, wanted=True) for text in example or ()]
    shown += [parse_shown(text, wanted=False) for text in negative or ()]
    inputs = gather(images, view)

    # Imported late, so that help and mistakes in the command are answered at once.
    from anymask.jobs.executors import executor_for
    from anymask.jobs.folder_run import FolderRun

    options: dict[str, Any] = {"points_per_side": points_per_side}
    job = AlikeJob(
        output,
        model or "small",
        options,
        view,
        device,
        dtype,
        shown=tuple(shown),
        threshold=threshold,
    )
    executor = executor_for(jobs, dask)
    run = FolderRun(job, inputs)
    items = list(run.todo)
    leave_out(run, Leaving(skip_existing, skip_failed, overwrite))

    def tell_least_certain() -> None:
        if active:
            _tell_least_certain(job, items, output / LEAST_CERTAIN, printed=not as_json)

    segment(
        run,
        lambda: load_model(model, device, dtype),
        executor,
        as_json=as_json,
        of_no_masks="; show more examples, or lower --threshold",
        afterwards=tell_least_certain,
    )


def _tell_least_certain(job: Any, items: Any, path: Path, *, printed: bool) -> None:
    from anymask.jobs.alike_job import least_certain, write_least_certain

    rows = least_certain(job, items)
    write_least_certain(path, rows)
    if not printed:
        return
    table = Table(title="Least certain first")
    for heading in ("Object", "Likeness", "Taken"):
        table.add_column(heading, overflow="fold")
    for row in rows[:_MOST_ROWS]:
        shown = f"{row['image']}:box={row['box']}"
        table.add_row(shown, f"{row['likeness']:.2f}", "yes" if row["taken"] else "no")
    out.print(table)
    note(f"Answer with --example or --not, and the object as it is written. All are in {path}.")
