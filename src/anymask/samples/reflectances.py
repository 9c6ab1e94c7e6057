"""Reflectance of leaves, soil and a white panel from 400 to 2500 nm, by simple formulas.

Leaves follow the idea of PROSPECT (Jacquemoud and Baret, "PROSPECT: a model of leaf optical
properties spectra", Remote Sensing of Environment 34, 1990, 75–91): the light reflected by the
inside of a leaf decreases with the absorption of its substances, each with its own spectrum. The
lobes are at the textbook absorption bands of chlorophylls (430 to 450 and 660 to 680 nm, so that
green at 550 remains and the red edge rises from 700 to 750), carotenoids, anthocyanin and water
(970, 1200 and 1450 nm). They are not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Centre, width (standard deviation) and height of absorption per unit of each substance.
_CHLOROPHYLL = (
    (430.0, 22.0, 1.00),
    (468.0, 22.0, 0.80),
    (552.0, 75.0, 0.30),
    (600.0, 24.0, 0.22),
    (640.0, 24.0, 0.55),
    (675.0, 17.0, 1.00),
    (702.0, 17.0, 0.38),
)
_CAROTENOID = ((430.0, 25.0, 0.7), (457.0, 22.0, 1.0), (492.0, 22.0, 1.0))
_ANTHOCYANIN = ((545.0, 32.0, 1.0), (505.0, 25.0, 0.4))
_WATER = ((970.0, 26.0, 0.09), (1195.0, 42.0, 0.30), (1450.0, 62.0, 2.6), (1940.0, 80.0, 5.0))


@dataclass(frozen=True)
class Leaf:
    """The content of a leaf, in arbitrary units of about 1 for a healthy leaf."""

    chlorophyll: float = 1.0
    carotenoid: float = 0.6
    anthocyanin: float = 0.0
    brown: float = 0.0
    water: float = 1.0
    plateau: float = 0.50
    """Reflectance without absorption."""

    def reflectance(self, wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return its reflectance at wavelengths in nanometres."""
        return inner_reflectance(wavelengths, self, np.array(self.chlorophyll))


def inner_reflectance(
    wavelengths: NDArray[np.float64], leaf: Leaf, chlorophyll: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the reflectance of a leaf with spatially varying chlorophyll.

    Parameters
    ----------
    wavelengths
        Nanometres (C,).
    leaf
        Everything except the chlorophyll is taken from it.
    chlorophyll
        Any shape (…).

    Returns
    -------
    numpy.ndarray
        (…, C).

    Examples
    --------
    >>> blue, green, red, infrared = Leaf().reflectance(np.array([440.0, 550, 675, 860])).round(2)
    >>> bool(blue < green > red), bool(infrared > 0.4)
    (True, True)
    """
    nm = wavelengths
    depth = (
        3.4 * chlorophyll[..., None] * _lobes(nm, _CHLOROPHYLL)
        + 2.0 * leaf.carotenoid * _lobes(nm, _CAROTENOID)
        + 2.6 * leaf.anthocyanin * _lobes(nm, _ANTHOCYANIN)
        + 2.4 * leaf.brown * np.exp(-(nm - 400) / 160)
        + leaf.water * _lobes(nm, _WATER)
    )
    surface = 0.035
    return surface + (leaf.plateau - surface) * np.exp(-depth)


def soil_reflectance(wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the reflectance of a dry loam: rising, with the shoulders of iron oxides.

    >>> soil_reflectance(np.array([450.0, 860])).round(2).tolist()
    [0.07, 0.22]
    """
    nm = wavelengths
    rise = 0.05 + 0.30 * (1 - np.exp(-(nm - 370) / 520))
    iron = 0.030 * _lobes(nm, ((490.0, 50.0, 1.0), (870.0, 60.0, 0.5)))
    water = 0.03 * _lobes(nm, ((1420.0, 50.0, 1.0), (1920.0, 60.0, 2.0)))
    return rise - iron - water


def panel_reflectance(wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the reflectance of a white panel of sintered polymer: 0.95 and nearly flat."""
    return 0.955 - 0.02 * np.exp(-(wavelengths - 350) / 90)


def _lobes(
    wavelengths: NDArray[np.float64], lobes: Sequence[tuple[float, float, float]]
) -> NDArray[np.float64]:
    total = np.zeros(wavelengths.shape)
    for centre, width, height in lobes:
        total += height * np.exp(-0.5 * ((wavelengths - centre) / width) ** 2)
    return total
