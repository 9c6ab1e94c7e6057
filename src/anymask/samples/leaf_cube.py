"""The sample ``leaf_cube``: six leaves and a white panel on soil, as from an imaging spectrometer.

Shapes are drawn at four times the resolution and averaged, so that pixels at outlines are mixtures,
as in real cubes.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.samples.reflectances import (
    Leaf,
    inner_reflectance,
    panel_reflectance,
    soil_reflectance,
)

HEIGHT, WIDTH = 200, 280
WAVELENGTHS = np.arange(400.0, 1301.0, 5.0)
SCALE = 10_000
"""Stored values are reflectance times this factor, which is in the header."""

PANEL = (12, 226, 34, 42)
"""Top, left, height and width of the white panel."""

_FINER = 4
_SEED = 20_240_501
# The sensor is less sensitive at short wavelengths and between its two detectors.
_BAD = (400.0, 405.0, 1000.0)


@dataclass(frozen=True)
class _Blade:
    """The position and outline of a leaf, in pixels."""

    kind: str
    leaf: Leaf
    x: float
    y: float
    length: float
    width: float
    angle: float
    """Angle of the axis from stalk to tip, in degrees clockwise from the right."""
    teeth: int = 0
    lobes: int = 0
    veins: int = 7


_BLADES = (
    _Blade("healthy", Leaf(1.0), 62, 62, 92, 44, -58, teeth=22),
    _Blade("healthy", Leaf(1.2, plateau=0.47), 118, 82, 96, 38, -80, teeth=0),
    _Blade("chlorotic", Leaf(0.25, 0.5, plateau=0.53), 176, 66, 84, 42, -112, teeth=18),
    _Blade("senescent", Leaf(0.05, 0.75, brown=0.5, water=0.35), 64, 146, 90, 50, 24, lobes=4),
    _Blade("red", Leaf(0.8, 0.6, anthocyanin=1.1), 232, 116, 84, 42, 66, teeth=26),
    _Blade("healthy", Leaf(0.8, water=1.3, plateau=0.51), 160, 148, 98, 46, 6, lobes=3),
)


def write_leaf_cube(folder: Path) -> None:
    """Write ``leaf_cube.hdr``, ``.raw``, ``.labels.tif`` and ``.csv`` to a folder."""
    import tifffile
    from spectral.io import envi

    cube, labels = leaf_cube()
    envi.save_image(
        str(folder / "leaf_cube.hdr"),
        cube,
        dtype=np.uint16,
        interleave="bil",
        byteorder=0,
        ext=".raw",
        force=True,
        metadata={
            "description": "Leaves, soil and a white panel; computed, not measured",
            "sensor type": "Computed",
            "wavelength units": "Nanometers",
            "wavelength": [f"{nm:g}" for nm in WAVELENGTHS],
            "bbl": [str(int(nm not in _BAD)) for nm in WAVELENGTHS],
            "reflectance scale factor": str(SCALE),
            "data ignore value": "65535",
        },
    )
    tifffile.imwrite(folder / "leaf_cube.labels.tif", labels, compression="zlib", metadata=None)
    with (folder / "leaf_cube.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "kind", "pixels"))
        for number, kind in enumerate((*(blade.kind for blade in _BLADES), "white panel"), 1):
            writer.writerow((number, kind, int(np.count_nonzero(labels == number))))


def leaf_cube() -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Compute the cube and its truth.

    Returns
    -------
    cube : ndarray, uint16, (200, 280, 181)
        Reflectance times ``SCALE``; the same numbers every time.
    labels : ndarray, uint16, (200, 280)
        1 to 6 are leaves, 7 is the panel, 0 is soil: whichever covers most of each pixel.
    """
    rng = np.random.default_rng(_SEED)
    shape = (HEIGHT, WIDTH)
    light = 1.0 + 0.05 * _noise(rng, shape, 60)
    soil_brightness = 1 + 0.20 * _noise(rng, shape, 3) + 0.12 * _noise(rng, shape, 14)
    shares = np.zeros((len(_BLADES) + 2, *shape))
    shares[0] = 1
    soil = soil_reflectance(WAVELENGTHS)
    shade = np.ones(shape)
    surfaces = [soil_brightness[..., None] * soil]
    for number, blade in enumerate(_BLADES, 1):
        cover, along, across = _draw(blade)
        shade *= 1 - 0.45 * np.roll(_blurred(cover, 2.5), (3, 3), (0, 1)) * (1 - cover)
        shares[:number] *= 1 - cover
        shares[number] = cover
        surfaces.append(_blade_surface(rng, blade, along, across))
    cover = _panel_cover()
    shares[:-1] *= 1 - cover
    shares[-1] = cover
    surfaces.append(np.broadcast_to(panel_reflectance(WAVELENGTHS), (*shape, len(WAVELENGTHS))))
    cube = np.zeros((*shape, len(WAVELENGTHS)))
    for share, surface in zip(shares, surfaces, strict=True):
        cube += share[..., None] * surface
    # Leaves cast shadows on the soil; infrared light passes through leaves above.
    cube *= (light * shade)[..., None]
    cube += _sensor_noise(rng, cube)
    labels = shares.argmax(axis=0).astype(np.uint16)
    return np.clip(np.rint(cube * SCALE), 0, 65_534).astype(np.uint16), labels


