"""``anymask overlay``: draw masks over their images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anymask.cli.console import EXIT_SOME_FAILED, complain, errors_as_sentences, note
from anymask.cli.options import DaskOption, JobsOption, OutputOption, OverwriteOption
from anymask.cli.view import with_view
from anymask.errors import ImageError
from anymask.io.view import View


@errors_as_sentences
@with_view
def overlay(
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES",
            help="An image, a folder, or a pattern in quotes such as 'scans/**/*.tif'.",
            show_default=False,
        ),
    ],
    masks: Annotated[
        Path,
        typer.Argument(
            metavar="MASKS",
            help="The file with its masks, in any format that 'anymask convert' reads; or the "
            "folder or pattern with those of many images, matched by name.",
            show_default=False,
        ),
    ],
    output: OutputOption,
    outline: Annotated[
        bool, typer.Option("--outline", help="Draw outlines only, without filling the masks.")
    ] = False,
    width: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", min=0, help="Width of outlines. [default: by the size of the image]"
        ),
    ] = None,
    opacity: Annotated[
        float, typer.Option(min=0, max=1, help="Opacity of the filling, 0 to 1.")
    ] = 0.45,
    ids: Annotated[bool, typer.Option("--ids", help="Write the id of each mask on it.")] = False,
    scale: Annotated[
        int | None,
        typer.Option(
            metavar="FACTOR",
            min=1,
            max=64,
            help="Enlarge the image by a whole factor. [default: only images below 128 pixels]",
        ),
    ] = None,
    scale_bar: Annotated[
        bool, typer.Option("--scale-bar", help="Draw a scale bar, if the pixel size is known.")
    ] = False,
    overwrite: OverwriteOption = False,
    jobs: JobsOption = None,
    dask: DaskOption = None,
    *,
    view: View,
) -> None:
    """Draw masks over their images, to look at them and to show them.

    Writes NAME.overlay.png for each image NAME. Colours depend on ids only, so an object has the
    same colour before and after it is corrected. An image is shown as the model saw it, if the
    masks' JSON file records that, and as the options say.

    Corrected masks of a folder; outlines with ids; for a figure:

    ```
    anymask overlay photos/ masks/ -o overlays/
    anymask overlay coffee.png masks/coffee.masks.json -o overlays/ --outline --ids
    anymask overlay cells.tif cells.labels.tif -o figure/ --scale 2 --scale-bar
    ```
    """
    from anymask.cli.folder_report import print_summary, shown
    from anymask.files import check_free
    from anymask.jobs.executors import executor_for
    from anymask.jobs.inputs import gather
    from anymask.jobs.matching import match
    from anymask.jobs.overlay_job import OverlayJob
    from anymask.jobs.report import FolderReport, Outcome
    from anymask.jobs.work_through import work_through

    executor = executor_for(jobs, dask)
    inputs = gather([images], view)
    if not inputs.items:
        raise ImageError(
            " ".join(reason for _, reason in inputs.unusable)
            or "All of these are results of anymask; name the images themselves."
        )
    matched = match(inputs, masks)
    style = {"alpha": 0.0 if outline else opacity, "outline_width": width, "ids": ids}
    job = OverlayJob(output, view, style, scale, scale_bar)
    for item in matched.items:
        check_free(job.target(item), overwrite)
    unusable = [Outcome(name, "failed", reason=reason) for name, reason in inputs.unusable]
    report = FolderReport(output, [*unusable, *matched.failed], inputs.own_results)
    for outcome in report.failed:
        complain(outcome.reason)
    for said in matched.notes:
        note(said)
    try:
        with shown(len(matched.items)) as progress:
            work_through(job, matched.items, report, executor=executor, progress=progress)
    finally:
        print_summary(report, of_no_masks=", whose masks are empty")
    if report.failed:
        raise typer.Exit(EXIT_SOME_FAILED)
