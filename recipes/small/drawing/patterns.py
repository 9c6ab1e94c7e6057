"""A bank of surface patterns, made once: noise, stripes, cobbles, fur, weave, bricks, spots."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator

PATTERN_SIZE = 384
_GREY_LEVELS_PER_SIGMA = 40.0
_SEED = 7
_CHROMA = 0.35


def _octaves(rng: Rng, channels: int, first: int, decay: float) -> NDArray[np.float32]:
    n = PATTERN_SIZE
    out = np.zeros((n, n, channels), np.float32)
    size, weight = first, 1.0
    while size <= n:
        grid = rng.normal(0, 1, (size, size, channels)).astype(np.float32)
        grid = cv2.resize(grid, (n, n), interpolation=cv2.INTER_CUBIC)
        out += weight * grid.reshape(n, n, channels)
        size *= 2
        weight *= decay
    if channels == 3:
        # Real surfaces vary in brightness more than in hue.
        out = _CHROMA * out + (1 - _CHROMA) * 1.7 * out.mean(2, keepdims=True)
    return out


def clouds(rng: Rng) -> NDArray[np.float32]:
    """Noise that is strongest at large scales."""
    return _octaves(rng, int(rng.choice([1, 3])), int(rng.integers(3, 8)), rng.uniform(0.4, 0.65))


def grain(rng: Rng) -> NDArray[np.float32]:
    """Noise of equal strength at all scales: sand, plaster, asphalt."""
    return _octaves(rng, int(rng.choice([1, 3])), int(rng.integers(12, 64)), rng.uniform(0.7, 1.1))


def camouflage(rng: Rng) -> NDArray[np.float32]:
    """Patches of two or three colours."""
    field = _octaves(rng, 1, int(rng.integers(6, 24)), 0.4)[..., 0]
    levels = np.digitize(field, np.quantile(field, np.sort(rng.uniform(0.2, 0.8, 2))))
    return rng.normal(0, 1, (3, 3)).astype(np.float32)[levels]


def _warped_phase(rng: Rng) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    n = PATTERN_SIZE
    y, x = np.mgrid[:n, :n].astype(np.float32)
    wobble = _octaves(rng, 2, 3, 0.3) * np.float32(rng.choice([0, 3, 12]))
    a = rng.uniform(0, np.pi)
    x, y = x + wobble[..., 0], y + wobble[..., 1]
    return (
        np.float32(np.cos(a)) * x + np.float32(np.sin(a)) * y,
        np.float32(np.cos(a)) * y - np.float32(np.sin(a)) * x,
    )


def stripes(rng: Rng) -> NDArray[np.float32]:
    """Waves or hard stripes, straight or wavy."""
    u, _ = _warped_phase(rng)
    wave = np.sin(u * np.float32(np.exp(rng.uniform(np.log(0.08), np.log(1.2)))))
    if rng.random() < 0.5:
        wave = np.tanh(wave * 6)
    return wave[..., None] * rng.normal(0, 1, 3).astype(np.float32)


def plaid(rng: Rng) -> NDArray[np.float32]:
    """Crossed stripes and checks."""
    u, v = _warped_phase(rng)
    f = np.exp(rng.uniform(np.log(0.06), np.log(0.6), 2)).astype(np.float32)
    a, b = np.tanh(np.sin(u * f[0]) * 5), np.tanh(np.sin(v * f[1]) * 5)
    if rng.random() < 0.4:
        return (a * b)[..., None] * rng.normal(0, 1, 3).astype(np.float32)
    colours = rng.normal(0, 1, (2, 3)).astype(np.float32)
    return a[..., None] * colours[0] + b[..., None] * colours[1]


def weave(rng: Rng) -> NDArray[np.float32]:
    """Fine cloth."""
    u, v = _warped_phase(rng)
    f = np.float32(rng.uniform(0.7, 1.6))
    cloth = np.maximum(np.sin(u * f), np.sin(v * f))
    return cloth[..., None] + 0.5 * _octaves(rng, 1, 48, 0.8) * np.float32(rng.uniform(0, 0.5))


def bricks(rng: Rng) -> NDArray[np.float32]:
    """Bricks, planks or tiles with joints."""
    n = PATTERN_SIZE
    bh, bw = int(rng.integers(8, 40)), int(rng.integers(14, 120))
    y, x = np.mgrid[:n, :n]
    row = y // bh
    x = x + (row % 2) * (bw // 2) * int(rng.integers(0, 2)) + row * int(rng.choice([0, 0, 37]))
    tone = rng.normal(0, 1, (n // bh + 2, (n * 40) // bw + 2)).astype(np.float32)
    out = tone[row, x // bw] * np.float32(rng.uniform(0.2, 1))
    joint = (y % bh < 1 + bh // 14) | (x % bw < 1 + bh // 14)
    out[joint] = rng.choice([-2.5, 2.5])
    return out[..., None] + 0.3 * _octaves(rng, 1, 32, 0.8)


def _nearest_seed(rng: Rng, count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    n = PATTERN_SIZE
    empty = np.full((n, n), 255, np.uint8)
    empty[tuple(rng.integers(0, n, (2, count)))] = 0
    return cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)


def cobbles(rng: Rng) -> NDArray[np.float32]:
    """Stones, scales or gravel: nearest seeds, darker in between."""
    count = int(np.exp(rng.uniform(np.log(100), np.log(4000))))
    far, label = _nearest_seed(rng, count)
    count = int(label.max()) + 1
    tone = rng.normal(0, 1, (count, 1)) + rng.normal(0, rng.uniform(0, 0.6), (count, 3))
    tone = tone.astype(np.float32)
    depth = far * (np.sqrt(count) / PATTERN_SIZE).astype(np.float32)
    return tone[label] * np.float32(rng.uniform(0.3, 1.2)) - 2 * depth[..., None]


def fur(rng: Rng) -> NDArray[np.float32]:
    """Fur, grass, straw, brushed metal: noise smeared along one direction."""
    n = PATTERN_SIZE
    length = int(rng.integers(7, 41))
    kernel = np.zeros((length, length), np.float32)
    a = rng.uniform(0, np.pi)
    c = length // 2
    tip = (round(c + c * np.cos(a)), round(c + c * np.sin(a)))
    cv2.line(kernel, (2 * c - tip[0], 2 * c - tip[1]), tip, 1.0)
    noise = rng.normal(0, 1, (n, n, 1)) + rng.normal(0, rng.uniform(0, 0.6), (n, n, 3))
    noise = noise.astype(np.float32)
    smeared = cv2.filter2D(noise, -1, kernel / kernel.sum()).reshape(n, n, -1)
    return smeared * 3 + 0.5 * _octaves(rng, 1, 6, 0.5)


def wood(rng: Rng) -> NDArray[np.float32]:
    """Wood: stretched, ring-like bands."""
    n = PATTERN_SIZE
    field = cv2.resize(
        rng.normal(0, 1, (int(rng.integers(3, 7)), 3)).astype(np.float32)
        if rng.random() < 0.5
        else rng.normal(0, 1, (3, int(rng.integers(3, 7)))).astype(np.float32),
        (n, n),
        interpolation=cv2.INTER_CUBIC,
    )
    bands = np.sin(field * np.float32(rng.uniform(8, 30)))
    return bands[..., None] + 0.6 * fur(rng).mean(2, keepdims=True)


def spots(rng: Rng) -> NDArray[np.float32]:
    """Round spots on a plain background: sprinkles, pebbles, ladybirds."""
    n = PATTERN_SIZE
    out = np.zeros((n, n, 3), np.float32)
    big = int(np.exp(rng.uniform(np.log(1.5), np.log(7))))
    colours = rng.normal(0, 1.5, (int(rng.integers(1, 5)), 3))
    for _ in range(int(0.35 * n * n / (3 * big * big))):
        x, y = (int(v) for v in rng.integers(0, n, 2))
        colour = tuple(float(c) for c in colours[rng.integers(len(colours))])
        cv2.circle(out, (x, y), max(1, int(big * rng.uniform(0.4, 1.1))), colour, -1)
    return cv2.GaussianBlur(out, (0, 0), 0.7)


def foliage(rng: Rng) -> NDArray[np.float32]:
    """Small overlapping leaves, dark in between."""
    n = PATTERN_SIZE
    out = np.full((n, n, 3), -2.0, np.float32)
    length = rng.uniform(5, 20)
    tint = rng.normal(0, 0.5, 3)
    for _ in range(int(1.1 * n * n / (length * length))):
        x, y = (int(v) for v in rng.integers(0, n, 2))
        tone = rng.normal(0, 1)
        axes = (int(length * rng.uniform(0.5, 1)), max(1, int(length * rng.uniform(0.15, 0.5))))
        colour = tuple(float(c) for c in tone + tint)
        cv2.ellipse(out, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    return cv2.GaussianBlur(out, (0, 0), 0.6)


def veins(rng: Rng) -> NDArray[np.float32]:
    """Marble: sharp ridges of smooth noise."""
    field = _octaves(rng, 1, int(rng.integers(4, 12)), 0.5)
    return -np.log(np.abs(field) + 0.05) + 0.3 * _octaves(rng, 1, 16, 0.7)


_FAMILIES: dict[str, tuple[Callable[[Rng], NDArray[np.float32]], int]] = {
    "clouds": (clouds, 8),
    "grain": (grain, 10),
    "camouflage": (camouflage, 4),
    "stripes": (stripes, 6),
    "plaid": (plaid, 4),
    "weave": (weave, 3),
    "bricks": (bricks, 4),
    "cobbles": (cobbles, 7),
    "fur": (fur, 8),
    "wood": (wood, 3),
    "spots": (spots, 4),
    "foliage": (foliage, 5),
    "veins": (veins, 3),
}


@lru_cache(maxsize=32)
def pattern_bank(names: tuple[str, ...] = ()) -> tuple[NDArray[np.uint8], ...]:
    """Return patterns (``uint8`` n×n×3, mean 128, deviation 40) of the named families, or all.

    The bank is always the same, so scenes depend only on their own seed.
    """
    return tuple(tile for name in names or tuple(_FAMILIES) for tile in _family(name))


@cache
def _family(name: str) -> tuple[NDArray[np.uint8], ...]:
    maker, count = _FAMILIES[name]
    rng = np.random.default_rng([_SEED, sum(name.encode())])
    tiles = []
    for _ in range(count):
        tile = maker(rng)
        tile = (tile - tile.mean()) * (_GREY_LEVELS_PER_SIGMA / (tile.std() + 1e-6)) + 128
        tile = np.broadcast_to(np.clip(tile, 0, 255), (PATTERN_SIZE, PATTERN_SIZE, 3))
        tiles.append(np.ascontiguousarray(tile.astype(np.uint8)))
    return tuple(tiles)
