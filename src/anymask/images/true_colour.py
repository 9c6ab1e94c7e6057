"""The visible colour of a spectrum: CIE 1931 matching functions, daylight D65, sRGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import ImageError

SHORTEST, LONGEST, STEP = 380.0, 780.0, 5.0
"""The visible range and the integration step, in nanometres."""

# Relative power of daylight D65 from 380 to 780 nm in steps of 10 (CIE 15).
_D65 = (
    *(49.98, 54.65, 82.75, 91.49, 93.43, 86.68, 104.86, 117.01, 117.81, 114.86),
    *(115.92, 108.81, 109.35, 107.80, 104.79, 107.69, 104.41, 104.05, 100.00, 96.33),
    *(95.79, 88.69, 90.01, 89.60, 87.70, 83.29, 83.70, 80.03, 80.21, 82.28),
    *(78.28, 69.72, 71.61, 74.35, 61.60, 69.89, 75.09, 63.59, 46.42, 66.81),
    63.38,
)
# Lobes of the matching functions: height, centre, and width below and above the centre.
_X = ((1.056, 599.8, 37.9, 31.0), (0.362, 442.0, 16.0, 26.7), (-0.065, 501.1, 20.4, 26.2))
_Y = ((0.821, 568.8, 46.9, 40.5), (0.286, 530.9, 16.3, 31.1))
_Z = ((1.217, 437.0, 11.8, 36.0), (0.681, 459.0, 26.0, 13.8))

# CIE XYZ to linear sRGB, both with the white of D65 (IEC 61966-2-1).
_XYZ_TO_RGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def matching_functions(wavelengths: ArrayLike) -> NDArray[np.float64]:
    """Return the CIE 1931 colour matching functions of the standard observer (2°).

    Approximated by Gaussian lobes after Chris Wyman, Peter-Pike Sloan and Peter Shirley,
    "Simple analytic approximations to the CIE XYZ color matching functions", Journal of Computer
    Graphics Techniques 2 (2013), 1–11.

    Parameters
    ----------
    wavelengths
        Nanometres (N,).

    Returns
    -------
    numpy.ndarray
        (3, N): x, y and z.

    Examples
    --------
    >>> matching_functions([450, 555, 600]).round(2).tolist()
    [[0.34, 0.52, 1.06], [0.03, 1.0, 0.63], [1.78, 0.01, 0.0]]
    """
    nm = np.asarray(wavelengths, np.float64)
    rows = []
    for lobes in (_X, _Y, _Z):
        row = np.zeros(nm.shape)
        for height, centre, short, long in lobes:
            width = np.where(nm < centre, short, long)
            row += height * np.exp(-0.5 * ((nm - centre) / width) ** 2)
        rows.append(row)
    return np.stack(rows)


def rgb_weights(wavelengths: ArrayLike) -> NDArray[np.float64]:
    """Return how much each band adds to red, green and blue under daylight.

    Spectra are interpolated linearly between bands and constant outside. A reflectance of 1 at all
    wavelengths becomes white, (1, 1, 1).

    Parameters
    ----------
    wavelengths
        Nanometres (C,), in any order.

    Returns
    -------
    numpy.ndarray
        (3, C): their product with a spectrum is linear sRGB. Bands outside the visible have 0.

    Raises
    ------
    ImageError
        If there is no band in the blue (400 to 500 nm), green (to 600) or red (to 700).

    Examples
    --------
    >>> rgb_weights(np.arange(400, 701, 10)).sum(axis=1).round(6).tolist()
    [1.0, 1.0, 1.0]
    """
    nm = np.asarray(wavelengths, np.float64)
    for name, shortest in (("blue", 400), ("green", 500), ("red", 600)):
        if not ((nm >= shortest) & (nm <= shortest + 100)).any():
            raise ImageError(
                f"True colour needs bands in blue, green and red light; there is none in the "
                f"{name} ({shortest} to {shortest + 100} nm). Choose pca, an index, or three bands."
            )
    grid = np.arange(SHORTEST, LONGEST + STEP / 2, STEP)
    light = np.interp(grid, np.arange(SHORTEST, LONGEST + 5, 10), _D65)
    xyz = matching_functions(grid) * light
    xyz *= (_WHITE / xyz.sum(axis=1))[:, None]
    order = np.argsort(np.where(np.isfinite(nm), nm, np.inf), kind="stable")
    order = order[: np.count_nonzero(np.isfinite(nm))]
    # Only bands next to a point of the grid get a weight, so invisible bands are not read.
    shares = np.zeros((len(grid), len(nm)))
    for position, band in enumerate(order):
        unit = np.zeros(len(order))
        unit[position] = 1
        shares[:, band] = np.interp(grid, nm[order], unit)
    weights = _XYZ_TO_RGB @ xyz @ shares
    return weights / weights.sum(axis=1, keepdims=True)


def srgb_encode(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply sRGB's transfer curve to values from 0 to 1 (IEC 61966-2-1).

    Examples
    --------
    >>> srgb_encode(np.array([0, 0.2140, 1], np.float32)).round(3).tolist()
    [0.0, 0.5, 1.0]
    """
    curve = 1.055 * np.power(linear, 1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve).astype(np.float32)
