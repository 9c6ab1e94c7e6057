"""Options for what is read of an image: ``--z``, ``--page``, ``--wavelengths``, ``--white``, …."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anymask.cli.option_parameters import taking
from anymask.cli.reflectance import DarkOption, PanelOption, WhiteOption, parse_references
from anymask.errors import AnymaskError
from anymask.io.view import View

_READING = "What is read of an image"

ZOption = Annotated[
    str | None,
    typer.Option(
        "--z",
        metavar="INDEX|middle|max|mean",
        rich_help_panel=_READING,
        help="For a z-stack: the plane, from 0, or a projection.",
    ),
]
TOption = Annotated[
    str | None,
    typer.Option(
        "--t",
        metavar="INDEX|middle|max|mean",
        rich_help_panel=_READING,
        help="For a time series: the frame, from 0, or a projection.",
    ),
]
HeaderOption = Annotated[
    Path | None,
    typer.Option(
        "--header",
        metavar="FILE.hdr",
        rich_help_panel=_READING,
        help="ENVI header of the image, if it is not beside the data file.",
    ),
]

PageOption = Annotated[
    int | None,
    typer.Option(
        "--page",
        min=0,
        rich_help_panel=_READING,
        help="For a file with several images, such as a TIFF: the page, from 0.",
    ),
]
SeriesOption = Annotated[
    int | None,
    typer.Option(
        "--series",
        min=0,
        rich_help_panel=_READING,
        help="For a TIFF with several series: which one, from 0.",
    ),
]
LevelOption = Annotated[
    int | None,
    typer.Option(
        "--level",
        min=0,
        rich_help_panel=_READING,
        help="For an image pyramid: the level, from 0, the full size.",
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME",
        rich_help_panel=_READING,
        help="For a file with several arrays (HDF5, MATLAB, NPZ, Zarr): which one.",
    ),
]
AxesOption = Annotated[
    str | None,
    typer.Option(
        "--axes",
        metavar="LETTERS",
        rich_help_panel=_READING,
        help="For an array whose axes the file does not name: their letters out of TZCYXS, such as "
        "CYX.",
    ),
]
WavelengthsOption = Annotated[
    str | None,
    typer.Option(
        "--wavelengths",
        metavar="NM,NM,…",
        rich_help_panel=_READING,
        help="Centre of each band in nanometres, for files that do not state them, such as "
        "485,555,660,830.",
    ),
]


def parse_reading(
    z: ZOption = None,
    t: TOption = None,
    header: HeaderOption = None,
    page: PageOption = None,
    series: SeriesOption = None,
    level: LevelOption = None,
    dataset: DatasetOption = None,
    axes: AxesOption = None,
    wavelengths: WavelengthsOption = None,
    white: WhiteOption = None,
    dark: DarkOption = None,
    panel: PanelOption = None,
) -> View:
    """Parse and check the options of reading before anything slow begins.

    Raises
    ------
    AnymaskError
        If one cannot be parsed, or two cannot be combined.
    """
    planes = {name: _plane(name, text) for name, text in (("z", z), ("t", t)) if text is not None}
    named = {"page": page, "series": series, "level": level, "dataset": dataset, "axes": axes}
    return View(
        planes=planes,
        header=header,
        wavelengths=parse_wavelengths(wavelengths),
        reading={name: value for name, value in named.items() if value is not None},
        references=parse_references(white, dark, panel),
    )


with_reading = taking(parse_reading, "view")
"""Gives a command the options of `parse_reading`; it takes their result as `view`."""


def parse_wavelengths(text: str | None) -> tuple[float, ...]:
    """Parse the numbers of ``--wavelengths``.

    Raises
    ------
    AnymaskError
        If they are not numbers above 0.

    Examples
    --------
    >>> parse_wavelengths("485, 555.5"), parse_wavelengths(None)
    ((485.0, 555.5), ())
    """
    if text is None:
        return ()
    numbers = numbers_in(text)
    if not numbers or not all(0 < number < float("inf") for number in numbers):
        raise AnymaskError(
            f"--wavelengths {text!r} is not a list of nanometres; write for instance "
            "485,555,660,830."
        )
    return tuple(numbers)


def numbers_in(text: str) -> list[float]:
    """Parse numbers between commas; an empty list if one is none."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def _plane(name: str, text: str) -> int | str:
    if text in ("max", "mean", "middle"):
        return text
    try:
        return int(text)
    except ValueError:
        raise AnymaskError(
            f"--{name} {text!r} is none of: an index from 0, middle, max, mean."
        ) from None
