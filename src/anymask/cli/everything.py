"""``anymask everything``: segment every object in every image, and write results to a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from anymask.cli.console import EXIT_SOME_FAILED, complain, err, errors_as_sentences, typed
from anymask.cli.option_parameters import with_options
from anymask.cli.options import (
    DaskOption,
    DeviceOption,
    DtypeOption,
    JobsOption,
    JsonOption,
    ModelOption,
    OutputOption,
    OverwriteOption,
    SkipFailedOption,
    load_model,
)
from anymask.cli.replacing import check_replacing
from anymask.cli.view import with_view
from anymask.io.view import View
from anymask.jobs.inputs import gather
from anymask.predict.everything.options import GROUPS, EverythingOptions
from anymask.wording import counted

_OF_NO_MASKS = "; lower --pred-iou-thresh and --stability-score-thresh to keep more"


@errors_as_sentences
@with_options(EverythingOptions, GROUPS)
@with_view
def everything(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES",
            help="Image files, folders, or patterns in quotes such as 'scans/**/*.tif'.",
            show_default=False,
        ),
    ],
    output: OutputOption,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    add_to: Annotated[
        Path | None,
        typer.Option(
            metavar="MASKS",
            help="Keep these masks, such as corrected ones, and add what they do not cover: a "
            "folder, pattern or file, matched by name.",
        ),
    ] = None,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Skip images that already have complete results from the same file, model and "
            "options. Use it to resume a stopped run.",
        ),
    ] = False,
    skip_failed: SkipFailedOption = False,
    overwrite: OverwriteOption = False,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the network first. Takes about a minute and pays off in long runs; needs "
            "a C++ compiler.",
        ),
    ] = False,
    jobs: JobsOption = None,
    dask: DaskOption = None,
    as_json: JsonOption = False,
    *,
    view: View,
    options: dict[str, Any],
) -> None:
    """Segment every object in one or many images.

    For each image NAME.png, four files are written to OUT:

    - NAME.overlay.png: the masks drawn over the image
    - NAME.labels.tif: a label image, one id per pixel
    - NAME.masks.csv: a table, one row per mask
    - NAME.masks.json: COCO format

    Existing results of the same NAME are replaced only if you agree, or with --overwrite.

    Images that a pattern finds in subfolders keep their subfolder. Images that would share a NAME
    keep their suffix (a.png.labels.tif, a.jpg.labels.tif) or get their folder as a prefix.

    With --rgb, each pseudo-RGB of each image is segmented on its own; its results are named
    NAME.RGB after both.

    If an image cannot be read, it is reported and the others continue; the exit code is then 1.
    Ctrl-C stops with exit code 130 and keeps finished results. A run over several images keeps a
    journal, OUT/job.jsonl; 'anymask job status OUT' reads it, and 'anymask job resume OUT' goes on
    after any end of a run, as --skip-existing does.

    Options you do not give take the model's own values; for Meta's models these are
    --points-per-side 32, --pred-iou-thresh 0.88, --stability-score-thresh 0.95 and
    --box-nms-thresh 0.7.

    One image; a folder, resumed where it stopped; more objects beside corrected ones; small
    objects; a scan many thousand pixels wide; a spectral cube in two views; two fluorescence
    channels:

    ```
    anymask everything coffee.png -o masks/
    anymask everything photos/ -o masks/ --skip-existing
    anymask everything photos/ -o masks/ --jobs 4
    anymask everything photos/ -o more/ --add-to corrected/
    anymask everything 'scans/**/*.tif' -o masks/ --points-per-side 64
    anymask everything slide.tif -o masks/ --tile-size 2048
    anymask everything cube.hdr -o masks/ --rgb "nm(860)" "nm(680)" "nm(550)" --rgb ndvi
    anymask everything cells.ome.tif -o masks/ --channels 0=blue,1=green --z max
    ```
    """
    inputs = gather(images, view)

    # Imported late, so that help and mistakes in the command are answered at once.
    from anymask.cli.folder_report import print_summary, shown
    from anymask.jobs.executors import executor_for
    from anymask.jobs.folder_job import FolderJob
    from anymask.jobs.folder_run import FolderRun
    from anymask.jobs.matching import masks_by_image

    executor = executor_for(jobs, dask)
    kept = {} if add_to is None else masks_by_image(inputs, add_to)
    job = FolderJob(output, model or "small", options, view, device, dtype, compiled, kept)
    run = FolderRun(job, inputs)
    if inputs.own_results:
        err.print(
            f"Skipped {counted(inputs.own_results, 'file')} that anymask wrote (overlays, labels)."
        )
    for outcome in run.report.failed:
        complain(outcome.reason)
    if skip_existing:
        run.skip_finished()
    if skip_failed:
        run.skip_failed()
    keep = "" if skip_existing else "keep those with the same settings with --skip-existing, "
    check_replacing([job.stem(item) for item in run.todo], overwrite, keep)
    try:
        with shown(len(run.todo)) as progress:
            run.segment(
                lambda: load_model(model, device, dtype, compiled),
                progress,
                executor=executor,
                command=typed.get(),
            )
    finally:
        if as_json:
            typer.echo(json.dumps(run.report.to_dict(), indent=1, ensure_ascii=False))
        else:
            print_summary(run.report, _OF_NO_MASKS)
    if run.report.failed:
        raise typer.Exit(EXIT_SOME_FAILED)
