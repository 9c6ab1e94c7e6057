"""The three components that carry most of a spectral image: PCA and MNF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.bands import called, good_bands
from anymask.images.blocks import read_bands, sampled_rows
from anymask.images.image import Image
from anymask.wording import counted


@dataclass(frozen=True, eq=False)
class Projection:
    """Weighted sums of bands.

    Attributes
    ----------
    bands
        Indices (B,) of the bands to read.
    weights
        (3, B).
    offset
        (3,), added to the sums.
    """

    bands: NDArray[np.intp]
    weights: NDArray[np.float64]
    offset: NDArray[np.float64]

    def apply(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Project values (B, pixels) to (3, pixels); NaN if any band of a pixel is NaN."""
        with np.errstate(invalid="ignore", over="ignore"):
            projected = self.weights.astype(values.dtype) @ values
        projected += self.offset.astype(values.dtype)[:, None]
        return projected


def bands_for_components(image: Image) -> NDArray[np.intp]:
    """Return the bands that PCA and MNF are made of: the good ones.

    Raises
    ------
    ImageError
        If there are fewer than three.
    """
    bands = good_bands(image)
    if len(bands) < 3:
        raise ImageError(
            f"{called(image)} has {counted(len(bands), 'good band')}; PCA and MNF need at least "
            "three."
        )
    return bands


def principal_components(image: Image) -> Projection:
    """Find the three directions in which the spectra of the pixels differ most.

    Mean and covariance are computed from up to 131,072 pixels in evenly spaced rows. Bad bands,
    and pixels with NaN or infinity in a good band, are left out.

    Raises
    ------
    ImageError
        If there are fewer than three good bands, or fewer than four pixels with values in all of
        them.
    """
    bands, mean, covariance, _ = _statistics(image)
    _, vectors = np.linalg.eigh(covariance)
    return _projection(bands, mean, vectors[:, ::-1][:, :3].T)


def minimum_noise_fraction(image: Image) -> Projection:
    """Find the three combinations of bands with the highest signal-to-noise ratio.

    Andrew Green, Mark Berman, Paul Switzer and Maurice Craig, "A transformation for ordering
    multispectral data in terms of image quality with implications for noise removal", IEEE
    Transactions on Geoscience and Remote Sensing 26 (1988), 65–74. Noise is
    estimated from the differences between neighbouring pixels of a row.

    Raises
    ------
    ImageError
        As :func:`principal_components`.
    """
    from scipy.linalg import eigh

    bands, mean, covariance, noise = _statistics(image)
    # A band without noise would have an infinite ratio.
    least = max(1e-6 * float(np.trace(noise)), 1e-12 * float(np.trace(covariance)))
    noise[np.diag_indices_from(noise)] += least / len(bands) or 1.0
    _, vectors = eigh(covariance, noise)
    return _projection(bands, mean, vectors[:, ::-1][:, :3].T)


def _projection(
    bands: NDArray[np.intp], mean: NDArray[np.float64], weights: NDArray[np.float64]
) -> Projection:
    # The sign of a component is arbitrary; here brighter spectra become brighter pixels.
    signs = np.where(weights.sum(axis=1) < 0, -1.0, 1.0)
    weights = weights * signs[:, None]
    return Projection(bands, weights, -weights @ mean)


def _statistics(
    image: Image,
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The good bands, and the mean, covariance and noise covariance of their values."""
    bands = bands_for_components(image)
    size = len(bands)
    total, products, noise = np.zeros(size), np.zeros((size, size)), np.zeros((size, size))
    count = pairs = 0
    shift: NDArray[np.float64] | None = None
    for rows in sampled_rows(image, size):
        values = read_bands(image, bands, rows).astype(np.float64)
        known = np.isfinite(values).all(axis=0)
        if shift is None and known.any():
            # Values are taken relative to about their mean, so that squares lose no digits.
            shift = values[:, known].mean(axis=1)
        if shift is None:
            continue
        values -= shift[:, None]
        grid = values.reshape(size, -1, image.width)
        both = known.reshape(-1, image.width)
        both = both[:, 1:] & both[:, :-1]
        steps = (grid[:, :, 1:] - grid[:, :, :-1])[:, both]
        noise += steps @ steps.T
        pairs += steps.shape[1]
        values = values[:, known]
        total += values.sum(axis=1)
        products += values @ values.T
        count += values.shape[1]
    if shift is None or count < 4:
        raise ImageError(
            f"{called(image)} has almost no pixels with finite values in all {size} good bands; "
            "mark the broken bands as bad in its header."
        )
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    return bands, mean + shift, covariance, noise / max(2 * pairs, 1)
