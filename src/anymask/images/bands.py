"""Look up the bands of a spectral image by wavelength, without bands marked as bad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import ImageError
from anymask.images.band_names import band_centres, region_of
from anymask.images.image import Image

TOLERANCE = 15.0
"""Largest distance, in nanometres, between a wavelength and the band used for it."""

# Formulas that tell bands closer than this apart need narrow bands.
_BROAD = 10.0


def as_cube(image: Any, wavelengths: ArrayLike | None = None) -> Image:
    """Return an image with one plane whose channels are bands.

    Parameters
    ----------
    image
        An :class:`Image` with one time and depth, or an array (H, W) or (H, W, C).
    wavelengths
        For an array: the centre of each band in nanometres.

    Raises
    ------
    ImageError
        If it has other axes, several planes, or values that are not real numbers.

    Examples
    --------
    >>> as_cube(np.zeros((4, 5, 3)), wavelengths=[450, 550, 650])
    <Image without name: YXC 4×5×3 float64, 450–650 nm>
    """
    if isinstance(image, Image):
        if wavelengths is not None:
            image = image.with_array(
                image.array, wavelengths=np.asarray(wavelengths, np.float64).ravel()
            )
        cube = image.plane()
    else:
        array = np.asarray(image)
        if array.ndim not in (2, 3):
            raise ImageError(
                f"An array of shape {array.shape} is not a spectral image; give (rows, columns, "
                'bands), or name other axes as in anymask.Image(array, "CYX").'
            )
        nm = None if wavelengths is None else np.asarray(wavelengths, np.float64).ravel()
        cube = Image(array, "YXC"[: array.ndim], wavelengths=nm)
    if cube.dtype.kind not in "buif":
        raise ImageError(
            f"{called(cube)} has values of type {cube.dtype}; give booleans, integers or floats "
            "(for complex values, for example, the magnitude)."
        )
    return cube


def called(image: Image) -> str:
    """The name of an image for the beginning of a sentence."""
    return str(image.path or image.name or "The image")


def good_bands(image: Image) -> NDArray[np.intp]:
    """Return the indices of the bands that are not marked as bad.

    Raises
    ------
    ImageError
        If all bands are marked as bad.
    """
    return np.array(image.good_channels())


def wavelengths_of(image: Image) -> NDArray[np.float64]:
    """Return the centre of each band in nanometres, by the names of the bands if need be.

    NaN where a name does not say it.

    Raises
    ------
    ImageError
        If the file states neither.
    """
    if image.wavelengths is not None:
        return np.asarray(image.wavelengths, np.float64)
    named = band_centres(image.channel_names)
    if named is None:
        raise ImageError(
            f"{called(image)} does not state the wavelengths of its bands; give them "
            "(--wavelengths, Python: wavelengths=), or name bands by their index, as in ch[12]."
        )
    return named


def nearest_band(image: Image, wavelength: float, tolerance: float = TOLERANCE) -> int:
    """Return the index of the good band nearest to a wavelength in nanometres.

    Where a file has names such as "Red" and "NIR" instead of wavelengths, its bands are broad, and
    the one in the same part of the spectrum is taken. Narrow tolerances (below 10 nm) exclude this.

    Raises
    ------
    ImageError
        If no band is within `tolerance`.

    Examples
    --------
    >>> nearest_band(as_cube(np.zeros((1, 1, 3)), [450, 551, 650]), 550)
    1
    """
    nm, good = wavelengths_of(image), good_bands(image)
    distance = np.abs(nm[good] - wavelength)
    if not np.isfinite(distance).any():
        raise ImageError(f"{called(image)} has no numeric wavelengths; check its header.")
    best = int(np.nanargmin(distance))
    if image.wavelengths is None and tolerance >= _BROAD:
        region = region_of(wavelength)
        same = [region is not None and region_of(centre) == region for centre in nm[good]]
        if any(same):
            return int(good[np.nanargmin(np.where(same, distance, np.nan))])
    if distance[best] > tolerance:
        raise ImageError(
            f"{called(image)} has no band within {tolerance:g} nm of {wavelength:g} nm; the "
            f"nearest is at {nm[good[best]]:g} nm and its bands go from "
            f"{np.nanmin(nm[good]):g} to {np.nanmax(nm[good]):g} nm."
        )
    return int(good[best])


def bands_between(image: Image, shortest: float, longest: float) -> NDArray[np.intp]:
    """Return the indices of the good bands from one wavelength to another, both included.

    Raises
    ------
    ImageError
        If there is none.
    """
    nm, good = wavelengths_of(image), good_bands(image)
    inside = good[(nm[good] >= shortest) & (nm[good] <= longest)]
    if inside.size == 0:
        raise ImageError(
            f"{called(image)} has no band from {shortest:g} to {longest:g} nm; its bands go "
            f"from {np.nanmin(nm[good]):g} to {np.nanmax(nm[good]):g} nm."
        )
    return inside


def reflectance_scale(image: Image) -> float | None:
    """Return the divisor that turns values into reflectance from 0 to 1; None if unknown.

    ENVI headers store it as ``reflectance scale factor``. It is 1 for images made by
    :func:`anymask.images.spectral.reflectance`.
    """
    fields = image.metadata.get("fields")
    stated = image.metadata.get("reflectance_scale")
    if stated is None and isinstance(fields, Mapping):
        stated = fields.get("reflectance scale factor")
    try:
        scale = float(str(stated))
    except ValueError:
        return None
    return scale if np.isfinite(scale) and scale > 0 else None
