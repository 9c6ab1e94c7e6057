"""``anymask measure``: measure the objects of one image, or of many into one table."""

from __future__ import annotations

import glob
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from anymask.cli.console import (
    EXIT_SOME_FAILED,
    complain,
    err,
    errors_as_sentences,
    note,
    out,
    typed,
)
from anymask.cli.convert import parse_pixel_size, plain_unit
from anymask.cli.options import DaskOption, JobsOption, OverwriteOption
from anymask.cli.reading import with_reading
from anymask.errors import AnymaskError
from anymask.io.view import View
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.jobs.measure_job import MeasureJob
    from anymask.jobs.measure_run import MeasureRun
    from anymask.jobs.work_through import Executor
    from anymask.masks.measure import Measurements


@errors_as_sentences
@with_reading
def measure(
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES",
            help="The image: gives brightness, and the pixel size, unless only the masks have one. "
            "Or a folder, or a pattern in quotes such as 'scans/**/*.tif'.",
            show_default=False,
        ),
    ],
    masks: Annotated[
        str,
        typer.Argument(
            metavar="MASKS",
            help="Its masks: a label image, or any mask file that 'anymask convert' reads. Of many "
            "images: the folder or pattern with their masks, matched by name.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Table to write, .csv or .parquet. Without it, a part is shown of one image.",
        ),
    ] = None,
    properties: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="Properties to measure, such as area,intensity_mean. [default: all]",
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]EXPRESSION",
            help="Value of each pixel, such as ndvi or 'mean(nm(531)-nm(570))', of which mean, "
            "median, standard deviation and number of pixels of each object are measured. May be "
            "repeated.",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help='Keep only objects that match, such as "area > 200 and circularity > .8". Names '
            "are column names without units; values are in the units of the columns, area_px in "
            "pixels.",
        ),
    ] = None,
    pixel_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Side of a pixel, or height,width, in the unit of --unit. [default: from the "
            "image]",
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="Unit of --pixel-size: um, mm, m, …. Without --pixel-size, the unit that sizes "
            "are converted to. [default for many images: that of the first]"
        ),
    ] = None,
    by: Annotated[
        Literal["object", "image"],
        typer.Option(help="One row an object, or one an image: number, sums and means."),
    ] = "object",
    long: Annotated[
        bool,
        typer.Option(
            "--long",
            help="In place of measurements, the spectrum of each object: one row a band.",
        ),
    ] = False,
    ignore_view: Annotated[
        bool,
        typer.Option(
            "--ignore-view",
            help="Measure the image as it is, and not in the plane, page, reflectance and pseudo-"
            "RGB in which its masks were found, as their JSON file records.",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the unfinished table of a run that was stopped, or try images again "
            "that failed.",
        ),
    ] = False,
    overwrite: OverwriteOption = False,
    jobs: JobsOption = None,
    dask: DaskOption = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print JSON instead of a table; of many images, what became of each."
        ),
    ] = False,
    *,
    view: View,
) -> None:
    """Measure objects: size, shape, and brightness in each channel.

    Areas and lengths are in the unit of the pixel size if it is known; column names include the
    unit. Positions are in pixels.

    Of a folder or pattern, all objects go to one table, with the name of the image in each row.
    The masks of a.tif are those called a.masks.json, a.labels.tif, a.ndvi.labels.tif, a_masks.png
    and so on, or those of a.tif in a COCO file. If an image cannot be measured, it is reported and
    the others continue; the exit code is then 1. Ctrl-C stops with exit code 130. Finished images
    are kept in OUT.unfinished, whatever ends the run, and --resume goes on with them; 'anymask job
    status OUT' says how far it is.

    What is recorded of how masks were found, such as --z max or --rgb ndvi, is used again.

    All objects of an image; round ones, in µm; as JSON:

    ```
    anymask measure coffee.png masks/coffee.labels.tif -o coffee.csv
    anymask measure cells.tif cells.json --pixel-size 0.65 --unit um --where "circularity > .8"
    anymask measure cells.tif cells.json --properties area,intensity_mean --json
    ```

    NDVI and area of every leaf of many cubes; one row an image; spectra in reflectance:

    ```
    anymask measure 'field/*.hdr' leaves/ -o all.csv --properties area --value ndvi
    anymask measure photos/ masks/ -o photos.parquet --by image
    anymask measure 'field/*.hdr' leaves/ -o spectra.csv --long --panel 226,12,42,34
    ```
    """
    # Report mistakes in the command before anything slow begins.
    size = parse_pixel_size(pixel_size) if pixel_size is not None else None
    if size is not None and unit is None:
        raise AnymaskError("--pixel-size needs a unit; add for instance --unit um.")

    from anymask.images.named_values import named_values
    from anymask.jobs.measure_job import MeasureJob

    job = MeasureJob(
        None if properties is None else tuple(name.strip() for name in properties.split(",")),
        named_values(value) if value else None,
        where,
        by,
        long,
        size,
        plain_unit(unit),
        view,
        ignore_view,
    )
    if by == "object" and not long and _is_one(images, masks):
        if resume:
            raise AnymaskError("--resume goes on with a table of many images; this is one image.")
        _measure_one(job, Path(images), Path(masks), output, overwrite, as_json)
        return
    if output is None:
        raise AnymaskError(
            "Many images are measured into a file, as are --by image and --long; name it with "
            "--out, such as --out all.csv."
        )
    from anymask.jobs.executors import executor_for
    from anymask.jobs.inputs import gather
    from anymask.jobs.measure_run import MeasureRun

    executor = executor_for(jobs, dask)
    inputs = gather([images])
    run = MeasureRun(job, output, inputs, Path(masks), resume=resume, overwrite=overwrite)
    _measure_many(run, as_json, executor)


