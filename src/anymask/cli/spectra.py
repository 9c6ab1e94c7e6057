"""``anymask spectra``: measure the spectrum of each object in a spectral cube."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from anymask.cli.console import err, errors_as_sentences, out
from anymask.cli.options import OverwriteOption
from anymask.cli.reading import WavelengthsOption, parse_wavelengths
from anymask.cli.reflectance import DarkOption, PanelOption, WhiteOption, parse_references
from anymask.errors import AnymaskError, OutputError

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.images.object_spectra import ObjectSpectra
    from anymask.masks.mask_set import MaskSet

_COLUMNS = 6
_MOST_ROWS = 40


@errors_as_sentences
def spectra(
    cube: Annotated[
        Path,
        typer.Argument(metavar="CUBE", help="The spectral image.", show_default=False),
    ],
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="Its masks: a label image, or any mask file that 'anymask convert' reads.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.csv",
            help="Table to write, one row per object and band. Without it, a part is shown.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.png", help="Plot to write: PNG, SVG or PDF."),
    ] = None,
    white: WhiteOption = None,
    dark: DarkOption = None,
    panel: PanelOption = None,
    smooth: Annotated[
        int | None,
        typer.Option(
            metavar="BANDS",
            min=3,
            help="Smooth spectra over this odd number of bands (Savitzky-Golay, order 2).",
        ),
    ] = None,
    header: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.hdr", help="ENVI header of CUBE, if it is not beside the data file."
        ),
    ] = None,
    wavelengths: WavelengthsOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Measure the spectrum of each object.

    Gives mean, standard deviation, median and number of pixels per band. Bands that the file marks
    as bad are left out. Values are those of the file, or reflectance with --white or --panel.

    A table and a plot; smoothed reflectance from a white panel in the image:

    ```
    anymask spectra cube.hdr masks/cube.ndvi.labels.tif -o leaves.csv --plot leaves.png
    anymask spectra cube.hdr leaves.tif -o leaves.csv --panel 226,12,42,34 --smooth 9
    ```
    """
    for path in (output, plot):
        _check_new(path, overwrite)
    references = parse_references(white, dark, panel)
    nm = parse_wavelengths(wavelengths)

    from anymask.images.object_spectra import object_spectra
    from anymask.images.spectral import smooth as smoothed
    from anymask.io import load_masks
    from anymask.io.corrected import newest_masks
    from anymask.io.read_images import read
    from anymask.io.view import with_wavelengths

    with err.status("Measuring"):
        image = with_wavelengths(read(cube, header=header).plane(), nm)
        name, unit = image.name, "value"
        masks = newest_masks(labels, load_masks(labels, (image.height, image.width), image=image))
        _check_size(masks, image, labels, cube)
        if references is not None:
            image, unit = references.applied(image), "reflectance"
        if smooth is not None:
            image = smoothed(image, smooth)
        found = object_spectra(image, _objects(masks))
        if output is not None:
            found.to_csv(output)
        if plot is not None:
            found.plot(plot, title=name, unit=unit)
    if output is None and plot is None:
        _print(found)
    for path in filter(None, (output, plot)):
        out.print(Text(str(path)), soft_wrap=True)


def _check_new(path: Path | None, overwrite: bool) -> None:
    if path is None:
        return
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give the name of the file to write.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists; give another name, or replace it with --overwrite.")


def _check_size(masks: MaskSet, image: Image, labels: Path, cube: Path) -> None:
    if tuple(masks.image_size) != (image.height, image.width):
        height, width = masks.image_size
        raise AnymaskError(
            f"{labels} is {width}×{height} pixels but {cube} is {image.width}×{image.height}; "
            "give masks made from this cube."
        )


def _objects(masks: MaskSet) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield each mask on its own, because masks may overlap."""
    return zip(masks.ids.tolist(), masks, strict=True)


def _print(found: ObjectSpectra) -> None:
    count = len(found.bands)
    shown = np.unique(np.linspace(0, count - 1, min(count, _COLUMNS)).round().astype(int))
    table = Table()
    table.add_column("Object", justify="right")
    table.add_column("Pixels", justify="right")
    for k in shown:
        nm = found.wavelengths
        table.add_column(
            f"band {found.bands[k]}" if nm is None else f"{nm[k]:g} nm", justify="right"
        )
    for i in range(min(len(found.ids), _MOST_ROWS)):
        means = [f"{found.mean[i, k]:.4g}" for k in shown]
        table.add_row(str(found.ids[i]), str(found.pixels[i].max()), *means)
    out.print(table)
    more = len(found.ids) - _MOST_ROWS
    if more > 0:
        out.print(f"and {more} more objects")
    out.print("-o FILE.csv writes all bands, with standard deviations and medians.")
