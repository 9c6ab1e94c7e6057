"""Plot the spectra of objects with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anymask.errors import ImageError
from anymask.palette import colours_of

if TYPE_CHECKING:
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
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImageError(
            'Drawing spectra needs matplotlib; install it with pip install "anymask[plots]".'
        ) from error

    x = spectra.bands if spectra.wavelengths is None else spectra.wavelengths
    order = np.argsort(x, kind="stable")
    shown = np.argsort(-spectra.pixels.max(axis=1), kind="stable")[:MOST_OBJECTS]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    breaks = _breaks(x[order].astype(np.float64), spectra.bands[order])
    for i in np.sort(shown):
        colour = tuple(colours_of(spectra.ids[i]) / 255)
        mean, std = (
            np.insert(table[i, order], breaks, np.nan) for table in (spectra.mean, spectra.std)
        )
        along = np.insert(x[order].astype(np.float64), breaks, np.nan)
        axes.plot(along, mean, color=colour, linewidth=1.4, label=str(spectra.ids[i]))
        axes.fill_between(along, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)
    axes.set_xlabel("band" if spectra.wavelengths is None else "wavelength (nm)")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.25)
    axes.margins(x=0.01)
    few = "" if len(shown) == len(spectra.ids) else f"the largest {len(shown)} of "
    count = f"{few}{len(spectra.ids)} object{'s' if len(spectra.ids) > 1 else ''}"
    axes.set_title(f"{title}: {count}" if title else count, fontsize="medium")
    axes.legend(
        title="object",
        ncols=1 + len(shown) // 13,
        fontsize="small",
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        frameon=False,
    )
    figure.savefig(path, dpi=150)


def _breaks(x: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Where lines are interrupted: where bands between two drawn ones are left out."""
    return np.flatnonzero(np.abs(np.diff(bands)) > 1) + 1 if len(x) > 1 else np.zeros(0, np.intp)
