"""Contrast: which values become black and white, and how the values between are spread.

A limit is a value of the image (``120``, ``0.4``) or a percentile of its values (``"2%"``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError

Limit: TypeAlias = float | str
"""A value, or a percentile such as ``"2%"``."""

LOW, HIGH = "0.5%", "99.5%"
"""Default limits of images that are not 8-bit."""

MOST_VALUES = 1 << 24
"""Above this many values, percentiles are computed from evenly spaced rows."""


@dataclass(frozen=True)
class Contrast:
    """The contrast settings of a user, checked on creation.

    Attributes
    ----------
    low, high
        One limit for all channels or one for each; None for the default.
    joint
        Whether all channels share one pair of limits (which keeps hues) or each has its own; None
        for the default.
    gamma
        Exponent for the values between the limits, scaled to 0 to 1; below 1 brightens shadows.
    clahe
        Clip limit of the local histogram equalisation, 0 for none.
    background
        Radius in pixels of the rolling ball for background subtraction, 0 for none.
    """

    low: Limit | Sequence[Limit] | None = None
    high: Limit | Sequence[Limit] | None = None
    joint: bool | None = None
    gamma: float = 1.0
    clahe: float = 0.0
    background: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises
        ------
        ImageError
            With the option, its value and what it must be.
        """
        for name, limits in (("low", self.low), ("high", self.high)):
            for limit in _each(limits):
                _checked(name, limit)
        lows, highs = _each(self.low), _each(self.high)
        for low, high in zip(*_paired(lows, highs), strict=False):
            kind = [isinstance(limit, str) for limit in (low, high)]
            if kind[0] == kind[1] and _number(low) >= _number(high):
                raise ImageError(f"low = {low} is not below high = {high}; swap or change them.")
        if not (isinstance(self.gamma, (int, float)) and 0.01 <= self.gamma <= 100):
            raise ImageError(f"gamma = {self.gamma} must be a number from 0.01 to 100.")
        if not 0 <= self.clahe <= 1:
            raise ImageError(
                f"clahe = {self.clahe} must be a clip limit from 0 (off) to 1; 0.01 is usual."
            )
        if not (self.background == 0 or 1 <= self.background <= 10_000):
            raise ImageError(
                f"background = {self.background:g} must be 0 (off) or a radius from 1 to 10000 "
                "pixels, larger than the objects."
            )

    @property
    def is_open(self) -> bool:
        """Whether both limits are left at the default."""
        return self.low is None and self.high is None

    def limits(self, number: int, low: Limit, high: Limit) -> list[tuple[Limit, Limit]]:
        """Return (low, high) for each of `number` channels; the arguments are the defaults.

        Raises
        ------
        ImageError
            If there are limits for another number of channels.
        """
        pairs = []
        for name, given, default in (("low", self.low, low), ("high", self.high, high)):
            each = _each(given) or [default]
            if len(each) not in (1, number):
                raise ImageError(
                    f"{name} has {len(each)} limits for {number} channels; give one for all, or "
                    "one for each."
                )
            pairs.append(each * number if len(each) == 1 else each)
        return list(zip(*pairs, strict=True))


def parse_limit(text: str) -> Limit:
    """Parse a limit such as ``120`` or ``2%``.

    Raises
    ------
    ImageError
        If it is neither a number nor a percentile.

    Examples
    --------
    >>> parse_limit("120"), parse_limit("2%")
    (120.0, '2%')
    """
    return _checked("limit", text.strip() if text.strip().endswith("%") else text)


def find_limits(
    channels: Sequence[NDArray[Any]], limits: Sequence[tuple[Limit, Limit]], *, joint: bool
) -> list[tuple[float, float]]:
    """Turn limits into values of the image.

    Parameters
    ----------
    channels
        Real arrays. NaN and infinity are ignored.
    limits
        (low, high) for each channel.
    joint
        Whether percentiles are computed over all channels together.

    Returns
    -------
    list of (float, float)
        The values for black and white of each channel. If both percentiles coincide (a small
        object on a flat background), the minimum and maximum are used.

    Raises
    ------
    ImageError
        If a limit is a percentile and there is no finite value.
    """
    percentiles = [_number(limit) for pair in limits for limit in pair if isinstance(limit, str)]
    if not percentiles:
        return [(float(low), float(high)) for low, high in limits]
    sample = 0 not in percentiles and 100 not in percentiles  # a sample seldom has the extremes
    known = [_finite_halves(channel, sample=sample) for channel in channels]
    if not any(values.size for values in known):
        raise ImageError("The image contains only NaN and infinity, so there is nothing to show.")
    if joint:
        known = [np.concatenate(known)] * len(known) if len(known) > 1 else known
    found: dict[tuple[int, Limit, Limit], tuple[float, float]] = {}
    results = []
    for values, (low, high) in zip(known, limits, strict=True):
        key = (id(values), low, high)
        if key not in found:
            found[key] = _values_of(values, low, high)
        results.append(found[key])
    return results


