"""Thin, branching things: roots, vessels, cracks, roads and rivers, worms and wires, bare trees."""

from __future__ import annotations

import cv2
import numpy as np

from recipes.small.drawing.canvas import KEEP_LABELS, Canvas, Patch
from recipes.small.drawing.lines import THINNEST, Path, branch, grow
from recipes.small.drawing.shapes import blob, place, rasterise, stroke
from recipes.small.drawing.style import Style
from recipes.small.drawing.textures import Look, pattern_look, smooth_field

_TURN = 2 * np.pi


def _paint_lines(
    canvas: Canvas,
    paths: list[Path],
    look: Look,
    *,
    group: int = 0,
    soft: float = 0.0,
    contrast: float | None = None,
) -> Patch | None:
    patch = stroke(paths, canvas.size) if paths else None
    canvas.paint(patch, look, group=group, soft=soft, contrast=contrast)
    return patch


def _lay_photo(canvas: Canvas) -> bool:
    """Sometimes cover the canvas with a real image; return whether this happened."""
    picture = canvas.photo() if canvas.rng.random() < 0.25 else None
    if picture is not None:
        canvas.image[:] = cv2.resize(picture, (canvas.size, canvas.size))
    return picture is not None


def draw_roots(canvas: Canvas) -> None:
    """Draw pale roots in soil or on paper: main roots with laterals, as parts or as one region."""
    rng, size = canvas.rng, canvas.size
    soil = np.array([70, 52, 40], np.float32) * np.float32(rng.uniform(0.5, 1.6))
    if rng.random() < 0.25:
        soil = np.full(3, rng.uniform(120, 235), np.float32)
    names = ("grain", "cobbles", "clouds")
    canvas.image[:] = pattern_look(rng, soil, names, rng.uniform(0.15, 0.7))(size, size)
    _lay_photo(canvas)
    tone = np.array([225, 205, 170], np.float32) * np.float32(rng.uniform(0.55, 1.1))
    skin = pattern_look(rng, tone, ("clouds", "fur"), rng.uniform(0.05, 0.4))
    plants = int(rng.integers(1, 6))
    width = size * np.exp(rng.uniform(np.log(0.007), np.log(0.035)))
    split = rng.random() < 0.5
    wiggle = float(rng.uniform(0.03, 0.14))
    down = np.pi / 2
    for i in range(plants):
        start = (size * (i + rng.uniform(0.2, 0.8)) / plants, size * rng.uniform(-0.05, 0.2))
        main = grow(
            rng,
            start,
            down + rng.normal(0, 0.3),
            size * rng.uniform(0.5, 1.1),
            width,
            wiggle=wiggle,
            taper=0.75,
            pull=down,
        )
        reach = (size * 0.05, size * rng.uniform(0.12, 0.45))
        n = int(rng.integers(0, 16))
        sides = branch(
            rng, main, n, spread=(0.5, 1.4), length=reach, thinner=0.55, wiggle=wiggle, pull=down
        )
        fine = [
            path
            for side in sides[:4]
            for path in branch(
                rng,
                side,
                2,
                spread=(0.5, 1.2),
                length=(reach[0] * 0.4, reach[1] * 0.4),
                thinner=0.6,
                wiggle=wiggle,
            )
        ]
        group = canvas.new_group()
        if split:
            for side in [*sides, *fine]:
                _paint_lines(canvas, [side], skin.again(5), group=group, soft=0.4)
            _paint_lines(canvas, [main], skin, group=group, soft=0.4, contrast=0.0)
        else:
            _paint_lines(canvas, [main, *sides, *fine], skin.again(5), soft=0.5)


