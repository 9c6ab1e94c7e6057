"""Render a recipe to a pseudo-RGB image, one block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.band_math import BandMath, cached_bands, resolve
from anymask.images.bands import (
    TOLERANCE,
    called,
    good_bands,
    reflectance_scale,
    wavelengths_of,
)
from anymask.images.blocks import blocks_of_rows, read_band, read_bands, sampled_rows
from anymask.images.components import (
    Projection,
    bands_for_components,
    minimum_noise_fraction,
    principal_components,
)
from anymask.images.contrast import HIGH, LOW, Contrast, Limit, find_limits, scaled, to_8_bit
from anymask.images.image import Image
from anymask.images.recipes import PCA, TRUE_COLOUR, Recipe
from anymask.images.true_colour import rgb_weights, srgb_encode

# Reflectance may exceed 1 a little at highlights; raw counts exceed it by far.
_MOST_REFLECTANCE = 5.0


@dataclass(frozen=True, eq=False)
class PseudoRgb:
    """A pseudo-RGB image.

    Attributes
    ----------
    name : str
        The name of its recipe.
    rgb : ndarray
        ``uint8`` (H, W, 3).
    masked : ndarray
        ``bool`` (H, W): pixels without a finite value (such as 0/0), which are black in `rgb`.
    limits : tuple
        (low, high) of red, green and blue, or of gray: the values that became 0 and 255.
    bands : tuple of int
        Indices of the bands that were read.
    notes : tuple of str
        Sentences for the user, such as how many pixels are masked.
    """

    name: str
    rgb: NDArray[np.uint8]
    masked: NDArray[np.bool_]
    limits: tuple[tuple[float, float], ...]
    bands: tuple[int, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Channels:
    """Gray, or red, green and blue, before stretching."""

    bands: tuple[int, ...]
    """The bands to read."""
    block: int
    """How many bands are in memory at a time."""
    compute: Callable[[slice], list[NDArray[Any]]]
    """Computes some rows of each channel; a channel that does not vary is one number."""
    fixed: tuple[bool, ...]
    """Which channels are booleans or constants, shown from 0 to 1."""
    maths: tuple[BandMath, ...] = ()


def render(
    image: Image,
    how: Recipe,
    contrast: Contrast,
    *,
    tolerance: float = TOLERANCE,
    limits: Sequence[tuple[float, float]] | None = None,
) -> PseudoRgb:
    """Make the image of one recipe; :func:`anymask.pseudo_rgb` is the public function.

    Parameters
    ----------
    image
        An image with one time and depth.
    how, contrast, tolerance
        The recipe; limits and gamma; largest distance between a wavelength and its band.
    limits
        The values for black and white of each channel, if the image is a part of one for which
        :func:`limits_of` found them. Then it may be a part without any value.

    Raises
    ------
    ExpressionError, ImageError
        If the recipe does not fit the image, or no pixel has a value.
    """
    channels = _channels(image, how, tolerance)
    is_part = limits is not None
    if limits is None:
        limits = _limits(image, channels, how, contrast)
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    masked = np.empty((image.height, image.width), bool)
    for rows in blocks_of_rows(image, channels.block):
        parts = channels.compute(rows)
        unknown = np.zeros(masked[rows].shape, bool)
        for part in parts:
            if part.dtype.kind == "f":
                finite = np.isfinite(part)
                if not finite.all():
                    unknown |= ~finite
        for sample, (part, pair) in enumerate(zip(parts, limits, strict=True)):
            if contrast.gamma == 1 and how.method != TRUE_COLOUR:
                shown = _stretched(part, pair)
            else:
                values = scaled(part, pair, contrast.gamma)
                shown = to_8_bit(srgb_encode(values) if how.method == TRUE_COLOUR else values)
            for target in (sample,) if len(parts) == 3 else range(3):
                rgb[rows, :, target] = shown
        rgb[rows][unknown] = 0
        masked[rows] = unknown
    count = int(np.count_nonzero(masked))
    if count == masked.size and not is_part:
        raise ImageError(
            f"{called(image)} has no pixel with a finite value of {how.name}; check whether its "
            "bands contain anything but 0 or NaN."
        )
    notes = tuple(_notes(image, channels.maths, count))
    return PseudoRgb(how.name, rgb, masked, tuple(limits), channels.bands, notes)


def limits_of(image: Image, how: Recipe, contrast: Contrast) -> list[tuple[float, float]]:
    """Return the values for black and white of each channel; only some rows are read.

    Raises
    ------
    ExpressionError, ImageError
        As :func:`render`.
    """
    return _limits(image, _channels(image, how, TOLERANCE), how, contrast)


def check_fits(image: Image, how: Recipe, *, tolerance: float = TOLERANCE) -> None:
    """Refuse a recipe that does not fit an image; no pixels are read.

    Raises
    ------
    ExpressionError, ImageError
        As :func:`render`, except for what only the pixels tell.
    """
    if how.method is None:
        for text in how.source:
            resolve(text, image, tolerance=tolerance)
    elif how.method == TRUE_COLOUR:
        _true_colour(image)
    else:
        bands_for_components(image)


def _true_colour(image: Image) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the bands that have a part in true colour, and their weights."""
    good = good_bands(image)
    weights = rgb_weights(wavelengths_of(image)[good])
    seen = weights.any(axis=0)
    return good[seen], weights[:, seen]


