"""Synthetic images that look like breast ultrasound, with masks of their lesions.

They have the difficulties of real ones: layered tissue, speckle along the beam, attenuation with
depth, dark lesions with soft and irregular margins, the shadow below a lesion or the bright band
below a cyst, and dark rib shadows that are not lesions. They contain no patient data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

HEIGHT, WIDTH = 256, 320

Picture = tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]


def draw_ultrasound(seed: int) -> Picture:
    """Draw an image and its lesions; the same seed always gives the same image.

    Parameters
    ----------
    seed : int

    Returns
    -------
    image : (256, 320) uint8 array
    masks : list of (256, 320) bool arrays
        One lesion, sometimes two.

    Examples
    --------
    >>> image, masks = draw_ultrasound(0)
    >>> image.shape, bool(image[masks[0]].mean() < image[~masks[0]].mean())
    ((256, 320), True)
    """
    rng = np.random.default_rng(seed)
    echo, depth = _tissue(rng), np.linspace(0, 1, HEIGHT)[:, None]
    masks: list[NDArray[np.bool_]] = []
    for _ in range(2 if rng.random() < 0.4 else 1):
        mask = _lesion(rng)
        if not any((ndimage.binary_dilation(mask, iterations=12) & other).any() for other in masks):
            masks.append(mask)
            echo = _put(echo, mask, rng)
    echo = echo * _rib_shadow(rng)
    echo = echo * np.exp(-rng.uniform(0.3, 1.0) * depth)
    # Speckle: the magnitude of many random echoes, coarser across the beam than along it.
    waves = [
        ndimage.gaussian_filter(rng.normal(size=echo.shape), (0.8, 1.6 + 0.8 * rng.random()))
        for _ in range(2)
    ]
    speckle = np.hypot(*waves)
    signal = echo * speckle / speckle.mean() + 0.01
    # Scanners show the logarithm of the echo.
    shown = 1 + np.log10(signal / np.quantile(signal, 0.995)) / rng.uniform(1.4, 1.8)
    return (255 * shown.clip(0, 1)).astype(np.uint8), masks


def write_ultrasound(folder: str | Path, count: int = 40, seed: int = 0) -> Path:
    """Write synthetic images with masks, named as in the BUSI data set.

    The lesion of ``benign (1).png`` is in ``benign (1)_mask.png``, and a second one in
    ``benign (1)_mask_1.png``.

    Parameters
    ----------
    folder : str or path
        Created if missing.
    count : int
    seed : int
        Seed of the first image.

    Returns
    -------
    Path
        The folder.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        image, masks = draw_ultrasound(seed + number - 1)
        name = f"benign ({number})"
        Image.fromarray(image).save(target / f"{name}.png")
        for index, mask in enumerate(masks):
            end = f"_mask_{index}" if index else "_mask"
            Image.fromarray(mask.astype(np.uint8) * 255).save(target / f"{name}{end}.png")
    return target


def _tissue(rng: np.random.Generator) -> NDArray[np.float64]:
    """Echo strength of wavy layers of skin, fat, gland and muscle."""
    x = np.linspace(0, 1, WIDTH)
    y = np.arange(HEIGHT)[:, None] / HEIGHT
    echo = np.full((HEIGHT, WIDTH), rng.uniform(0.25, 0.4))
    bounds = [0.04, rng.uniform(0.15, 0.28), rng.uniform(0.62, 0.75), rng.uniform(0.82, 0.9)]
    strengths = [rng.uniform(0.16, 0.3), rng.uniform(0.4, 0.7), rng.uniform(0.2, 0.3), 0.5]
    for bound, strength in zip(bounds, strengths, strict=True):
        wave = sum(
            rng.normal(0, 0.012) * np.sin(2 * np.pi * (k * x + rng.random())) for k in range(1, 5)
        )
        echo = np.where(y > bound + wave, strength, echo)
        # Layers are separated by a bright line.
        echo = echo + 0.5 * rng.random() * np.exp(-(((y - bound - wave) / 0.008) ** 2))
    strands = ndimage.gaussian_filter(rng.normal(size=echo.shape), (3, 14))
    echo = echo * np.exp(0.35 * strands / strands.std())
    smooth: NDArray[np.float64] = ndimage.gaussian_filter(echo, 1.5)
    return smooth


def _lesion(rng: np.random.Generator) -> NDArray[np.bool_]:
    """An ellipse, wider than high, with a margin from smooth to lobed."""
    width = rng.uniform(22, 62)
    height = width * rng.uniform(0.5, 0.95)
    cx = rng.uniform(width + 8, WIDTH - width - 8)
    cy = rng.uniform(0.3 * HEIGHT, 0.68 * HEIGHT)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    tilt = rng.normal(0, 0.2)
    u = ((x - cx) * np.cos(tilt) + (y - cy) * np.sin(tilt)) / width
    v = ((y - cy) * np.cos(tilt) - (x - cx) * np.sin(tilt)) / height
    angle, rough = np.arctan2(v, u), rng.uniform(0.01, 0.05)
    margin = 1 + sum(
        rng.normal(0, rough) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in range(2, 9)
    )
    inside: NDArray[np.bool_] = np.hypot(u, v) < margin
    return inside


def _put(
    echo: NDArray[np.float64], mask: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Darken a lesion, and the tissue below it; brighten the tissue below a cyst."""
    soft = ndimage.gaussian_filter(mask.astype(np.float64), rng.uniform(1.0, 3.0))
    is_cyst = rng.random() < 0.35
    inside = rng.uniform(0.02, 0.05) if is_cyst else rng.uniform(0.08, 0.2)
    texture = np.exp(0.2 * ndimage.gaussian_filter(rng.normal(size=echo.shape), 4) * 8)
    echo = echo * (1 - soft) + inside * texture * soft
    above = np.cumsum(mask, 0) / max(1, mask.sum(0).max())
    below = ndimage.gaussian_filter((above * ~mask), (2, 4))
    change = rng.uniform(0.4, 0.9) if is_cyst else -rng.uniform(0.3, 0.75)
    return echo * (1 + change * below)


def _rib_shadow(rng: np.random.Generator) -> NDArray[np.float64]:
    """Sometimes a dark vertical stripe, which is not a lesion."""
    light = np.ones((HEIGHT, WIDTH))
    if rng.random() < 0.5:
        x, start = rng.uniform(0, WIDTH), rng.uniform(0.1, 0.5)
        stripe = np.exp(-(((np.arange(WIDTH) - x) / rng.uniform(8, 22)) ** 2))
        down = 1 / (1 + np.exp(-40 * (np.linspace(0, 1, HEIGHT)[:, None] - start)))
        light -= rng.uniform(0.3, 0.7) * stripe * down
    return light