def draw_vessels(canvas: Canvas) -> None:
    """Draw vessel trees: an eye's fundus, or an angiogram."""
    rng, size = canvas.rng, canvas.size
    fundus = rng.random() < 0.6
    if fundus:
        tone = np.array([200, 105, 45], np.float32) * np.float32(rng.uniform(0.6, 1.1))
        dark = tone * np.array([0.68, 0.45, 0.4], np.float32)
    else:
        tone = np.full(3, rng.uniform(110, 210), np.float32)
        dark = tone * np.float32(rng.uniform(0.3, 0.7))
    look = pattern_look(rng, tone, ("clouds", "grain"), rng.uniform(0.04, 0.25), 2.0)
    canvas.image[:] = look(size, size)
    canvas.image *= (1 + np.float32(0.12) * smooth_field(rng, size, 3))[..., None]
    disc = (float(rng.uniform(0.1, 0.9) * size), float(rng.uniform(0.3, 0.7) * size))
    if fundus and rng.random() < 0.7:
        r = size * rng.uniform(0.05, 0.1)
        patch = rasterise(place(blob(rng, 0.06, 2), disc, r), size)
        group = canvas.new_group()
        bright = Look(rng, np.clip(tone * 1.5 + 30, 0, 255).astype(np.float32))
        canvas.paint(patch, bright, group=group, soft=r * 0.12)
        if rng.random() < 0.5:
            cup = rasterise(place(blob(rng, 0.1, 2), disc, r * rng.uniform(0.35, 0.6)), size)
            canvas.paint(cup, bright.again(), group=group, soft=r * 0.1, contrast=22.0)
    width = size * rng.uniform(0.012, 0.03)
    wiggle = float(rng.uniform(0.03, 0.1))
    paths: list[Path] = []
    for i in range(int(rng.integers(2, 7))):
        heading = _TURN * i / 5 + rng.normal(0, 0.4)
        trunk = grow(
            rng, disc, heading, size * rng.uniform(0.5, 1.0), width, wiggle=wiggle, taper=0.7
        )
        sides = branch(
            rng,
            trunk,
            int(rng.integers(3, 9)),
            spread=(0.3, 1.0),
            length=(size * 0.1, size * 0.45),
            thinner=0.7,
            wiggle=wiggle,
        )
        paths += [trunk, *sides]
        for side in sides[:5]:
            paths += branch(
                rng,
                side,
                2,
                spread=(0.3, 1),
                length=(size * 0.06, size * 0.2),
                thinner=0.7,
                wiggle=wiggle,
            )
    blood = pattern_look(rng, dark, ("clouds",), 0.12)
    _paint_lines(canvas, paths, blood, soft=float(rng.uniform(0.3, 0.7)))
    for _ in range(int(rng.choice([0, 0, 6]))):
        at = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
        lesion = rasterise(place(blob(rng), at, size * rng.uniform(0.008, 0.035)), size)
        spot = Look(rng, np.clip(tone * 1.5, 0, 255) if rng.random() < 0.5 else dark)
        canvas.paint(lesion, spot, soft=0.8)
    if fundus and rng.random() < 0.6:
        y, x = np.ogrid[:size, :size]
        c = (size - 1) / 2
        outside = (x - c) ** 2 + (y - c) ** 2 > (size * rng.uniform(0.47, 0.55)) ** 2
        canvas.image[outside] = rng.uniform(0, 8)
        canvas.labels[outside] = 0


def draw_cracks(canvas: Canvas) -> None:
    """Draw jagged cracks in asphalt, plaster, concrete or paint."""
    rng, size = canvas.rng, canvas.size
    tone = np.full(3, rng.uniform(70, 215), np.float32) + rng.normal(0, 12, 3).astype(np.float32)
    names = ("grain", "clouds", "cobbles", "bricks")
    wall = pattern_look(
        rng, tone, names, float(rng.uniform(0.1, 0.45)), float(rng.uniform(0.5, 1.5))
    )
    canvas.image[:] = wall(size, size)
    if _lay_photo(canvas):
        tone = canvas.image.mean((0, 1))
    # Half of them are hardly darker than the surface, as in old asphalt.
    faint = rng.random() < 0.5
    dark = tone * np.float32(rng.uniform(0.5, 0.8) if faint else rng.uniform(0.1, 0.55))
    width = size * np.exp(rng.uniform(np.log(0.005), np.log(0.02)))
    wiggle = float(rng.uniform(0.06, 0.5))
    for _ in range(int(rng.integers(1, 4))):
        start = (float(rng.uniform(0, size)), float(rng.choice([-3.0, rng.uniform(0, size)])))
        heading = rng.uniform(0.2, np.pi - 0.2)
        main = grow(
            rng,
            start,
            heading,
            size * rng.uniform(0.5, 1.4),
            width,
            wiggle=wiggle,
            taper=0.5,
            pull=heading,
        )
        jitter = main[1] * rng.uniform(0.5, 1.4, len(main[1]))
        main = (main[0], np.maximum(jitter, THINNEST))
        sides = branch(
            rng,
            main,
            int(rng.integers(0, 7)),
            spread=(0.3, 1.2),
            length=(size * 0.05, size * 0.35),
            thinner=0.7,
            wiggle=wiggle,
            pull=heading,
        )
        _paint_lines(
            canvas,
            [main, *sides],
            pattern_look(rng, dark, ("grain",), 0.2),
            soft=0.4,
            contrast=12.0 if faint else 30.0,
        )


