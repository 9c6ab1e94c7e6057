"""Colours for masks: a fixed list whose first colours are the easiest to tell apart.

The colour of a mask depends only on its id, so that an object keeps its colour when others are
added, removed or hidden. The list is made by farthest-point selection in CIELAB: each colour is
the one farthest from all before it. So the first twenty, which usually go to the largest objects of
an image, are the easiest to tell apart. After 256 colours the list repeats.
"""

from __future__ import annotations

from functools import cache

import numpy as np

PALETTE_SIZE = 256

# sRGB to CIE XYZ (D65), divided by the white point: rows give X/Xn, Y/Yn, Z/Zn.
_RGB_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """Convert uint8 sRGB colours (..., 3) to CIELAB under D65 as float64 (..., 3).

    >>> rgb_to_lab(np.array([255, 255, 255], np.uint8)).round(1).tolist()[0]
    100.0
    """
    value = np.asarray(rgb, np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _RGB_TO_XYZ.T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@cache
def palette() -> np.ndarray:
    """Return the `PALETTE_SIZE` colours as a read-only uint8 array (256, 3).

    None is near black, white or grey, because images are full of those.
    """
    steps = np.linspace(0, 255, 18).round()
    candidates = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    lab = rgb_to_lab(candidates)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] > 40) & (lab[:, 0] < 88) & (chroma > 35)
    candidates, lab = candidates[usable], lab[usable]

    first = np.linalg.norm(candidates - np.array([30, 144, 255]), axis=1).argmin()
    chosen = [int(first)]
    distance = np.linalg.norm(lab - lab[first], axis=1)
    while len(chosen) < PALETTE_SIZE:
        farthest = int(distance.argmax())
        chosen.append(farthest)
        distance = np.minimum(distance, np.linalg.norm(lab - lab[farthest], axis=1))
    colours = candidates[chosen].astype(np.uint8)
    colours.setflags(write=False)
    return colours


def colours_of(ids: np.ndarray) -> np.ndarray:
    """Return the colour of every id (1, 2, …) as uint8 (..., 3).

    >>> bool((colours_of(np.array([1, 2])) == palette()[:2]).all())
    True
    """
    index = (np.asarray(ids).astype(np.int64) - 1) % PALETTE_SIZE
    return palette()[index]
