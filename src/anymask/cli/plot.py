"""``anymask plot``: plot a table of measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from anymask.cli.console import err, errors_as_sentences, out
from anymask.cli.options import OverwriteOption


@errors_as_sentences
def plot(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE",
            help="A table of 'anymask measure', .csv or .parquet.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Plot to write: PNG, SVG or PDF.",
            show_default=False,
        ),
    ],
    traits: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TRAIT] [TRAIT]",
            help="One trait: its distribution. Two: the first across, the second up. None: the "
            "spectra in a table of --long. Names may lack the unit: area for area_mm2.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        Literal["image", "class", "object"] | None,
        typer.Option(
            help="What makes a group, each in its colour. [default: class if there are several, "
            "else image]"
        ),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Plot a table: distributions, one trait against another, or spectra.

    Spectra are means over the objects of a group, shaded by one standard deviation. Needs
    pip install "anymask[plots]".

    The area of leaves in each image; NDVI against area; spectra of each class:

    ```
    anymask plot all.csv area -o areas.png --by image
    anymask plot all.csv area ndvi_mean -o ndvi.svg
    anymask plot spectra.csv -o spectra.png --by class
    ```
    """
    from anymask.files import check_free
    from anymask.io.read_table import read_table
    from anymask.reports.table_plots import plot_table

    check_free(output, overwrite)
    with err.status("Drawing"):
        told = plot_table(read_table(table), output, traits or (), by)
    out.print(Text(str(output)), soft_wrap=True)
    err.print(Text(told), soft_wrap=True)
