"""Objects with parts: animals, people, vehicles, plants, vessels, objects with markings.

Each function draws one object around ``centre`` (x, y) with about the given radius; the object is a
group of its parts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from recipes.small.drawing import shapes
from recipes.small.drawing.canvas import KEEP_LABELS, Patch, intersect, merge
from recipes.small.drawing.shapes import Shape, place, rasterise, stroke
from recipes.small.drawing.style import Style
from recipes.small.drawing.textures import Look

Point = tuple[float, float]
_TURN = 2 * np.pi


def _line(points: list[Point], widths: list[float], size: int) -> Patch | None:
    p = np.array(points, float)
    t = np.linspace(0, 1, len(points))
    fine = np.linspace(0, 1, 4 * len(points))
    path = np.stack([np.interp(fine, t, p[:, 0]), np.interp(fine, t, p[:, 1])], 1)
    return stroke([(path, np.interp(fine, t, widths))], size)


def _oval(centre: Point, a: float, b: float, angle: float = 0.0) -> Shape:
    t = np.linspace(0, _TURN, 36, endpoint=False)
    return place([np.stack([a * np.cos(t), b * np.sin(t)], 1)], centre, 1.0, angle)


def marked(style: Style, shape: Shape, radius: float, look: Look) -> None:
    """Draw a shape with smaller ones on it: spots, windows, eyes, bands, and spots on spots."""
    canvas, rng = style.canvas, style.canvas.rng
    whole = rasterise(shape, canvas.size)
    if whole is None:
        return
    group = canvas.new_group()
    style.add(whole, look, group=group)
    outline = shape[0]
    middle = outline.mean(0)
    count = int(rng.integers(1, 6))
    same = rng.random() < 0.5
    mark_shape = shapes.random_shape(rng)
    mark_look = style.look()
    flat_light = rng.random() < 0.5
    for _ in range(count):
        towards = outline[rng.integers(len(outline))]
        at = middle + (towards - middle) * rng.uniform(0, 0.8)
        r = radius * rng.uniform(0.1, 0.45)
        if not same:
            mark_shape, mark_look = shapes.random_shape(rng), style.look()
        if flat_light:
            mark_look.light = look.light
        part = rasterise(place(mark_shape, tuple(at), r, rng.uniform(0, _TURN)), canvas.size)
        part = intersect(part, whole) if part is not None else None
        style.add(part, mark_look, group=group, grounded=False)
        if part is not None and r > 14 and rng.random() < 0.4:
            inner = rasterise(place(mark_shape, tuple(at), r * rng.uniform(0.3, 0.6)), canvas.size)
            inner = intersect(inner, part) if inner is not None else None
            style.add(inner, style.look(), group=group, grounded=False)


def animal(style: Style, centre: Point, radius: float) -> None:
    """Draw an animal from the side: body, legs, neck, head, ears, tail; sometimes markings."""
    canvas, rng, size = style.canvas, style.canvas.rng, style.canvas.size
    coat = style.look()
    cx, cy = centre
    side = float(rng.choice([-1, 1]))
    length, height = radius * rng.uniform(0.5, 0.75), radius * rng.uniform(0.22, 0.42)
    leg, thick = radius * rng.uniform(0.3, 0.7), radius * rng.uniform(0.07, 0.17)
    back, chest = cx - side * length * 0.75, cx + side * length * 0.75
    far: list[Patch] = []
    near: list[Patch] = []
    for i, x in enumerate((back, chest, back, chest)):
        swing = rng.normal(0, 0.25) * leg
        hip, foot = cy + height * 0.2, cy + height * 0.6 + leg
        knee = (x + swing * 0.6 + rng.normal(0, 0.08) * leg, (hip + foot) / 2)
        patch = _line(
            [(x, hip), knee, (x + swing, foot), (x + swing + side * thick * 0.8, foot)],
            [thick * 1.5, thick, thick * 0.7, thick * 0.7],
            size,
        )
        if patch is not None:
            (far if i < 2 else near).append(patch)
    parts = list(near)
    body = rasterise(_oval((cx, cy), length, height, rng.normal(0, 0.1)), size)
    head_r = radius * rng.uniform(0.16, 0.3)
    head_at = (
        cx + side * (length + head_r * rng.uniform(0.2, 0.8)),
        cy - height * rng.uniform(0.2, 1.8) - head_r * 0.4,
    )
    neck = _line([(chest, cy - height * 0.2), head_at], [height * 1.1, head_r * 1.1], size)
    head = rasterise(_oval(head_at, head_r * rng.uniform(1, 1.5), head_r * 0.85, side * 0.3), size)
    tail_end = (back - side * radius * rng.uniform(0.2, 0.7), cy + rng.normal(0, 0.5) * radius)
    tail = _line(
        [(back, cy - height * 0.3), (back - side * radius * 0.3, cy - height * 0.5), tail_end],
        [thick, thick * 0.6, thick * 0.4],
        size,
    )
    for i in range(2):
        tip = (
            head_at[0] - side * head_r * (0.2 + 0.5 * i),
            head_at[1] - head_r * rng.uniform(1.1, 2),
        )
        base = np.array([[-0.35, 0], [0.35, 0]]) * head_r + (head_at[0], head_at[1] - head_r * 0.5)
        ear = rasterise([np.vstack([base, tip])], size)
        if ear is not None:
            parts.append(ear)
    parts += [p for p in (body, neck, head, tail) if p is not None]
    if not parts:
        return
    group = canvas.new_group()
    region = 0
    if far:
        shade = Look(rng, coat.colour - 18, coat.tile, coat.gain, coat.zoom, coat.light)
        region = style.add(merge(far), shade, group=group)
    whole = merge(parts)
    region = style.add(whole, coat, group=group, region=region or None)
    eye = rasterise(
        _oval(
            (head_at[0] + side * head_r * 0.3, head_at[1] - head_r * 0.1),
            *[max(1.2, head_r * 0.13)] * 2,
        ),
        size,
    )
    canvas.paint(eye, 15.0, region=KEEP_LABELS)
    if rng.random() < 0.45:
        mark = style.look()
        for _ in range(int(rng.integers(1, 5))):
            at = (cx + rng.uniform(-1, 1) * length * 0.8, cy + rng.uniform(-1, 1) * height)
            spot = rasterise(place(shapes.blob(rng), at, radius * rng.uniform(0.08, 0.25)), size)
            spot = intersect(spot, whole) if spot is not None else None
            style.add(spot, mark, group=group, grounded=False)


def person(style: Style, centre: Point, radius: float) -> None:
    """Draw a standing figure: legs, torso, arms, head, hair; each garment a region."""
    canvas, rng, size = style.canvas, style.canvas.rng, style.canvas.size
    cx, cy = centre
    skin_tone = np.array([224, 172, 140], np.float32) * np.float32(rng.uniform(0.35, 1.08))
    skin = Look(rng, skin_tone, light=(2, 0.4, style.light[0], style.light[1]))
    shirt, trousers, hair = style.look(), style.look(), style.plain()
    group = canvas.new_group()
    lean = rng.normal(0, 0.06) * radius
    head_r = radius * rng.uniform(0.11, 0.16)
    shoulder, hip = cy - radius * 0.58, cy + radius * rng.uniform(0.0, 0.12)
    wide = radius * rng.uniform(0.16, 0.3)
    limb_w = radius * rng.uniform(0.09, 0.15)
    skirt = rng.random() < 0.25
    legs, shoes = [], []
    for s in (-1, 1):
        foot = (cx + s * wide * rng.uniform(0.1, 1.2), cy + radius * 0.95)
        knee = (cx + s * wide * rng.uniform(0.3, 0.9), (hip + foot[1]) / 2)
        legs.append(
            _line(
                [(cx + s * wide * 0.4, hip), knee, foot], [limb_w * 1.4, limb_w, limb_w * 0.8], size
            )
        )
        shoes.append(
            _line(
                [foot, (foot[0] + s * limb_w, foot[1] + limb_w * 0.3)], [limb_w, limb_w * 0.8], size
            )
        )
    present = [p for p in legs if p is not None]
    if present:
        style.add(merge(present), skin if skirt else trousers, group=group)
    present = [p for p in shoes if p is not None]
    if present:
        style.add(merge(present), style.plain(), group=group)
    if skirt:
        y1 = hip + radius * rng.uniform(0.2, 0.5)
        flare = wide * rng.uniform(1, 1.8)
        outline = np.array(
            [
                [cx - wide * 0.7, hip - 4],
                [cx + wide * 0.7, hip - 4],
                [cx + flare, y1],
                [cx - flare, y1],
            ]
        )
        style.add_shape([outline], trousers, group=group)
    torso = np.array(
        [
            [cx + lean - wide, shoulder],
            [cx + lean, shoulder - head_r * 0.3],
            [cx + lean + wide, shoulder],
            [cx + wide * rng.uniform(0.6, 0.9), hip + limb_w * 0.5],
            [cx - wide * rng.uniform(0.6, 0.9), hip + limb_w * 0.5],
        ]
    )
    long_sleeves = rng.random() < 0.6
    arms, hands = [], []
    for s in (-1, 1):
        top = (cx + lean + s * wide * 0.85, shoulder + limb_w * 0.4)
        bend = rng.uniform(-0.6, 1.2)
        elbow = (
            top[0] + s * radius * 0.3 * np.cos(bend),
            top[1] + radius * 0.3 * np.sin(abs(bend) + 0.3),
        )
        turn = bend + rng.uniform(-1.5, 1.5)
        hand = (
            elbow[0] + s * radius * 0.26 * np.cos(turn),
            elbow[1] + radius * 0.26 * np.sin(turn),
        )
        arms.append(_line([top, elbow, hand], [limb_w, limb_w * 0.85, limb_w * 0.65], size))
        hands.append(rasterise(_oval(hand, limb_w * 0.5, limb_w * 0.5), size))
    present = [p for p in arms if p is not None]
    body = rasterise([torso], size)
    if long_sleeves:
        present = [*present, body] if body is not None else present
        if present:
            style.add(merge(present), shirt, group=group)
    else:
        style.add(body, shirt, group=group)
        if present:
            style.add(merge(present), skin, group=group, grounded=False)
    present = [p for p in hands if p is not None]
    if present and long_sleeves:
        style.add(merge(present), skin, group=group, grounded=False)
    at = (cx + lean + rng.normal(0, 0.02) * radius, shoulder - head_r * 1.15)
    style.add_shape(
        _oval((at[0], at[1] - head_r * 0.15), head_r * 1.12, head_r * rng.uniform(1.15, 1.4)),
        hair,
        group=group,
    )
    style.add_shape(
        _oval((at[0], at[1] + head_r * 0.2), head_r * 0.85, head_r * 1.02), skin, group=group
    )


def vehicle(style: Style, centre: Point, radius: float) -> None:
    """Draw a car, bus or lorry from the side: body, windows, wheels with hubs, lamps."""
    canvas, rng, size = style.canvas, style.canvas.rng, style.canvas.size
    side = float(rng.choice([-1, 1]))
    h = rng.uniform(0.2, 0.32)
    roof = rng.uniform(0.25, 0.6)
    front, rear = rng.uniform(0.15, 0.6), rng.uniform(0.5, 0.95)
    profile = np.array(
        [[-0.97, h], [-1, 0], [-rear, -0.05], [-rear + 0.2, -roof], [front - 0.2, -roof],
         [front, -0.05], [0.95, rng.uniform(0.0, 0.08)], [1, h]]
    )  # fmt: skip
    tilt = rng.normal(0, 0.08)

    def at(p: np.ndarray) -> Shape:
        return place([p * (side, 1)], centre, radius, tilt)

    paint, glass = style.plain(), style.plain()
    glass.colour = np.float32(0.35) * glass.colour + np.float32(rng.uniform(10, 110))
    group = canvas.new_group()
    style.add_shape(at(profile), paint, group=group)
    left, right = -rear + 0.22, front - 0.2
    n = int(rng.integers(1, 5))
    xs = np.linspace(left, right, n + 1)
    for a, b in itertools.pairwise(xs):
        gap = 0.03
        slant = 0.1 if b == xs[-1] else 0.0
        pane = np.array(
            [
                [a + gap, -roof + 0.06],
                [b - gap, -roof + 0.06],
                [b - gap + slant, -0.06],
                [a + gap, -0.06],
            ]
        )
        style.add(rasterise(at(pane), size), glass, group=group, grounded=False)
    wheel_r = rng.uniform(0.15, 0.24)
    tyre = Look(rng, np.full(3, rng.uniform(15, 60), np.float32), light=(2, 0.4, *style.light))
    hub = style.plain()
    for x in (-rng.uniform(0.5, 0.7), rng.uniform(0.5, 0.7)):
        t = np.linspace(0, _TURN, 32, endpoint=False)
        circle = np.stack([np.cos(t), np.sin(t)], 1)
        style.add(rasterise(at(circle * wheel_r + (x, h)), size), tyre, group=group)
        style.add(
            rasterise(at(circle * wheel_r * rng.uniform(0.45, 0.7) + (x, h)), size),
            hub,
            group=group,
            grounded=False,
        )
    if rng.random() < 0.6:
        lamp = np.array([[0.86, 0.05], [0.97, 0.07], [0.97, 0.15], [0.86, 0.14]])
        style.add(rasterise(at(lamp), size), style.plain(), group=group, grounded=False)


def plant(style: Style, centre: Point, radius: float) -> None:
    """Draw a plant: stalks, leaves with midribs, perhaps a flower, perhaps a pot."""
    canvas, rng, size = style.canvas, style.canvas.rng, style.canvas.size
    cx, cy = centre
    group = canvas.new_group()
    green = style.look()
    if rng.random() < 0.7:
        green.colour = np.array([60, 120, 45], np.float32) + rng.normal(0, 28, 3).astype(np.float32)
        if green.tile is not None:
            green.gain = green.gain * np.float32(0.5)
    from_above = rng.random() < 0.4
    root = (cx, cy + (0 if from_above else radius * 0.5))
    n = int(rng.integers(3, 11))
    form = shapes.leaf(rng)
    stalks, blades = [], []
    start = rng.uniform(0, _TURN)
    for i in range(n):
        a = start + _TURN * i / n + rng.normal(0, 0.2) if from_above else rng.uniform(-2.9, -0.25)
        reach = radius * rng.uniform(0.3, 0.65)
        base = (root[0] + reach * np.cos(a), root[1] + reach * np.sin(a))
        r = radius * rng.uniform(0.18, 0.4)
        bend = a + rng.normal(0, 0.4)
        middle = (base[0] + r * np.cos(bend), base[1] + r * np.sin(bend))
        w = max(1.6, radius * 0.035)
        stalks.append(_line([root, base], [w * 1.5, w], size))
        blades.append(
            (
                place(form, middle, r, bend + np.pi),
                base,
                (middle[0] + 0.9 * r * np.cos(bend), middle[1] + 0.9 * r * np.sin(bend)),
            )
        )
    present = [p for p in stalks if p is not None]
    if present:
        style.add(merge(present), green.again(12), group=group)
    rib = green.colour * np.float32(rng.choice([0.6, 1.4]))
    for shape, base, tip in blades:
        blade = rasterise(shape, size)
        style.add(blade, green.again(14), group=group)
        vein = _line([base, tip], [max(1.0, radius * 0.02), 1.0], size)
        vein = intersect(vein, blade) if vein is not None and blade is not None else None
        canvas.paint(vein, rib, region=KEEP_LABELS, opacity=0.7)
    if rng.random() < 0.35:
        at = (root[0] + rng.normal(0, 0.2) * radius, root[1] - radius * rng.uniform(0, 0.6))
        petals = shapes.star(rng)
        style.add_shape(
            place(petals, at, radius * rng.uniform(0.12, 0.3)), style.plain(), group=group
        )
    if not from_above and rng.random() < 0.6:
        w, h = radius * rng.uniform(0.22, 0.4), radius * rng.uniform(0.3, 0.5)
        x, y = root
        pot = np.array([[x - w, y], [x + w, y], [x + w * 0.7, y + h], [x - w * 0.7, y + h]])
        style.add_shape([pot], style.look(), group=group)


def vessel(style: Style, centre: Point, radius: float) -> None:
    """Draw a bottle, vase or jar: a symmetric body with a band or label and a cap."""
    canvas, rng, size = style.canvas, style.canvas.rng, style.canvas.size
    look = style.plain() if rng.random() < 0.6 else style.look()
    look.light = (3, float(rng.uniform(0.3, 0.9)), float(rng.choice([-1, 1])), 0.0)
    tilt = rng.normal(0, 0.08) if rng.random() < 0.7 else rng.uniform(0, _TURN)
    outline = shapes.turned(rng)
    body = rasterise(place(outline, centre, radius, tilt), size)
    if body is None:
        return
    group = canvas.new_group()
    style.add(body, look, group=group)
    if rng.random() < 0.6:
        y = np.sort(rng.uniform(-0.6, 0.9, 2))
        band = np.array([[-1, y[0]], [1, y[0]], [1, y[1]], [-1, y[1]]])
        patch = rasterise(place([band], centre, radius, tilt), size)
        wrap = style.look()
        wrap.light = look.light
        patch = intersect(patch, body) if patch is not None else None
        style.add(patch, wrap, group=group, grounded=False)
    if rng.random() < 0.4:
        top = abs(outline[0][0, 0])
        cap = np.array([[-top, -1.15], [top, -1.15], [top, -0.95], [-top, -0.95]])
        style.add_shape(place([cap], centre, radius, tilt), style.plain(), group=group)


OBJECTS: tuple[Callable[[Style, Point, float], None], ...] = (
    animal,
    person,
    vehicle,
    plant,
    vessel,
)
"""All objects that can be drawn."""
