"""Plot the spectra of objects with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.palette import colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from anymask.images.object_spectra import ObjectSpectra

MOST_OBJECTS = 24
"""At most this many objects are drawn; more lines would be unreadable."""


def draw(spectra: ObjectSpectra, path: Path, *, title: str = "", unit: str = "value") -> None:
    """Draw mean spectra, each shaded by one standard deviation, into a file.

    If there are more than `MOST_OBJECTS`, the largest are drawn and the title says so.

    Raises
    ------
    ImageError
        If matplotlib is not installed.
    """
    x = spectra.bands if spectra.wavelengths is None else spectra.wavelengths
    shown = np.argsort(-spectra.pixels.max(axis=1), kind="stable")[:MOST_OBJECTS]
    figure = new_figure(8, 4.5)
    axes = figure.subplots()
    for i in np.sort(shown):
        colour = tuple(colours_of(spectra.ids[i]) / 255)
        label = str(spectra.ids[i])
        draw_spectrum(axes, x, spectra.bands, spectra.mean[i], spectra.std[i], colour, label)
    axes.set_xlabel("band" if spectra.wavelengths is None else "wavelength (nm)")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.25)
    axes.margins(x=0.01)
    few = "" if len(shown) == len(spectra.ids) else f"the largest {len(shown)} of "
    count = f"{few}{len(spectra.ids)} object{'s' if len(spectra.ids) > 1 else ''}"
    axes.set_title(f"{title}: {count}" if title else count, fontsize="medium")
    legend_beside(axes, "object", len(shown))
    figure.savefig(path, dpi=150)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches.

    Raises
    ------
    ImageError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImageError(
            'Drawing needs matplotlib; install it with pip install "anymask[plots]".'
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_spectrum(
    axes: Axes,
    x: NDArray[Any],
    bands: NDArray[Any],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    colour: tuple[float, ...],
    label: str,
) -> None:
    """Draw one spectrum, shaded by its spread, with gaps where bands are left out.

    Parameters
    ----------
    axes : matplotlib Axes
    x, bands, mean, std : (B,) array
        Wavelength, index in the image, value and spread of each band, in any order.
    colour, label
        Of the line.
    """
    order = np.argsort(x, kind="stable")
    breaks = _breaks(bands[order])
    along, middle, spread = (
        np.insert(values[order].astype(np.float64), breaks, np.nan) for values in (x, mean, std)
    )
    axes.plot(along, middle, color=colour, linewidth=1.4, label=label)
    axes.fill_between(
        along, middle - spread, middle + spread, color=colour, alpha=0.18, linewidth=0
    )


def legend_beside(axes: Axes, title: str, entries: int) -> None:
    """Put the legend to the right of the axes."""
    axes.legend(
        title=title,
        ncols=1 + entries // 13,
        fontsize="small",
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        frameon=False,
    )


def _breaks(bands: NDArray[Any]) -> NDArray[np.intp]:
    """Where lines are interrupted: where bands between two drawn ones are left out."""
    return np.flatnonzero(np.abs(np.diff(bands)) > 1) + 1
