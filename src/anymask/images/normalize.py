"""Convert any image to the ``uint8`` H×W×3 RGB that the model takes.

Arrays are never converted silently: :func:`check_rgb` refuses anything but 8-bit RGB, and
:func:`to_rgb` is a visible step that users can replace by their own. An :class:`Image` says what
its values mean, so it is shown as :func:`to_rgb` does by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.background import equalize, subtract_background
from anymask.images.composite import Color, composite
from anymask.images.contrast import (
    HIGH,
    LOW,
    Contrast,
    Limit,
    find_limits,
    scaled,
    to_8_bit,
)
from anymask.images.image import Choice, Image
from anymask.images.planes import Planes, describe, is_spectral, planes_of


def check_rgb(image: Any) -> None:
    """Refuse anything but a ``uint8`` H×W×3 NumPy array with at least one pixel.

    Raises
    ------
    ImageError
        With the dtype and shape found, and the function that converts it.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"The image is a {type(image).__module__}.{type(image).__name__}, not a NumPy array "
            "of uint8 H×W×3; convert it with anymask.to_rgb(image) or read the file with "
            "anymask.read_rgb(path)."
        )
    if image.size == 0:
        raise ImageError(
            f"The image is empty (shape {image.shape}); give one with at least one pixel."
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ImageError(
            f"The image is {describe(image)} while the model takes uint8 RGB of shape H×W×3; "
            "convert it with anymask.to_rgb(image)."
        )


def rgb_of(image: Any) -> Any:
    """Return an :class:`Image` as :func:`to_rgb` shows it by default; anything else as it is.

    Everything that takes 8-bit RGB passes it through this, so that an image that was read from a
    file can be given wherever its RGB can.
    """
    return to_rgb(image) if isinstance(image, Image) else image


def to_rgb(
    image: Any,
    *,
    channels: Sequence[int | str] | int | str | None = None,
    colors: Sequence[Color] | None = None,
    low: Limit | Sequence[Limit] | None = None,
    high: Limit | Sequence[Limit] | None = None,
    percentiles: tuple[float, float] | None = None,
    window: tuple[float, float] | None = None,
    joint: bool | None = None,
    gamma: float = 1.0,
    clahe: bool | float = False,
    background: float = 0.0,
    t: Choice = None,
    z: Choice = None,
) -> NDArray[np.uint8]:
    """Convert an image of any bit depth and number of channels to ``uint8`` RGB.

    By default:

    - 8-bit values stay as they are, beside holes too, and a ``uint8`` H×W×3 array is returned as
      the same object.
    - Grayscale is repeated into three equal channels. Alpha is dropped without blending.
    - ``bool`` becomes 0 and 255.
    - All other values are stretched: the 0.5 % and 99.5 % percentiles become 0 and 255, and values
      outside are clipped. Red, green and blue samples share one stretch, which keeps hues; other
      channels have one each. If both percentiles coincide (a small object on a flat background),
      the minimum and maximum are used. An image without contrast becomes black.
    - DICOM is shown with the window in its file.
    - If channels are named red, green and blue, these three are shown with one stretch, and
      others, such as near infrared, are not.
    - Two to eight other channels of an :class:`Image` are each shown in a colour and added up. The
      colours come from the dyes in the channel names where known.
    - A spectral cube with wavelengths is shown in true colour, or by its first three principal
      components if it does not cover the visible range (see :func:`anymask.pseudo_rgb`).
    - NaN, infinity and what the file says is "no data" become 0.

    Parameters
    ----------
    image
        An :class:`Image`; an array H×W, H×W×1, H×W×3 or H×W×4 of a boolean, integer or float
        dtype, or H×W×C with `channels` or `colors`; or anything NumPy converts to such an array
        (a Pillow image, nested lists, a tensor on the CPU). Pass arrays with other axes as
        ``Image(array, "ZCYX")``.
    channels
        Indices from 0, or names in the file. One channel is shown in gray, three as red, green
        and blue, and any number in `colors`.
    colors
        A colour for each channel: ``"cyan"``, ``"#ff8800"``, or red, green and blue from 0 to 1.
    low, high
        The limits for black and white: a value, or a percentile such as ``"2%"``; one for all
        channels or one for each. ``"0%"`` and ``"100%"`` are the minimum and maximum. Above 16
        million pixels, percentiles are computed from evenly spaced rows.
    percentiles
        Short form: ``(2, 98)`` is ``low="2%", high="98%"``.
    window
        The limits as a window (level, width): black is half a width below the level.
    joint
        Whether percentiles are computed over all channels together.
    gamma
        Exponent for the values between black (0) and white (1); below 1 brightens shadows.
    clahe
        Local histogram equalisation: True, or a clip limit (True means 0.01).
    background
        Radius in pixels of a rolling ball that subtracts uneven background, before other steps.
    t, z
        For a stack: an index, ``"middle"``, or a projection, ``"max"`` or ``"mean"``.

    Returns
    -------
    numpy.ndarray
        ``uint8`` array H×W×3.

    Raises
    ------
    ImageError
        If the array is empty, not an image (number of dimensions or channels), not numeric, has
        no finite value, or an option does not fit it.

    Examples
    --------
    >>> ramp = np.array([[0, 1000, 4000]], dtype=np.uint16)
    >>> to_rgb(ramp, percentiles=(0, 100))[..., 0]
    array([[  0,  64, 255]], dtype=uint8)
    >>> to_rgb(ramp, low=0, high=2000, gamma=0.5)[..., 0]
    array([[  0, 180, 255]], dtype=uint8)
    >>> cells = np.array([[[4000, 0], [0, 4000]]], dtype=np.uint16)
    >>> to_rgb(cells, colors=["green", "#ff00ff"], low=0, high=4000).tolist()
    [[[0, 255, 0], [255, 0, 255]]]
    """
    contrast = contrast_of(low, high, percentiles, window, joint, gamma, clahe, background)
    if isinstance(image, Image):
        image = image.plane(t, z)
        if channels is None and colors is None and is_spectral(image):
            return _spectral(image, contrast)
    return rendered(planes_of(image, channels, colors), contrast)


def contrast_of(
    low: Any = None,
    high: Any = None,
    percentiles: tuple[float, float] | None = None,
    window: tuple[float, float] | None = None,
    joint: bool | None = None,
    gamma: float = 1.0,
    clahe: bool | float = False,
    background: float = 0.0,
) -> Contrast:
    """Return the contrast that options of `to_rgb` ask for."""
    low, high = _one_pair(low, high, percentiles, window)
    return Contrast(low, high, joint, gamma, 0.01 if clahe is True else clahe, background)


def _one_pair(
    low: Any,
    high: Any,
    percentiles: tuple[float, float] | None,
    window: tuple[float, float] | None,
) -> tuple[Any, Any]:
    """Limits from `low` and `high`, `percentiles` or `window`."""
    given = [
        name
        for name, value in (
            ("low/high", low if low is not None else high),
            ("percentiles", percentiles),
            ("window", window),
        )
        if value is not None
    ]
    if len(given) > 1:
        raise ImageError(f"{' and '.join(given)} set the same limits; give only one of them.")
    if percentiles is not None:
        least, most = percentiles
        if not 0 <= least < most <= 100:
            raise ImageError(
                f"percentiles = ({least:g}, {most:g}) must be two increasing numbers from 0 to 100."
            )
        return f"{float(least)}%", f"{float(most)}%"
    if window is not None:
        return window_limits(window)
    return low, high


def window_limits(window: tuple[float, float]) -> tuple[float, float]:
    """Return the values for black and white of a window (level, width).

    Raises
    ------
    ImageError
        If the width is not above 0.

    Examples
    --------
    >>> window_limits((40, 400))
    (-160.0, 240.0)
    """
    level, width = (float(number) for number in window)
    if not (width > 0 and np.isfinite([level, width]).all()):
        raise ImageError(
            f"The window (level {level:g}, width {width:g}) must have a width above 0."
        )
    return level - width / 2, level + width / 2


def _is_finished(planes: Planes, contrast: Contrast) -> bool:
    """Whether there is nothing to do: 8-bit RGB and default contrast."""
    return planes.whole is not None and planes.window is None and contrast == Contrast()


def rendered(
    planes: Planes, contrast: Contrast, limits: Sequence[tuple[float, float]] | None = None
) -> NDArray[np.uint8]:
    """Show channels.

    Parameters
    ----------
    planes : Planes
    contrast : Contrast
    limits : sequence of (float, float), optional
        The values for black and white of each channel, as `limits_of` found them; by default those
        of these channels.

    Returns
    -------
    ndarray
        ``uint8`` H×W×3.
    """
    if _is_finished(planes, contrast):
        assert planes.whole is not None
        return planes.whole
    channels = planes.channels
    if contrast.background:
        # One channel after another, because each takes as much memory as the image in float32.
        channels = [subtract_background(channel, contrast.background) for channel in channels]
    if limits is None:
        limits = limits_of(planes, contrast, channels)
    pairs = zip(channels, limits, strict=True)
    parts = (scaled(channel, limits, contrast.gamma) for channel, limits in pairs)
    if planes.colors is not None:
        if contrast.clahe:
            parts = (equalize(part, contrast.clahe) for part in parts)
        return to_8_bit(composite(parts, planes.colors))
    if contrast.clahe and len(channels) == 1:
        parts = (equalize(part, contrast.clahe) for part in parts)
    elif contrast.clahe:
        parts = (p for p in np.moveaxis(equalize(np.stack(list(parts), -1), contrast.clahe), -1, 0))
    rgb = np.empty((*channels[0].shape, 3), np.uint8)
    for sample, part in enumerate(parts):
        shown = to_8_bit(part)
        for target in (sample,) if len(channels) == 3 else range(3):
            rgb[..., target] = shown
    return rgb


def limits_of(
    planes: Planes, contrast: Contrast, channels: Sequence[NDArray[Any]] | None = None
) -> list[tuple[float, float]]:
    """Return the values for black and white of each channel.

    Parameters
    ----------
    planes : Planes
    contrast : Contrast
    channels : sequence of array, optional
        Its channels without their background, if that is subtracted.
    """
    channels = planes.channels if channels is None else channels
    joint = planes.joint if contrast.joint is None else contrast.joint
    return find_limits(channels, _wanted(planes, contrast), joint=joint)


def fixed_limits(planes: Planes, contrast: Contrast) -> list[tuple[float, float]] | None:
    """Return the values for black and white; None if they depend on those of the image."""
    wanted = _wanted(planes, contrast)
    if any(isinstance(limit, str) for pair in wanted for limit in pair):
        return None
    return [(float(low), float(high)) for low, high in wanted]


def _wanted(planes: Planes, contrast: Contrast) -> list[tuple[Limit, Limit]]:
    """The limits of each channel, which may be percentiles."""
    low: Limit = LOW
    high: Limit = HIGH
    stored = None if contrast.background else planes.dtype
    if planes.window is not None and contrast.is_open:
        low, high = window_limits(planes.window)
    elif stored == np.dtype(np.uint8):
        low, high = 0.0, 255.0
    elif stored == np.dtype(np.bool_):
        low, high = 0.0, 1.0
    if contrast.is_open and contrast.background:
        low, high = "0%", HIGH
    return contrast.limits(len(planes.channels), low, high)


def _spectral(image: Image, contrast: Contrast) -> NDArray[np.uint8]:
    from anymask.images.pseudo_rgb import default_recipe, render

    return render(image, default_recipe(image), contrast).rgb
