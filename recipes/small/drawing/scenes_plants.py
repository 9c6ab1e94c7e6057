"""Spread-out things: plants on soil, and objects with arms around a centre.

They fill less than half of their bounding boxes, so a mask cannot be guessed from its box.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from recipes.small.drawing import shapes
from recipes.small.drawing.canvas import KEEP_LABELS, Canvas, Patch, merge
from recipes.small.drawing.lines import THINNEST, branch, grow
from recipes.small.drawing.scenes_things import sizes
from recipes.small.drawing.shapes import place, rasterise, stroke
from recipes.small.drawing.style import Style, fill_background
from recipes.small.drawing.textures import Look, pattern_look, smooth_field

_TURN = 2 * np.pi

Rng = np.random.Generator
Point = tuple[float, float]
Parts = list[Patch]
"""Leaves, blades or arms, in the order in which they are painted."""


def _blade(rng: Rng, start: Point, heading: float, length: float, width: float) -> shapes.Polygon:
    """Outline of a grass blade: a curved, pointed strip, widest below its middle."""
    n = max(8, int(length / 4))
    t = np.linspace(0, 1, n)
    angle = heading + rng.normal(0, 0.9) * t**1.5
    steps = np.stack([np.cos(angle), np.sin(angle)], 1) * (length / n)
    middle = np.array(start) + np.cumsum(steps, 0)
    half = np.maximum(width * (0.25 + t) ** 0.5 * (1 - t) ** 0.6, THINNEST / 2)
    across = np.stack([-np.sin(angle), np.cos(angle)], 1) * half[:, None]
    return np.concatenate([middle + across, (middle - across)[::-1]])


def _grass(rng: Rng, at: Point, radius: float, size: int) -> Parts:
    count = int(rng.integers(2, 12))
    width = radius * np.exp(rng.uniform(np.log(0.03), np.log(0.12)))
    above = rng.random() < 0.6
    lean = rng.uniform(0, _TURN)
    parts = []
    for _ in range(count):
        heading = rng.uniform(0, _TURN) if above else lean + rng.normal(0, 0.6)
        outline = _blade(rng, at, heading, radius * rng.uniform(0.4, 1.0), width)
        parts.append(rasterise([outline], size))
    return [p for p in parts if p is not None]


def _feather(rng: Rng, at: Point, radius: float, size: int) -> Parts:
    """Fronds with leaflets on both sides, themselves feathered sometimes."""
    fronds = int(rng.integers(1, 8))
    turn = rng.uniform(0, _TURN)
    width = max(THINNEST, radius * rng.uniform(0.015, 0.05))
    pairs = int(rng.integers(3, 10))
    opening = rng.uniform(0.5, 1.2)
    reach = rng.uniform(0.2, 0.55)
    fat = rng.uniform(1.0, 3.5)
    double = rng.random() < 0.4
    parts = []
    for i in range(fronds):
        heading = turn + _TURN * i / fronds + rng.normal(0, 0.25)
        length = radius * rng.uniform(0.6, 1.0)
        stalk = grow(rng, at, heading, length, width, wiggle=0.04, taper=0.6)
        lines = [stalk]
        points = stalk[0]
        for k in range(pairs):
            where = 0.25 + 0.75 * (k + 0.5) / pairs
            j = min(len(points) - 2, int(where * (len(points) - 1)))
            along = float(np.arctan2(*(points[j + 1] - points[j])[::-1]))
            for side in (-1, 1):
                leaflet = grow(
                    rng,
                    (float(points[j, 0]), float(points[j, 1])),
                    along + side * opening * rng.uniform(0.8, 1.2),
                    length * reach * (1.15 - where) * rng.uniform(0.7, 1.2),
                    width * fat,
                    wiggle=0.05,
                    taper=0.6,
                )
                lines.append(leaflet)
                if double and len(leaflet[0]) > 6:
                    lines += branch(
                        rng,
                        leaflet,
                        3,
                        spread=(0.5, 1.0),
                        length=(length * reach * 0.15, length * reach * 0.35),
                        thinner=0.8,
                        wiggle=0.05,
                    )
        patch = stroke(lines, size)
        if patch is not None:
            parts.append(patch)
    return parts


def _lobed(rng: Rng) -> shapes.Shape:
    """Leaf with deep lobes and sometimes teeth, with its stalk at (1, 0)."""
    lobes = int(rng.integers(3, 8))
    t = np.linspace(-0.85 * np.pi, 0.85 * np.pi, 90) + np.pi
    depth = rng.uniform(0.2, 0.7)
    r = 1 - depth * np.abs(np.sin(lobes * (t - np.pi) / 1.7 + np.pi / 2 * (lobes % 2 == 0)))
    if rng.random() < 0.5:
        teeth = int(rng.integers(12, 30))
        r = r * (1 - rng.uniform(0.03, 0.15) * np.abs(np.sin(teeth * t)))
    outline = np.stack([r * np.cos(t) * 0.95, r * np.sin(t) * rng.uniform(0.6, 1.0)], 1)
    return [np.concatenate([outline, [[0.25, 0.0]]])]


def _rosette(rng: Rng, at: Point, radius: float, size: int) -> Parts:
    """Leaves on stalks around a centre: two for a seedling, up to fourteen for a rosette."""
    count = int(rng.choice([2, 2, 3, 4, 5, 6, 8, 10, 14]))
    turn, form = rng.uniform(0, _TURN), rng.random()
    make: Callable[[Rng], shapes.Shape] = (
        shapes.leaf if form < 0.45 else _lobed if form < 0.8 else shapes.ellipse
    )
    leaf = make(rng)
    stalk_width = max(THINNEST, radius * rng.uniform(0.02, 0.06))
    blade = rng.uniform(0.22, 0.5)
    parts = []
    for i in range(count):
        heading = turn + _TURN * (i * 0.382 if count > 6 else i / count) + rng.normal(0, 0.2)
        reach = radius * rng.uniform(0.55, 1.0)
        half = reach * blade
        middle = (
            at[0] + (reach - half) * np.cos(heading),
            at[1] + (reach - half) * np.sin(heading),
        )
        joint = (
            middle[0] - 0.3 * half * np.cos(heading),
            middle[1] - 0.3 * half * np.sin(heading),
        )
        shape = leaf if rng.random() < 0.7 else make(rng)
        pieces = [
            stroke([(np.array([at, joint]), np.full(2, stalk_width))], size),
            rasterise(place(shape, middle, half, heading + np.pi), size),
        ]
        present = [p for p in pieces if p is not None]
        if present:
            parts.append(merge(present))
    return parts


def _twig(rng: Rng, at: Point, radius: float, size: int) -> Parts:
    """A bare or leafy twig."""
    width = max(THINNEST, radius * rng.uniform(0.03, 0.1))
    heading = rng.uniform(0, _TURN)
    start = (at[0] - radius * np.cos(heading), at[1] - radius * np.sin(heading))
    trunk = grow(rng, start, heading, 2 * radius, width, wiggle=0.06, taper=0.6)
    sides = branch(
        rng,
        trunk,
        int(rng.integers(2, 9)),
        spread=(0.4, 1.1),
        length=(radius * 0.3, radius),
        thinner=0.7,
        wiggle=0.08,
    )
    parts = [stroke([trunk, *sides], size)]
    if rng.random() < 0.6:
        leaf = shapes.leaf(rng)
        r = radius * rng.uniform(0.08, 0.22)
        for points, _ in sides:
            step = points[-1] - points[-2]
            turn = float(np.arctan2(step[1], step[0]))
            tip = (points[-1, 0] + r * np.cos(turn), points[-1, 1] + r * np.sin(turn))
            parts.append(rasterise(place(leaf, tip, r, turn + np.pi), size))
    return [p for p in parts if p is not None]


def _arms(rng: Rng, at: Point, radius: float, size: int) -> Parts:
    """A body with arms: starfish, spiders, nerve cells, frames of furniture seen from above."""
    count = int(rng.integers(3, 10))
    turn = rng.uniform(0, _TURN)
    body = radius * rng.uniform(0.08, 0.3)
    width = radius * np.exp(rng.uniform(np.log(0.03), np.log(0.25)))
    wiggle = float(rng.choice([0.0, rng.uniform(0.03, 0.2)]))
    forked = rng.random() < 0.35
    parts = [rasterise(place(shapes.blob(rng, 0.15, 2), at, body), size)]
    for i in range(count):
        heading = turn + _TURN * i / count + rng.normal(0, 0.15)
        arm = grow(
            rng,
            at,
            heading,
            radius * rng.uniform(0.6, 1.0),
            width,
            wiggle=wiggle,
            taper=rng.uniform(0.2, 0.9),
        )
        lines = [arm]
        if forked:
            lines += branch(
                rng,
                arm,
                int(rng.integers(1, 4)),
                spread=(0.4, 0.9),
                length=(radius * 0.15, radius * 0.5),
                thinner=0.7,
                wiggle=wiggle,
            )
        parts.append(stroke(lines, size))
    whole = [p for p in parts if p is not None]
    return [merge(whole)] if whole else []


_PLANTS = (_grass, _feather, _rosette, _rosette, _twig)


def _add(style: Style, parts: Parts, look: Look, *, apart: bool, ribs: bool) -> None:
    """Paint an object as one region, or its parts as regions of a group."""
    if not parts:
        return
    canvas = style.canvas
    if apart:
        group = canvas.new_group()
        for part in parts:
            style.add(part, look.again(12), group=group)
        return
    label = style.add(merge(parts), look)
    # Parts must be visibly different: each has its own tone, darker where it overlaps another.
    for part in parts[1:]:
        shade = look.again(16)
        canvas.paint(part, shade, region=label, opacity=0.75)
        if ribs and min(part.alpha.shape) > 10:
            canvas.outline(part, shade.colour * np.float32(0.7), 1.0)
            core = Patch(part.top, part.left, cv2.erode(part.alpha, np.ones((5, 5), np.uint8)))
            light = shade.colour * np.float32(1.12)
            canvas.paint(core, light, region=KEEP_LABELS, opacity=0.4)


def draw_beds(canvas: Canvas) -> None:
    """Draw plants on soil, gravel or a bench, from above: grasses, ferns, rosettes, seedlings."""
    rng, size = canvas.rng, canvas.size
    style = Style(canvas)
    style.outline_chance = 0.0
    kind = rng.random()
    if kind < 0.6:
        soil = np.array([120, 98, 78], np.float32) * np.float32(rng.uniform(0.35, 1.6))
        soil += rng.normal(0, 14, 3).astype(np.float32)
        names = ("grain", "cobbles", "clouds", "camouflage")
        look = pattern_look(rng, soil, names, rng.uniform(0.15, 0.8), rng.uniform(0.4, 2.0))
        canvas.image[:] = look(size, size)
        canvas.image *= (1 + np.float32(0.12) * smooth_field(rng, size, 5))[..., None]
        for r in sizes(rng, int(rng.choice([0, 0, 15, 50])), size * 0.008, size * 0.05):
            stone = place(shapes.blob(rng), tuple(rng.uniform(0, size, 2)), r)
            canvas.paint(rasterise(stone, size), look.again(25), region=KEEP_LABELS)
    elif kind < 0.75 and (picture := canvas.photo()) is not None:
        canvas.image[:] = cv2.resize(picture, (size, size))
    else:
        fill_background(style)
    green = np.array([70, 125, 50], np.float32) * np.float32(rng.uniform(0.5, 1.7))
    green += rng.normal(0, 22, 3).astype(np.float32)
    if rng.random() < 0.25:
        green = style.palette.colour()
    tones = ("clouds", "fur", "grain", "veins")
    count = int(np.exp(rng.uniform(0, np.log(25))))
    high = size * rng.uniform(0.25, 0.65) / max(1.0, count / 6) ** 0.5
    species = [_PLANTS[i] for i in rng.integers(len(_PLANTS), size=int(rng.integers(1, 4)))]
    apart, ribs = rng.random() < 0.3, rng.random() < 0.5
    for r in sizes(rng, count, max(8.0, high * 0.4), high):
        look = pattern_look(rng, green, tones, float(rng.uniform(0.05, 0.4))).again(14)
        at = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
        make = species[rng.integers(len(species))]
        _add(style, make(rng, at, float(r), size), look, apart=apart, ribs=ribs)
    if rng.random() < 0.25:
        # As from a near-infrared camera, or a grey image.
        grey = canvas.image.mean(2, keepdims=True)
        canvas.image[:] = grey if rng.random() < 0.5 else canvas.image * 0.35 + grey * 0.65


def draw_arms(canvas: Canvas) -> None:
    """Draw objects with arms, and plants of any colour, on any background."""
    rng, size = canvas.rng, canvas.size
    style = Style(canvas)
    fill_background(style)
    count = int(np.exp(rng.uniform(0, np.log(16))))
    high = size * rng.uniform(0.2, 0.55) / max(1.0, count / 5) ** 0.5
    species = (_arms, _arms, *_PLANTS)[rng.integers(2 + len(_PLANTS))]
    shared = style.look()
    alike = rng.random() < 0.6
    for r in sizes(rng, count, max(8.0, high * 0.4), high):
        make = species if rng.random() < 0.6 else _arms
        at = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
        look = shared.again() if alike else style.look()
        _add(style, make(rng, at, float(r), size), look, apart=rng.random() < 0.15, ribs=False)