def _is_one(images: str, masks: str) -> bool:
    """Whether these are one image and one file with its masks, as far as their names say."""
    from anymask.io.gathering import is_folder_result
    from anymask.io.listing import is_image_folder
    from anymask.io.registry import image_formats

    image, own = Path(images), Path(masks)
    if image.is_dir():
        slices = any(f.reads_folder is not None and f.reads_folder(image) for f in image_formats())
        one_image = is_image_folder(image) or (slices and not own.is_dir())
    else:
        one_image = image.exists() or not glob.has_magic(images)
    one_result = (
        is_folder_result(own) if own.is_dir() else own.exists() or not glob.has_magic(masks)
    )
    return one_image and one_result


def _measure_one(
    job: MeasureJob, image: Path, masks: Path, output: Path | None, overwrite: bool, as_json: bool
) -> None:
    """Measure the objects of one image, and write or show them."""
    from anymask.cli.measured_table import print_table
    from anymask.files import check_free
    from anymask.io.table_formats import table_format
    from anymask.jobs.matching import MaskedItem

    form = None if output is None else table_format(output, in_parts=False)
    if output is not None:
        check_free(output, overwrite)
    with err.status("Measuring"):
        table, found = job.measured(MaskedItem(image, Path(image.stem), masks=masks))
    if output is not None and form is not None and form.write_table is not None:
        form.write_table(output, table)
    if as_json:
        typer.echo(json.dumps(_as_rows(table), indent=2, allow_nan=False))
    elif output is not None:
        out.print(Text(str(output)), soft_wrap=True)
    else:
        print_table(table, job.properties)
    if not as_json:
        chosen = "" if job.where is None else f"{len(table['id'])} of "
        err.print(Text(f"{chosen}{counted(len(found), 'object')}."))
    for said in table.notes:
        note(said)


def _measure_many(run: MeasureRun, as_json: bool, executor: Executor | None) -> None:
    """Measure the objects of many images into one table, and say what became of them."""
    from anymask.cli.folder_report import shown
    from anymask.notices import merged

    report = run.report
    if report.own_results:
        err.print(
            f"Skipped {counted(report.own_results, 'file')} that anymask wrote (overlays, labels)."
        )
    for outcome in report.failed:
        complain(outcome.reason)
    try:
        with shown(len(run.todo), notes=False, what="object") as progress:
            run.measure(progress, executor=executor, command=typed.get())
    finally:
        for said in merged(said for each in report.outcomes for said in each.notes):
            note(said)
        for said in report.notes:
            note(said)
        if as_json:
            typer.echo(json.dumps(report.to_dict(), indent=1, ensure_ascii=False))
        else:
            _print_counts(run)
    if report.failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def _print_counts(run: MeasureRun) -> None:
    report = run.report
    groups = {"done": report.done, "kept": report.kept, "failed": report.failed}
    counts = ", ".join(f"{len(found)} {status}" for status, found in groups.items() if found)
    if report.rows is not None:
        rows = counted(report.rows, "row")
        out.print(Text(f"{counts}; {rows} in {report.output}"), soft_wrap=True)
    elif counts:
        out.print(Text(counts))
    kept = run.unfinished
    if kept.exists() and report.rows is None:
        note(f"Finished images are kept in {kept}; --resume goes on with them.")
    elif kept.exists():
        note(f"{kept} keeps finished images; --resume tries again those that failed.")


def _as_rows(table: Measurements) -> list[dict[str, Any]]:
    table = table.with_units_in_names()
    columns = {name: column.tolist() for name, column in table.items()}
    return [
        {name: _json_ready(column[row]) for name, column in columns.items()}
        for row in range(len(table["id"]))
    ]


def _json_ready(value: Any) -> Any:
    """Replace NaN and infinity, which JSON lacks, with None."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