def draw_roads(canvas: Canvas) -> None:
    """Draw land from above: fields as regions, roads or rivers across, houses beside them."""
    rng, size = canvas.rng, canvas.size
    style = Style(canvas)
    style.outline_chance = 0.0
    canvas.image[:] = pattern_look(
        rng, np.array([95, 105, 70]), ("grain", "foliage", "clouds"), 0.4
    )(size, size)
    for _ in range(int(rng.integers(0, 12))):
        field = np.array([120, 125, 75], np.float32) + rng.normal(0, 30, 3).astype(np.float32)
        look = pattern_look(
            rng, field, ("stripes", "grain", "fur", "clouds"), rng.uniform(0.05, 0.35)
        )
        corner = np.array([[-1, -0.6], [1, -0.7], [0.9, 0.6], [-1, 0.7]]) + rng.normal(
            0, 0.15, (4, 2)
        )
        at = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
        patch = rasterise(
            place([corner], at, size * rng.uniform(0.1, 0.35), rng.uniform(0, _TURN)), size
        )
        canvas.paint(patch, look)
    width = size * np.exp(rng.uniform(np.log(0.012), np.log(0.07)))
    tone = (
        np.full(3, rng.uniform(110, 215), np.float32)
        if rng.random() < 0.75
        else np.array([50, 75, 95])
    )
    paths: list[Path] = []
    for _ in range(int(rng.integers(1, 4))):
        heading = rng.uniform(0, _TURN)
        start = (
            size / 2 - size * 0.8 * np.cos(heading) + rng.normal(0, 0.2) * size,
            size / 2 - size * 0.8 * np.sin(heading),
        )
        main = grow(
            rng,
            start,
            heading,
            size * 1.7,
            width,
            wiggle=float(rng.uniform(0.003, 0.04)),
            taper=0.0,
        )
        side = branch(
            rng,
            main,
            int(rng.integers(0, 4)),
            spread=(1.2, 1.8),
            length=(size * 0.3, size),
            thinner=0.7,
            wiggle=0.02,
            taper=0.0,
        )
        paths += [main, *side]
    road = _paint_lines(canvas, paths, pattern_look(rng, tone, ("grain", "clouds"), 0.15), soft=0.5)
    if road is not None and rng.random() < 0.3 and width > 8:
        for path in paths:
            line = stroke([(path[0], np.full(len(path[0]), 1.5))], size)
            canvas.paint(line, 235.0, region=KEEP_LABELS)
    for _ in range(int(rng.choice([0, 4, 14]))):
        roof = style.look()
        a = rng.uniform(0.4, 1)
        box = np.array([[-1, -a], [1, -a], [1, a], [-1, a]])
        at = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
        patch = rasterise(
            place([box], at, size * rng.uniform(0.02, 0.06), rng.uniform(0, _TURN)), size
        )
        style.add(patch, roof)


def draw_strands(canvas: Canvas) -> None:
    """Draw separate strands that cross each other: worms, wires, hair, fibres, twigs."""
    rng, size = canvas.rng, canvas.size
    style = Style(canvas)
    style.outline_chance = 0.0
    canvas.image[:] = style.look()(size, size)
    if rng.random() < 0.5:
        canvas.image += np.float32(0.6) * (canvas.image.mean((0, 1)) - canvas.image)
    count = int(np.exp(rng.uniform(np.log(2), np.log(30))))
    width = size * np.exp(rng.uniform(np.log(0.007), np.log(0.05)))
    length = size * np.exp(rng.uniform(np.log(0.15), np.log(1.3)))
    wiggle = float(rng.uniform(0.02, 0.16))
    look = style.look()
    look.light = (0, 0.0, 0.0, 0.0)
    branched = rng.random() < 0.3
    for _ in range(count):
        start = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
        main = grow(
            rng,
            start,
            rng.uniform(0, _TURN),
            length * rng.uniform(0.6, 1.2),
            width,
            wiggle=wiggle,
            taper=float(rng.uniform(0, 0.6)),
        )
        paths = [main]
        if branched:
            paths += branch(
                rng,
                main,
                int(rng.integers(1, 5)),
                spread=(0.4, 1),
                length=(length * 0.2, length * 0.5),
                thinner=0.6,
                wiggle=wiggle,
            )
        patch = stroke(paths, size)
        style.add(patch, look.again(10) if rng.random() < 0.8 else style.look())
