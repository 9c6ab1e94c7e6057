"""Sections of tissue: glands with lumens and packed nuclei, spindles in the stroma between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recipes.small.drawing import shapes
from recipes.small.drawing.canvas import KEEP_LABELS, Canvas, intersect
from recipes.small.drawing.shapes import place, rasterise, stroke
from recipes.small.drawing.textures import Look, pattern_look, smooth_field

_TURN = 2 * np.pi

Rgb = tuple[float, float, float]


class _Stain(NamedTuple):
    """Colours of a stained section, with one or two kinds of nuclei."""

    stroma: Rgb
    body: Rgb
    nuclei: tuple[Rgb, Rgb]


_STAINS = (
    # Haematoxylin and eosin.
    _Stain((230, 185, 210), (215, 160, 195), ((105, 65, 145), (130, 85, 160))),
    # Brown membranes or cytoplasm, blue nuclei.
    _Stain((216, 220, 234), (165, 112, 66), ((132, 132, 166), (112, 116, 160))),
    # Brown nuclei among blue ones.
    _Stain((226, 224, 230), (205, 205, 220), ((125, 80, 45), (120, 125, 175))),
    # Trichrome: blue fibres, red cells, dark nuclei.
    _Stain((120, 155, 205), (200, 110, 120), ((80, 40, 70), (95, 50, 90))),
)


class _Nuclei:
    """Nuclei of one section: similar, and never overlapping."""

    def __init__(self, canvas: Canvas, stain: _Stain) -> None:
        rng, size = canvas.rng, canvas.size
        self.canvas = canvas
        self.length = size * np.exp(rng.uniform(np.log(0.009), np.log(0.035)))
        self.aspect = float(rng.uniform(0.35, 0.9))
        self.soft = float(rng.uniform(0.4, 1.2))
        self.contrast = float(rng.choice([9.0, 14.0, 20.0]))
        self.pale = float(rng.uniform(0, 0.4))
        self.rim = rng.random() < 0.4
        self.other = float(rng.choice([0.0, rng.uniform(0, 1)]))
        self.looks = [
            pattern_look(
                rng, _shifted(rng, tone), ("grain", "clouds", "spots"), rng.uniform(0.1, 0.5), 0.6
            )
            for tone in stain.nuclei
        ]
        self._cell = max(2, int(1.2 * self.length * self.aspect))
        side = size // self._cell + 2
        self._taken = np.zeros((side, side), bool)

    def add(self, x: float, y: float, angle: float, aspect: float, group: int) -> None:
        """Paint one nucleus, unless another is already there."""
        canvas, rng, size = self.canvas, self.canvas.rng, self.canvas.size
        if not (0 <= x < size and 0 <= y < size):
            return
        row, column = int(y) // self._cell, int(x) // self._cell
        if self._taken[row, column]:
            return
        self._taken[row, column] = True
        outline = shapes.blob(rng, 0.12, 2)
        length = self.length * rng.uniform(0.75, 1.25)
        patch = rasterise(place(outline, (x, y), length, angle, (1.0, aspect)), size)
        if patch is None:
            return
        look = self.looks[int(rng.random() < self.other)].again(10)
        below = canvas.image[int(y), int(x)]
        look.colour = look.colour + np.float32(self.pale * rng.uniform(0, 1.6)) * (
            below - look.colour
        )
        soft = min(self.soft, 0.25 * length * aspect)
        canvas.paint(patch, look, group=group, soft=soft, contrast=self.contrast)
        if self.rim:
            canvas.outline(patch, look.colour * np.float32(0.75), 1.0)


def _shifted(rng: np.random.Generator, tone: Rgb, spread: float = 14.0) -> NDArray[np.float32]:
    return np.clip(np.array(tone) + rng.normal(0, spread, 3), 5, 250).astype(np.float32)


def _add_gland(canvas: Canvas, nuclei: _Nuclei, look: Look, radial: bool) -> None:
    rng, size = canvas.rng, canvas.size
    radius = size * rng.uniform(0.12, 0.55)
    at = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
    turn, squeeze = rng.uniform(0, _TURN), (1.0, float(rng.uniform(0.5, 1.0)))
    outline = shapes.blob(rng, 0.2, 2)
    whole = rasterise(place(outline, at, radius, turn, squeeze), size)
    if whole is None:
        return
    group = canvas.new_group()
    canvas.paint(whole, look.again(12), group=group, soft=1.0)
    hole = float(rng.uniform(0.08, 0.55))
    rays = []
    for t in rng.uniform(0, _TURN, int(rng.integers(0, 90))):
        outwards = np.array([np.cos(t), np.sin(t)])
        ends = np.stack([hole * outwards, outwards]) * radius + at
        rays.append((ends, np.full(2, rng.uniform(1, 2.5))))
    if rays and radial:
        # Radial cell borders.
        lines = stroke(rays, size)
        dark = look.colour * np.float32(rng.uniform(0.5, 0.85))
        if lines is not None:
            canvas.paint(intersect(lines, whole), dark, region=KEEP_LABELS, soft=0.6, opacity=0.7)
    if rng.random() < 0.8:
        lumen = place(shapes.blob(rng, 0.3, 2), at, radius * hole, turn, squeeze)
        white = Look(rng, np.full(3, rng.uniform(215, 248), np.float32))
        canvas.paint(rasterise(lumen, size), white, group=group, soft=0.8)
    room = (radius / nuclei.length) ** 2 / nuclei.aspect
    for _ in range(int(min(500, room * rng.uniform(0.15, 0.6)))):
        t = rng.uniform(0, _TURN)
        far = radius * (hole + 0.08 + (0.9 - hole) * rng.random() ** 0.7)
        across = np.array([far * np.cos(t), squeeze[1] * far * np.sin(t)])
        x = at[0] + across[0] * np.cos(turn) - across[1] * np.sin(turn)
        y = at[1] + across[0] * np.sin(turn) + across[1] * np.cos(turn)
        angle = t + turn + rng.normal(0, 0.2) if radial else rng.uniform(0, _TURN)
        nuclei.add(x, y, angle, nuclei.aspect * rng.uniform(0.8, 1.2), group)


def draw_tissue(canvas: Canvas) -> None:
    """Draw a stained section: nuclei, lumens and whole glands are regions."""
    rng, size = canvas.rng, canvas.size
    stain = _STAINS[rng.choice(len(_STAINS), p=[0.4, 0.35, 0.15, 0.1])]
    strength = rng.uniform(0.1, 0.5)
    stroma = pattern_look(
        rng, _shifted(rng, stain.stroma), ("fur", "clouds", "veins", "grain"), strength, 1.5
    )
    canvas.image[:] = stroma(size, size)
    if rng.random() < 0.5:
        gaps = np.clip((smooth_field(rng, size, int(rng.integers(4, 12))) - 1) * 5, 0, 1)
        canvas.image += gaps[..., None] * (np.float32(238) - canvas.image)
    nuclei = _Nuclei(canvas, stain)
    body = pattern_look(
        rng, _shifted(rng, stain.body), ("fur", "grain", "clouds"), rng.uniform(0.1, 0.6)
    )
    radial = rng.random() < 0.7
    for _ in range(int(rng.integers(0, 6))):
        _add_gland(canvas, nuclei, body, radial)
    flow = rng.uniform(0, _TURN) + 0.6 * smooth_field(rng, size, 3)
    spindle = float(rng.uniform(0.2, 0.8))
    density = np.exp(rng.uniform(np.log(0.02), np.log(0.35)))
    for _ in range(int(min(600, density * (size / nuclei.length) ** 2))):
        x, y = rng.uniform(0, size, 2)
        if canvas.labels[int(y), int(x)] == 0:
            angle = float(flow[int(y), int(x)]) + rng.normal(0, 0.25)
            nuclei.add(x, y, angle, spindle * rng.uniform(0.8, 1.2), 0)
    if rng.random() < 0.12:
        grey = canvas.image.mean(2, keepdims=True)
        canvas.image[:] = grey
