"""Outlines of things, and their rasterisation to patches.

A shape is a list of closed polygons (``float`` n×2, x then y) filled by the even–odd rule, so a
second polygon inside the first is a hole. Shapes are created around the origin with a radius of
about 1; `place` moves them to their position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from recipes.small.drawing.canvas import Patch

Polygon = NDArray[np.float64]
Shape = list[Polygon]
Rng = np.random.Generator

_SHIFT = 4
_TURN = 2 * np.pi


def place(
    shape: Shape,
    centre: tuple[float, float],
    radius: float,
    angle: float = 0.0,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> Shape:
    """Stretch a shape along its axes, rotate it by ``angle`` (radians), scale and move it."""
    c, s = np.cos(angle) * radius, np.sin(angle) * radius
    turn = np.array([[c * stretch[0], s * stretch[0]], [-s * stretch[1], c * stretch[1]]])
    return [polygon @ turn + centre for polygon in shape]


def rasterise(shape: Shape, size: int) -> Patch | None:
    """Coverage of a shape on a canvas of side ``size``; None if it is outside.

    OpenCV also fills the outline, so shapes become about half a pixel larger on each side.
    """
    outer = shape[0]
    x0, y0 = np.maximum(np.floor(outer.min(0)) - 1, 0).astype(int)
    x1, y1 = np.minimum(np.ceil(outer.max(0)) + 2, size).astype(int)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    alpha = np.zeros((y1 - y0, x1 - x0), np.uint8)
    scale = 1 << _SHIFT
    points = [np.round((p - (x0, y0)) * scale).astype(np.int32) for p in shape]
    cv2.fillPoly(alpha, points, 255, cv2.LINE_AA, _SHIFT)
    return Patch(int(y0), int(x0), alpha)


def stroke(branches: Sequence[tuple[Polygon, NDArray[np.float64]]], size: int) -> Patch | None:
    """Coverage of lines of changing width.

    Parameters
    ----------
    branches
        Pairs of points (n×2) and full widths in pixels (n).
    size
        Side of the canvas.
    """
    reach = max(float(w.max()) for _, w in branches) / 2 + 2
    low = np.min([p.min(0) for p, _ in branches], 0) - reach
    high = np.max([p.max(0) for p, _ in branches], 0) + reach
    x0, y0 = np.maximum(np.floor(low), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(high), size).astype(int)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    # Drawn at twice the size and averaged, for half-pixel widths and smooth edges at joints.
    big = np.zeros((2 * (y1 - y0), 2 * (x1 - x0)), np.uint8)
    for points, widths in branches:
        p = np.round((points - (x0 - 0.25, y0 - 0.25)) * 2 * 4).astype(np.int32)
        w = np.maximum(1, np.round(widths * 2)).astype(int)
        cuts = np.flatnonzero(np.diff(w)) + 1
        starts = np.concatenate([[0], cuts])
        ends = np.concatenate([cuts, [len(w) - 1]])
        for a, b in zip(starts, ends, strict=True):
            if b > a:
                cv2.polylines(big, [p[a : b + 1]], False, 255, int(w[a]), cv2.LINE_8, 2)
    alpha = cv2.resize(big, (int(x1 - x0), int(y1 - y0)), interpolation=cv2.INTER_AREA)
    return Patch(int(y0), int(x0), alpha)


def polar(radii: NDArray[np.float64]) -> Polygon:
    """Polygon from radii at equal angles."""
    t = np.linspace(0, _TURN, len(radii), endpoint=False)
    return np.stack([radii * np.cos(t), radii * np.sin(t)], 1)


def ellipse(rng: Rng, flattest: float = 0.35) -> Shape:
    """Circle or ellipse."""
    t = np.linspace(0, _TURN, 40, endpoint=False)
    b = 1.0 if rng.random() < 0.25 else rng.uniform(flattest, 1)
    return [np.stack([np.cos(t), b * np.sin(t)], 1)]


def blob(rng: Rng, roughness: float = 0.35, lowest: int = 1) -> Shape:
    """Smooth closed curve: a circle with a few harmonics."""
    t = np.linspace(0, _TURN, 56, endpoint=False)
    k = np.arange(lowest, lowest + rng.integers(2, 6))
    size = rng.normal(0, roughness / k**0.8)
    r = 1 + (size[:, None] * np.cos(k[:, None] * t + rng.uniform(0, _TURN, len(k))[:, None])).sum(0)
    r = np.clip(r, 0.25, None)
    return [polar(r / r.max())]


def rectangle(rng: Rng) -> Shape:
    """Rectangle, sharp or with rounded corners (a superellipse)."""
    a = rng.uniform(0.12, 1)
    if rng.random() < 0.5:
        return [np.array([[-1, -a], [1, -a], [1, a], [-1, a]])]
    t = np.linspace(0, _TURN, 48, endpoint=False)
    power = rng.uniform(0.1, 0.6)
    c, s = np.cos(t), np.sin(t)
    return [np.stack([np.sign(c) * np.abs(c) ** power, a * np.sign(s) * np.abs(s) ** power], 1)]


def polygon(rng: Rng) -> Shape:
    """Triangle to nonagon, regular or not."""
    n = int(rng.integers(3, 10))
    if rng.random() < 0.35:
        return [polar(np.ones(n))]
    t = np.sort(rng.uniform(0, _TURN, n))
    r = rng.uniform(0.45, 1, n)
    return [np.stack([r * np.cos(t), r * np.sin(t)], 1)]


def star(rng: Rng) -> Shape:
    """Star, gear or flower."""
    n = int(rng.integers(4, 14))
    inner = rng.uniform(0.35, 0.85)
    style = rng.integers(3)
    if style == 0:
        return [polar(np.tile([1, inner], n))]
    if style == 1:
        return [polar(np.tile([1, 1, inner, inner], n))]
    t = np.linspace(0, _TURN, 10 * n, endpoint=False)
    return [polar(inner + (1 - inner) * np.abs(np.cos(n * t / 2)) ** rng.uniform(0.4, 1.5))]


def crescent(rng: Rng) -> Shape:
    """Crescent, banana or bow."""
    t = np.linspace(-1, 1, 24)
    bend, thick = rng.uniform(0.2, 0.9), rng.uniform(0.15, 0.5)
    body = thick * np.sqrt(np.clip(1 - t**2, 0, None))
    mid = bend * (1 - t**2) - bend / 2
    upper, lower = np.stack([t, mid + body], 1), np.stack([t, mid - body], 1)
    return [np.concatenate([upper, lower[::-1]])]


def leaf(rng: Rng) -> Shape:
    """Leaf from tip (-1, 0) to stalk (1, 0), sometimes with a toothed or lobed edge."""
    t = np.linspace(0, 1, 60)
    width = rng.uniform(0.15, 0.6)
    edge = width * np.sin(np.pi * t ** rng.uniform(0.5, 1.6)) ** rng.uniform(0.6, 1.3)
    if rng.random() < 0.5:
        teeth = rng.integers(3, 14)
        edge = edge * (1 - rng.uniform(0.1, 0.6) * np.abs(np.sin(teeth * np.pi * t)))
    bend = rng.normal(0, 0.15) * np.sin(np.pi * t)
    x = 2 * t - 1
    upper = np.stack([x, bend + edge], 1)
    lower = np.stack([x, bend - edge], 1)
    return [np.concatenate([upper, lower[::-1]])]


def ring(rng: Rng) -> Shape:
    """Any simple outline with a hole."""
    outer = [ellipse, ellipse, rectangle, blob, star][rng.integers(5)](rng)
    hole = outer[0] * rng.uniform(0.3, 0.8)
    return [outer[0], hole]


def turned(rng: Rng) -> Shape:
    """Silhouette of a lathe-turned object (bottle, vase, lamp, pin), upright on the y axis."""
    n = int(rng.integers(4, 8))
    knots = rng.uniform(0.12, 0.6, n)
    y = np.linspace(-1, 1, 40)
    half = np.interp(y, np.linspace(-1, 1, n), knots)
    if rng.random() < 0.7:
        half = np.convolve(np.pad(half, 3, "edge"), np.ones(7) / 7, "valid")
    right, left = np.stack([half, y], 1), np.stack([-half, y], 1)
    return [np.concatenate([right, left[::-1]])]


def mirrored(rng: Rng) -> Shape:
    """Silhouette with mirror symmetry: moths, tools, masks, shields."""
    r = rng.uniform(0.3, 1, 8)
    t = np.linspace(0, np.pi, 40)
    half = np.interp(t, np.linspace(0, np.pi, 8), r)
    if rng.random() < 0.6:
        half = np.convolve(np.pad(half, 2, "reflect"), np.ones(5) / 5, "valid")
    return [polar(np.concatenate([half, half[-2:0:-1]]))]


def limb(rng: Rng) -> Shape:
    """Bent, tapering arm."""
    n = 24
    heading = np.cumsum(rng.normal(0, 0.12, n)) + np.linspace(0, rng.normal(0, 0.9), n)
    mid = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0) / n * 2
    mid -= mid.mean(0)
    t = np.linspace(0, 1, n)
    half = np.interp(t, [0, 0.5, 1], rng.uniform(0.05, 0.28, 3)) * np.sqrt(
        np.clip(1 - (2 * t - 1) ** 8, 0.02, None)
    )
    normal = np.stack([-np.sin(heading), np.cos(heading)], 1)
    return [np.concatenate([mid + normal * half[:, None], (mid - normal * half[:, None])[::-1]])]


_SHAPES: tuple[tuple[Callable[[Rng], Shape], float], ...] = (
    (ellipse, 3),
    (blob, 5),
    (rectangle, 2.5),
    (polygon, 2),
    (star, 1.2),
    (crescent, 1),
    (leaf, 1.5),
    (ring, 1),
    (turned, 1.2),
    (mirrored, 1.2),
    (limb, 2),
)
_MAKERS = [maker for maker, _ in _SHAPES]
_CHANCES = np.array([weight for _, weight in _SHAPES]) / sum(weight for _, weight in _SHAPES)


def random_shape(rng: Rng) -> Shape:
    """Any of the outlines above, sometimes squeezed."""
    shape = _MAKERS[rng.choice(len(_MAKERS), p=_CHANCES)](rng)
    if rng.random() < 0.3:
        return place(shape, (0, 0), 1.0, 0.0, (1.0, rng.uniform(0.35, 1)))
    return shape
