"""Surfaces: colour palettes, a bank of patterns, and looks that shade them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from recipes.small.drawing.patterns import pattern_bank

Rng = np.random.Generator


class Palette:
    """A rule for choosing the colours of a scene, so that they go together."""

    def __init__(self, rng: Rng) -> None:
        self.rng = rng
        self.mode = str(
            rng.choice(
                ["any", "natural", "narrow", "grey", "duotone"], p=[0.22, 0.38, 0.15, 0.12, 0.13]
            )
        )
        self._base = _natural(rng)
        self._other = _natural(rng)
        self._spread = float(rng.uniform(15, 45))

    def colour(self) -> NDArray[np.float32]:
        """Choose a random RGB colour (``float32`` of length 3, 0–255)."""
        rng = self.rng
        if self.mode == "any":
            return rng.uniform(0, 255, 3).astype(np.float32)
        if self.mode == "natural":
            return _natural(rng)
        if self.mode == "grey":
            return np.full(3, rng.uniform(10, 245), np.float32)
        base = self._base
        if self.mode == "duotone" and rng.random() < 0.5:
            base = self._other
        shade = rng.normal(0, self._spread)
        return np.clip(base + shade + rng.normal(0, 10, 3), 0, 255).astype(np.float32)


@lru_cache(maxsize=1)
def _natural_table() -> NDArray[np.float32]:
    # Mean hue, saturation and value of objects in photographs: greens, earth, skin, sky, greys.
    rows = [
        (45, 90, 110), (40, 120, 80), (15, 90, 130), (12, 110, 190), (10, 80, 220),
        (105, 70, 200), (105, 120, 130), (20, 40, 180), (0, 0, 60), (0, 0, 130),
        (0, 0, 215), (25, 160, 210), (0, 190, 170), (115, 160, 110), (30, 30, 235),
    ]  # fmt: skip
    return np.array(rows, np.float32)


def _natural(rng: Rng) -> NDArray[np.float32]:
    table = _natural_table()
    hsv = table[rng.integers(len(table))] + rng.normal(0, 1, 3) * (6, 30, 35)
    hsv = np.clip(hsv, 0, (400, 255, 255)) % (180, 256, 256)
    pixel = cv2.cvtColor(hsv.astype(np.uint8).reshape(1, 1, 3), cv2.COLOR_HSV2RGB)
    return pixel[0, 0].astype(np.float32)


@dataclass
class Look:
    """Appearance of a surface: a colour, a pattern or a piece of a photograph, and its shading.

    Attributes
    ----------
    colour
        Mean RGB colour, ``float32``.
    tile
        Pattern (``uint8`` n×m×3 around 128) or photograph; None for a plain surface.
    gain
        Factor on the pattern's difference from 128, per channel.
    zoom
        Scale of the pattern: canvas pixels per pattern pixel.
    light
        Shading as (kind, strength, x, y): 0 none, 1 slope, 2 ball, 3 cylinder.
    share
        Largest fraction of the tile's height and width to show. It is below 1 for photographs: a
        piece looks like a surface, but the whole would show objects.
    """

    rng: Rng
    colour: NDArray[np.float32]
    tile: NDArray[np.uint8] | None = None
    gain: NDArray[np.floating] | np.floating | float = 1.0
    zoom: float = 1.0
    light: tuple[int, float, float, float] = (0, 0.0, 0.0, 0.0)
    share: float = 1.0

    def __call__(self, h: int, w: int) -> NDArray[np.float32]:
        """Colours (``float32`` h×w×3) of a box of this surface, from a random part of the tile."""
        rng = self.rng
        if self.tile is None:
            out = np.empty((h, w, 3), np.float32)
            out[:] = self.colour
        else:
            th, tw = self.tile.shape[:2]
            scale = min(1.0 / self.zoom, self.share * th / h, self.share * tw / w)
            ch, cw = max(2, int(h * scale)), max(2, int(w * scale))
            y, x = int(rng.integers(0, th - ch + 1)), int(rng.integers(0, tw - cw + 1))
            crop = self.tile[y : y + ch, x : x + cw]
            if (ch, cw) != (h, w):
                crop = cv2.resize(crop, (w, h), interpolation=cv2.INTER_LINEAR)
            out = crop.astype(np.float32)
            out -= 128
            out *= self.gain
            out += self.colour
        kind, strength, lx, ly = self.light
        if kind:
            out *= _shading(kind, strength, lx, ly, h, w)
        return out

    def again(self, spread: float = 8.0) -> Look:
        """Return a similar surface: a slightly different colour in the same light."""
        colour = self.colour + self.rng.normal(0, spread, 3) * 0.5 + self.rng.normal(0, spread)
        return Look(
            self.rng,
            colour.astype(np.float32),
            self.tile,
            self.gain,
            self.zoom,
            self.light,
            self.share,
        )


def _shading(
    kind: int, strength: float, lx: float, ly: float, h: int, w: int
) -> NDArray[np.float32]:
    y = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, w, dtype=np.float32)[None]
    if kind == 1:
        field = 1 + np.float32(strength) * (np.float32(lx) * x + np.float32(ly) * y)
    elif kind == 2:
        far = (x - np.float32(0.6 * lx)) ** 2 + (y - np.float32(0.6 * ly)) ** 2
        field = np.float32(1 + 0.25 * strength) - np.float32(0.55 * strength) * far
    else:
        across = (x if abs(lx) > abs(ly) else y) - np.float32(
            0.5 * (lx if abs(lx) > abs(ly) else ly)
        )
        field = np.float32(1 + 0.2 * strength) - np.float32(0.6 * strength) * across * across
        field = np.broadcast_to(field, (h, w))
    return np.maximum(field, 0.12)[..., None]


def random_light(rng: Rng) -> tuple[int, float, float, float]:
    """Choose a random shading for `Look.light`."""
    angle = rng.uniform(0, 2 * np.pi)
    kind = int(rng.choice(4, p=[0.3, 0.25, 0.28, 0.17]))
    return kind, float(rng.uniform(0.15, 0.8)), float(np.cos(angle)), float(np.sin(angle))


def random_look(
    rng: Rng, palette: Palette, photo: Callable[[], NDArray[np.uint8] | None] | None = None
) -> Look:
    """Choose a random look.

    Parameters
    ----------
    rng
        Random generator.
    palette
        Source of the colour.
    photo
        Returns a real image or None; if given, some looks are pieces of such an image.
    """
    light = random_light(rng)
    kind = rng.random()
    if photo is not None and kind < 0.35:
        picture = photo()
        if picture is not None:
            gain = np.float32(rng.uniform(0.6, 1.2))
            colour = np.full(3, 128, np.float32)
            if rng.random() < 0.5:
                colour += rng.normal(0, 30, 3).astype(np.float32)
            if palette.mode == "grey":
                picture = cv2.cvtColor(
                    cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB
                )
            share = float(rng.uniform(0.12, 0.5))
            return Look(rng, colour, picture, gain, float(rng.uniform(0.8, 3)), light, share)
    colour = palette.colour()
    if kind > 0.85:
        return Look(rng, colour, light=light)
    bank = pattern_bank()
    tile = bank[rng.integers(len(bank))]
    strength = float(np.exp(rng.uniform(np.log(0.08), np.log(1.0))))
    gains = np.full(3, strength, np.float32)
    if palette.mode != "grey" and rng.random() < 0.4:
        gains *= rng.uniform(0.3, 1.2, 3).astype(np.float32)
    zoom = float(np.exp(rng.uniform(np.log(0.5), np.log(3.0))))
    return Look(rng, colour, tile, gains, zoom, light)


def pattern_look(
    rng: Rng,
    colour: NDArray[np.float32],
    names: tuple[str, ...],
    strength: float,
    zoom: float = 1.0,
) -> Look:
    """Return a look with a pattern of one of the named families, around a colour."""
    bank = pattern_bank(names)
    tile = bank[rng.integers(len(bank))]
    return Look(rng, np.asarray(colour, np.float32), tile, np.float32(strength), zoom)


def relief(
    alpha: NDArray[np.uint8], light: tuple[float, float], depth: float
) -> NDArray[np.float32]:
    """Shade a shape as if it were raised towards the viewer.

    Parameters
    ----------
    alpha
        Coverage, ``uint8`` h×w.
    light
        Direction (x, y) towards the light.
    depth
        Strength, about 0–1.

    Returns
    -------
    numpy.ndarray
        ``float32`` factor h×w×1 around 1.
    """
    h, w = alpha.shape
    scale = min(1.0, 40 / max(h, w))
    small = cv2.resize(
        alpha, (max(4, round(w * scale)), max(4, round(h * scale))), interpolation=cv2.INTER_AREA
    )
    small = cv2.copyMakeBorder(small, 2, 2, 2, 2, cv2.BORDER_REPLICATE)
    height = cv2.GaussianBlur(small.astype(np.float32) / 255, (0, 0), max(small.shape) / 9)
    gx = cv2.Sobel(height, cv2.CV_32F, 1, 0)
    gy = cv2.Sobel(height, cv2.CV_32F, 0, 1)
    lit = -(gx * light[0] + gy * light[1])[2:-2, 2:-2]
    field = cv2.resize(lit, (w, h), interpolation=cv2.INTER_LINEAR)
    return np.clip(1 + depth * 1.6 * field, 0.25, 1.7)[..., None]


def smooth_field(rng: Rng, size: int, knots: int = 4) -> NDArray[np.float32]:
    """Smooth random field S×S with about zero mean, unit deviation and ``knots`` bumps per side."""
    grid = rng.normal(0, 1, (knots + 1, knots + 1)).astype(np.float32)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)


def noise_field(rng: Rng, size: int) -> NDArray[np.float32]:
    """White noise S×S with unit deviation, cut from a fixed table at a random position."""
    table = _noise_table()
    n = table.shape[0]
    y, x = (int(v) for v in rng.integers(0, n, 2))
    reps = -(-(size + n) // n)
    rows = np.tile(np.arange(n), reps)[y : y + size]
    cols = np.tile(np.arange(n), reps)[x : x + size]
    out = table[rows][:, cols]
    return out[::-1] if rng.random() < 0.5 else out


@lru_cache(maxsize=1)
def _noise_table() -> NDArray[np.float32]:
    return np.random.default_rng(20).normal(0, 1, (521, 521)).astype(np.float32)
