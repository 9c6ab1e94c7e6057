"""``anymask measure``: measure the objects of an image."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from anymask.cli.console import err, errors_as_sentences, note, out
from anymask.cli.convert import parse_pixel_size, plain_unit
from anymask.cli.options import (
    JsonOption,
    OverwriteOption,
)
from anymask.errors import AnymaskError, OutputError
from anymask.wording import counted

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from anymask.masks.measure import Measurements

# Columns shown on screen; a file gets all of them.
_SHOWN = (
    "id",
    "class_name",
    "area",
    "perimeter_crofton",
    "centroid_x",
    "centroid_y",
    "axis_major_length",
    "axis_minor_length",
    "circularity",
    "solidity",
)
_BRIGHT = "intensity_mean"
_MOST_ROWS = 40
_MOST_CHANNELS = 3
_HEADINGS = {
    "class_name": "Class",
    "perimeter_crofton": "Perimeter",
    "centroid_x": "x",
    "centroid_y": "y",
    "axis_major_length": "Major axis",
    "axis_minor_length": "Minor axis",
}


@errors_as_sentences
def measure(
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE",
            help="The image: gives brightness, and the pixel size, unless only the masks have one.",
            show_default=False,
        ),
    ],
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="Its masks: a label image, or any mask file that 'anymask convert' reads.",
            show_default=False,
        ),
    ],
    pixel_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Side of a pixel, or height,width, in the unit of --unit. [default: from the "
            "image]",
        ),
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of --pixel-size: um, mm, m, ….")] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help='Keep only objects that match, such as "area > 200 and circularity > .8". Names '
            "are column names without units; values are in the units of the columns, area_px in "
            "pixels.",
        ),
    ] = None,
    properties: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Properties to measure, such as area,intensity_mean."),
    ] = None,
    plane: Annotated[
        str | None,
        typer.Option(
            "--z",
            metavar="INDEX|max|mean",
            help="For a z-stack: the plane, from 0, or a projection.",
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            "--t",
            metavar="INDEX|max|mean",
            help="For a time series: the frame, from 0, or a projection.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Table to write, .csv or .parquet. Without it, a part is shown.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure objects: size, shape, and brightness in each channel.

    Areas and lengths are in the unit of the pixel size if it is known; column names include the
    unit. Positions are in pixels.

    All objects of an image; round ones, in µm; as JSON:

    ```
    anymask measure coffee.png masks/coffee.labels.tif -o coffee.csv
    anymask measure cells.tif cells.json --pixel-size 0.65 --unit um --where "circularity > .8"
    anymask measure cells.tif cells.json --properties area,intensity_mean --json
    ```
    """
    # Report mistakes in the command before anything slow begins.
    size = parse_pixel_size(pixel_size) if pixel_size is not None else None
    if size is not None and unit is None:
        raise AnymaskError("--pixel-size needs a unit; add for instance --unit um.")
    write = None if output is None else _writer_of(output, overwrite)

    from anymask.io import load_masks, measure_in_image
    from anymask.io.corrected import newest_masks
    from anymask.io.read_images import read
    from anymask.io.read_masks import scale_of
    from anymask.io.write_context import lacked
    from anymask.masks.choose import choose

    wanted = [p.strip() for p in properties.split(",")] if properties is not None else None
    with err.status("Measuring"):
        picture = read(image).plane(t=_choice(time), z=_choice(plane))
        masks = load_masks(labels, (picture.height, picture.width), image=picture)
        masks = newest_masks(labels, masks)
        given = {"pixel_size": size, "unit": plain_unit(unit)} if size is not None else {}
        facts = lacked(picture, scale_of(labels)) | given
        table = measure_in_image(masks, picture, properties=wanted, **facts)
        if where is not None:
            table = table.select(choose(where, table))
    if output is not None and write is not None:
        write(output, table)
    if as_json:
        typer.echo(json.dumps(_as_rows(table), indent=2, allow_nan=False))
    elif output is not None:
        out.print(Text(str(output)), soft_wrap=True)
    else:
        _print_table(table, _SHOWN if wanted is None else wanted)
    if not as_json:
        whole = counted(len(masks), "object")
        chosen = "" if where is None else f"{len(table['id'])} of "
        err.print(Text(f"{chosen}{whole}."))
    for said in table.notes:
        note(said)


def _writer_of(output: Path, overwrite: bool) -> Callable[[Path, Measurements], list[Path]]:
    """Return the function that writes the table format of a file name; check the file is free."""
    from anymask.files import check_free
    from anymask.io.registry import written_formats

    tables = [form for form in written_formats().values() if form.write_table is not None]
    for form in tables:
        if output.suffix.lower() in form.suffixes and form.write_table is not None:
            check_free(output, overwrite)
            return form.write_table
    suffixes = " nor a ".join(suffix for form in tables for suffix in form.suffixes)
    raise OutputError(f"{output} is neither a {suffixes}; give it one of these names.")


def _choice(text: str | None) -> Any:
    """Parse an index or the name of a projection."""
    if text is None or text in ("max", "mean", "middle"):
        return text
    try:
        return int(text)
    except ValueError:
        raise AnymaskError(
            f"{text!r} is neither an index from 0 nor max, mean or middle."
        ) from None


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


def _print_table(table: Measurements, wanted: Sequence[str]) -> None:
    names: list[str] = []
    for kind in ("id", "class_name", *wanted, *[_BRIGHT] * (wanted is _SHOWN)):
        channels = [name for name in table if name.startswith(f"{kind}_")]
        own = channels[:_MOST_CHANNELS] if kind.startswith("intensity") else []
        names += [name for name in ([kind] if kind in table else own) if name not in names]
    rows = min(len(table["id"]), _MOST_ROWS)
    columns = {n: [_heading(n, table), *(_cell(v) for v in table[n][:rows])] for n in names}
    widths: dict[str, int | None] = dict.fromkeys(columns)
    if wanted is _SHOWN:  # columns named by the user are always shown
        widths = _fitting(columns)
    shown = Table()
    for name, width in widths.items():
        side: JustifyMethod = "left" if name == "class_name" else "right"
        shown.add_column(Text(columns[name][0]), justify=side, width=width)
    for row in range(1, rows + 1):
        shown.add_row(*(Text(columns[name][row]) for name in widths))
    out.print(shown)
    if len(widths) < len(names) or rows < len(table["id"]):
        out.print(
            f"Showing a part of {len(table)} columns and {len(table['id'])} rows; --out writes all."
        )


def _heading(name: str, table: Measurements) -> str:
    unit = table.units.get(name, "")
    heading = _HEADINGS.get(name, name.replace("_", " ").capitalize())
    return heading + (f" ({unit})" if unit not in ("", "pixels") else "")


def _fitting(columns: dict[str, list[str]]) -> dict[str, int | None]:
    """Return the leading columns that fit the screen, with widths if headings must wrap."""
    if sum(max(map(len, cells)) + 3 for cells in columns.values()) < out.width:
        return dict.fromkeys(columns)
    fit: dict[str, int | None] = {}
    used = 1
    for name, (heading, *cells) in columns.items():
        width = max(map(len, [*heading.split(), *cells]))
        used += width + 3
        if used > out.width:
            break
        fit[name] = width
    return fit


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
