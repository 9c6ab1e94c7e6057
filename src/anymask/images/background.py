"""Background subtraction and local contrast, for fluorescence and other dark-field images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def subtract_background(channel: NDArray[Any], radius: float) -> NDArray[np.float32]:
    """Subtract the background by the rolling-ball method.

    Stanley Sternberg, "Biomedical image processing", Computer 16 (1983), 22–34. Values are first
    scaled to 0 to 255 between minimum and maximum, so that the result does not depend on their
    unit. For a large ball, the background is found in a copy reduced by local minima.

    Parameters
    ----------
    channel
        Real array (H, W), with objects brighter than the background.
    radius
        Radius of the ball in pixels; larger than the objects.

    Returns
    -------
    numpy.ndarray
        ``float32`` (H, W) in the unit of `channel`, never below 0; NaN where `channel` is not
        finite.

    Examples
    --------
    >>> slope = np.tile(np.linspace(100, 105, 40), (40, 1))
    >>> slope[20, 20] += 80
    >>> flat = subtract_background(slope, 10)
    >>> bool(flat[20, 20] > 78), bool(np.median(flat) < 1)
    (True, True)
    """
    from scipy.ndimage import minimum_filter, zoom
    from skimage.restoration import rolling_ball

    values: NDArray[Any] = channel.astype(np.float64 if channel.dtype.itemsize > 4 else np.float32)
    unknown = ~np.isfinite(values)
    known = values[~unknown]
    least = known.min() if known.size else 0.0
    span = (known.max() if known.size else 0.0) - least
    if span == 0 or not np.isfinite(span):
        return np.where(unknown, np.nan, 0).astype(np.float32)
    surface = ((values - least) * (255 / span)).astype(np.float32)
    surface[unknown] = 0
    step = 1 if radius <= 10 else min(8, math.ceil(radius / 12))
    coarse = (
        surface
        if step == 1
        else minimum_filter(surface, step)[step // 2 :: step, :][:, step // 2 :: step]
    )
    if 0 in coarse.shape:
        coarse, step = surface, 1
    ground = rolling_ball(coarse, radius=radius / step)
    if step > 1:
        factors = [long / short for long, short in zip(surface.shape, ground.shape, strict=True)]
        ground = zoom(ground, factors, order=1, mode="nearest", grid_mode=True)
    surface -= np.minimum(ground, surface)
    surface *= span / 255
    surface[unknown] = np.nan
    return surface


def equalize(image: NDArray[np.float32], clip_limit: float) -> NDArray[np.float32]:
    """Equalise the histogram locally with limited contrast (CLAHE).

    Karel Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV (1994).

    Parameters
    ----------
    image
        ``float32`` (H, W) or (H, W, 3) from 0 to 1. Hue and saturation of RGB are kept.
    clip_limit
        Above 0 and at most 1; a higher limit gives more contrast.

    Returns
    -------
    numpy.ndarray
        ``float32`` of the same shape, from 0 to 1. An image without contrast is returned unchanged.
    """
    from skimage.exposure import equalize_adapthist

    if image.min() == image.max():
        return image
    return equalize_adapthist(image, clip_limit=clip_limit).astype(np.float32)
