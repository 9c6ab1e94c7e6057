"""``anymask everything``: segment every object in every image, and write results to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anymask.cli.console import errors_as_sentences
from anymask.cli.folder_command import Leaving, leave_out, segment
from anymask.cli.option_parameters import with_options
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
from anymask.predict.everything.options import GROUPS, EverythingOptions

_OF_NO_MASKS = "; lower --pred-iou-thresh and --stability-score-thresh to keep more"


@errors_as_sentences
@with_options(EverythingOptions, GROUPS)
@with_view
def everything(
    images: ImagesArgument,
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
    blocks: Annotated[
        bool,
        typer.Option(
            "--blocks",
            help="Share out single images too: each of their tiles (--tile-size, 1024 if not "
            "given) is a task for --jobs and --dask, and labels are written as OME-Zarr. Images of "
            "more than 178,956,970 pixels are always done so.",
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

    An image of more than 178,956,970 pixels is read and segmented tile by tile, whatever memory
    there is; its labels are NAME.labels.zarr (OME-Zarr), and its overlay is a smaller one.

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
    anymask everything slide.tif -o masks/ --blocks --jobs 4
    anymask everything cube.hdr -o masks/ --rgb "nm(860)" "nm(680)" "nm(550)" --rgb ndvi
    anymask everything cells.ome.tif -o masks/ --channels 0=blue,1=green --z max
    ```
    """
    inputs = gather(images, view)

    # Imported late, so that help and mistakes in the command are answered at once.
    from anymask.jobs.executors import executor_for
    from anymask.jobs.folder_job import FolderJob
    from anymask.jobs.folder_run import FolderRun
    from anymask.jobs.in_blocks.plan import TILE_SIZE
    from anymask.jobs.matching import masks_by_image

    executor = executor_for(jobs, dask)
    kept = {} if add_to is None else masks_by_image(inputs, add_to)
    if blocks:
        options.setdefault("tile_size", TILE_SIZE)
    job = FolderJob(output, model or "small", options, view, device, dtype, compiled, kept, blocks)
    run = FolderRun(job, inputs)
    leave_out(run, Leaving(skip_existing, skip_failed, overwrite))
    segment(
        run,
        lambda: load_model(model, device, dtype, compiled),
        executor,
        as_json=as_json,
        of_no_masks=_OF_NO_MASKS,
    )