def scaled(
    channel: NDArray[Any], limits: tuple[float, float], gamma: float = 1.0
) -> NDArray[np.float32]:
    """Map black to 0 and white to 1, and clip values outside.

    Parameters
    ----------
    channel
        Real array. NaN and infinity become 0.
    limits
        The values for black and white. If they are equal, values above them are white.
    gamma
        Exponent of the result.

    Returns
    -------
    numpy.ndarray
        ``float32``, a new array of the same shape.

    Examples
    --------
    >>> scaled(np.array([100, 150, 300], np.uint16), (100, 200))
    array([0. , 0.5, 1. ], dtype=float32)
    """
    dtype = channel.dtype
    if dtype.kind == "b":
        return scaled(channel.view(np.uint8), limits, gamma)
    bits = 8 * dtype.itemsize
    if dtype.kind in "ui" and bits <= 16 and channel.size > 1 << bits:
        # Every possible value, once.
        unsigned = np.dtype(f"u{dtype.itemsize}")
        table = np.arange(1 << bits, dtype=unsigned).view(f"{dtype.kind}{dtype.itemsize}")
        native = channel.astype(dtype.newbyteorder("="), copy=False)
        return _scaled(table, limits, gamma)[native.view(unsigned)]
    return _scaled(channel, limits, gamma)


def to_8_bit(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round 0 to 1 to 0 to 255."""
    return np.rint(values * np.float32(255)).astype(np.uint8)


def _scaled(
    channel: NDArray[Any], limits: tuple[float, float], gamma: float
) -> NDArray[np.float32]:
    # 16-bit values and float32 fit into float32; wider types need float64.
    narrow = channel.dtype.itemsize <= 2 or channel.dtype == np.float32
    values: NDArray[Any] = channel.astype(np.float32 if narrow else np.float64)
    # Halved, so that the difference of two extreme floats cannot overflow.
    values *= 0.5
    bottom, top = limits[0] * 0.5, limits[1] * 0.5
    unknown = None if channel.dtype.kind in "ui" else ~np.isfinite(values)
    if unknown is not None:
        values[unknown] = bottom
    if not bottom < top:
        return (values > bottom).astype(np.float32)
    np.clip(values, bottom, top, out=values)
    values -= values.dtype.type(bottom)
    values /= values.dtype.type(top - bottom)
    if gamma != 1:
        np.power(values, gamma, out=values)
    return values.astype(np.float32, copy=False)


def _finite_halves(channel: NDArray[Any], *, sample: bool) -> NDArray[Any]:
    """The finite values, flat and halved, so that their differences cannot overflow."""
    if sample and channel.size > MOST_VALUES:
        channel = channel[:: math.ceil(channel.size / MOST_VALUES)]
    wide = np.float64 if channel.dtype.itemsize > 4 else np.float32
    halves: NDArray[Any] = channel.astype(wide).ravel()
    halves *= 0.5
    return halves if channel.dtype.kind in "bui" else halves[np.isfinite(halves)]


def _values_of(halves: NDArray[Any], low: Limit, high: Limit) -> tuple[float, float]:
    if halves.size == 0:
        return 0.0, 0.0
    wanted = [_number(limit) for limit in (low, high) if isinstance(limit, str)]
    found = iter(2 * np.percentile(halves, wanted).astype(np.float64))
    bottom, top = (
        float(next(found)) if isinstance(limit, str) else float(limit) for limit in (low, high)
    )
    if bottom == top and len(wanted) == 2:
        bottom, top = 2 * float(halves.min()), 2 * float(halves.max())
    return bottom, top


def _each(limits: Limit | Sequence[Limit] | None) -> list[Limit]:
    if limits is None:
        return []
    if isinstance(limits, (str, int, float, np.integer, np.floating)):
        return [limits]
    return list(limits)


def _paired(lows: list[Limit], highs: list[Limit]) -> tuple[list[Limit], list[Limit]]:
    if not lows or not highs:
        return [], []
    longest = max(len(lows), len(highs))
    return (
        lows * longest if len(lows) == 1 else lows,
        highs * longest if len(highs) == 1 else highs,
    )


def _number(limit: Limit) -> float:
    return float(limit.removesuffix("%")) if isinstance(limit, str) else float(limit)


def _checked(name: str, limit: Any) -> Limit:
    try:
        number = _number(limit)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ImageError(
            f"{name} = {limit!r} is neither a number nor a percentile such as '2%'; give one."
        )
    if isinstance(limit, str) and not limit.endswith("%"):
        return number
    if isinstance(limit, str) and not 0 <= number <= 100:
        raise ImageError(f"{name} = {limit} must be a percentile from 0% to 100%.")
    return limit if isinstance(limit, str) else number