def _stretched(part: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """The same as `scaled` and `to_8_bit` in fewer steps; NaN becomes an arbitrary value."""
    low, high = limits
    span = high - low
    if part.dtype != np.float32 or not 1e-30 < span < 1e30 or part.ndim == 0:
        return to_8_bit(scaled(part, limits))
    with np.errstate(over="ignore", invalid="ignore"):
        values = part - np.float32(low)
        values *= np.float32(255 / span)
        values += np.float32(0.5)
        np.clip(values, 0, 255, out=values)
        return values.astype(np.uint8)


def _channels(image: Image, how: Recipe, tolerance: float) -> _Channels:
    if how.method is None:
        maths = tuple(resolve(text, image, tolerance=tolerance) for text in how.source)
        return _from_maths(image, maths)
    if how.method == TRUE_COLOUR:
        return _from_projection(image, Projection(*_true_colour(image), np.zeros(3)))
    find = principal_components if how.method == PCA else minimum_noise_fraction
    return _from_projection(image, find(image))


def _from_maths(image: Image, maths: tuple[BandMath, ...]) -> _Channels:
    def compute(rows: slice) -> list[NDArray[Any]]:
        band = cached_bands(image, rows)
        return [math.evaluate(band) for math in maths]

    bands = sorted({band for math in maths for band in math.bands})
    fixed = tuple(part.ndim == 0 or part.dtype.kind == "b" for part in compute(slice(0, 1)))
    return _Channels(tuple(bands), 1, compute, fixed, maths)


def _from_projection(image: Image, projection: Projection) -> _Channels:
    def compute(rows: slice) -> list[NDArray[Any]]:
        values = projection.apply(read_bands(image, projection.bands, rows))
        return list(values.reshape(3, -1, image.width))

    bands = tuple(projection.bands.tolist())
    return _Channels(bands, len(bands), compute, (False,) * 3)


def _limits(
    image: Image, channels: _Channels, how: Recipe, contrast: Contrast
) -> list[tuple[float, float]]:
    """The values for black and white of each channel."""
    true_colour = how.method == TRUE_COLOUR
    joint = true_colour if contrast.joint is None else contrast.joint
    wanted = contrast.limits(len(channels.fixed), 0.0 if true_colour else LOW, HIGH)
    if contrast.is_open:
        pairs = zip(channels.fixed, wanted, strict=True)
        wanted = [(0.0, 1.0) if fixed else pair for fixed, pair in pairs]
    if any(_is_extreme(limit) for pair in wanted for limit in pair):
        wanted = _with_extremes(image, channels, wanted, joint=joint)
    samples: list[list[NDArray[Any]]] = [[] for _ in channels.fixed]
    if any(isinstance(limit, str) for pair in wanted for limit in pair):
        for rows in sampled_rows(image, channels.block):
            for kept, part in zip(samples, channels.compute(rows), strict=True):
                kept.append(part.ravel())
    known = [np.concatenate(parts) if parts else np.zeros(1) for parts in samples]
    return find_limits(known, wanted, joint=joint)


def _is_extreme(limit: Limit) -> bool:
    return isinstance(limit, str) and float(limit.removesuffix("%")) in (0, 100)


def _with_extremes(
    image: Image, channels: _Channels, wanted: list[tuple[Limit, Limit]], *, joint: bool
) -> list[tuple[Limit, Limit]]:
    """Replace 0 % and 100 % by the minimum and maximum over all rows."""
    number = len(channels.fixed)
    least, most = np.full(number, np.inf), np.full(number, -np.inf)
    for rows in blocks_of_rows(image, channels.block):
        for channel, part in enumerate(channels.compute(rows)):
            known = part[np.isfinite(part)]
            if known.size:
                least[channel] = min(least[channel], float(known.min()))
                most[channel] = max(most[channel], float(known.max()))
    if joint:
        least[:], most[:] = least.min(), most.max()
    least[~np.isfinite(least)] = most[~np.isfinite(most)] = 0  # without any finite value

    def value_of(limit: Limit, channel: int) -> Limit:
        if not _is_extreme(limit):
            return limit
        return float((most if str(limit).startswith("1") else least)[channel])

    return [(value_of(low, i), value_of(high, i)) for i, (low, high) in enumerate(wanted)]


def _notes(image: Image, maths: tuple[BandMath, ...], masked: int) -> Iterator[str]:
    pixels = image.height * image.width
    if masked:
        verb = "has" if masked == 1 else "have"
        yield (
            f"{masked:,} of {pixels:,} pixels {verb} no finite value (such as 0/0) and "
            f"{'is' if masked == 1 else 'are'} black."
        )
    indices = [index for math in maths for index in math.indices if index.needs_reflectance]
    if not indices or reflectance_scale(image) is not None:
        return
    middle = slice(image.height // 2, image.height // 2 + 1)
    rows = [read_band(image, band, middle) for math in maths for band in math.bands]
    largest = max((float(row[np.isfinite(row)].max(initial=0)) for row in rows), default=0.0)
    if largest > _MOST_REFLECTANCE:
        names = " and ".join(dict.fromkeys(index.name.upper() for index in indices))
        yield (
            f"{names} needs reflectance from 0 to 1, but values here reach {largest:,.6g}: give a "
            "white reference, or a reflectance scale factor in the header."
        )