def _draw(
    blade: _Blade,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The share of each pixel that a leaf covers, and the pixel's position on the leaf.

    The position runs along the axis from 0 at the stalk to 1 at the tip, and across from -1 to 1.
    """
    fine_y, fine_x = np.mgrid[: HEIGHT * _FINER, : WIDTH * _FINER]
    x, y = (fine_x + 0.5) / _FINER - 0.5 - blade.x, (fine_y + 0.5) / _FINER - 0.5 - blade.y
    cos, sin = math.cos(math.radians(blade.angle)), math.sin(math.radians(blade.angle))
    along = (x * cos + y * sin) / blade.length + 0.5
    sideways = -x * sin + y * cos
    sideways = sideways + 0.04 * blade.length * np.sin(math.pi * along)  # the axis is slightly bent
    inside = (along > 0) & (along < 1)
    t = np.clip(along, 0, 1)
    half = 0.5 * blade.width * _outline(t, blade)
    ratio = np.where(half > 0, sideways / np.maximum(half, 1e-9), 9.0)
    stalk = (along > -0.16) & (along <= 0.05) & (np.abs(sideways) < 1.3)
    cover = (inside & (np.abs(ratio) < 1)) | stalk
    return _averaged(cover), _averaged(t), np.clip(_averaged(np.clip(ratio, -1, 1)), -1, 1)


def _outline(t: NDArray[np.float64], blade: _Blade) -> NDArray[np.float64]:
    """Half width along the axis, 1 at the widest."""
    half = np.sin(math.pi * t**0.80) ** 0.85 * (1 - 0.25 * t)
    if blade.lobes:
        half = half * (0.72 + 0.28 * np.cos(2 * math.pi * blade.lobes * (t - 0.08)))
    if blade.teeth:
        half = half * (1 + 0.07 * (((t * blade.teeth) % 1) - 0.5))
    return half / half.max()


def _blade_surface(
    rng: np.random.Generator,
    blade: _Blade,
    along: NDArray[np.float64],
    across: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Reflectance (H, W, C) with pale veins, patches of chlorophyll and one brighter half."""
    shape = along.shape
    middle = np.exp(-0.5 * (across / 0.05) ** 2)
    side = np.cos(2 * math.pi * (blade.veins * (along - 0.28 * np.abs(across))))
    side_veins = np.clip((side - 0.90) / 0.10, 0, 1) * (np.abs(across) < 0.92)
    veins = np.maximum(middle, 0.6 * side_veins)
    patches = 1 + 0.14 * _noise(rng, shape, 5) + 0.12 * _noise(rng, shape, 16)
    chlorophyll = blade.leaf.chlorophyll * np.clip(patches * (1 - 0.55 * veins), 0.02, None)
    tilt = 1 + 0.07 * np.tanh(4 * across) + 0.05 * _noise(rng, shape, 8)
    return inner_reflectance(WAVELENGTHS, blade.leaf, chlorophyll) * tilt[..., None]


def _panel_cover() -> NDArray[np.float64]:
    top, left, height, width = PANEL
    cover = np.zeros((HEIGHT, WIDTH))
    cover[top : top + height, left : left + width] = 1
    return cover


def _sensor_noise(rng: np.random.Generator, cube: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise that grows with the signal and where the sensor is less sensitive."""
    weak = 1 + 5 * np.exp(-(WAVELENGTHS - 400) / 12) + 2 * np.exp((WAVELENGTHS - 1300) / 40)
    weak[np.isin(WAVELENGTHS, _BAD)] *= 12
    deviation = np.sqrt(0.0015**2 + (0.006**2) * np.clip(cube, 0, None)) * weak
    return deviation * rng.standard_normal(cube.shape, dtype=np.float32)


def _noise(rng: np.random.Generator, shape: tuple[int, int], size: float) -> NDArray[np.float64]:
    """Smooth noise with mean 0 and standard deviation 1, in patches about `size` pixels wide."""
    noise = _blurred(rng.standard_normal(shape), size / 2)
    return (noise - noise.mean()) / noise.std()


def _blurred(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(values, sigma, mode="reflect")


def _averaged(fine: NDArray[np.generic]) -> NDArray[np.float64]:
    return fine.astype(np.float64).reshape(HEIGHT, _FINER, WIDTH, _FINER).mean(axis=(1, 3))
