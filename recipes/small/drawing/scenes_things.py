"""The "dead leaves" model: overlapping shapes and objects of all sizes.

Opaque shapes with a scale-invariant distribution of sizes reproduce many statistics of natural
images (Lee, Mumford & Huang, "Occlusion models for natural images", 2001).
"""

from __future__ import annotations

import numpy as np

from recipes.small.drawing import objects, shapes
from recipes.small.drawing.canvas import Canvas
from recipes.small.drawing.shapes import place
from recipes.small.drawing.style import Style, fill_background

_TURN = 2 * np.pi


def sizes(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Radii with density ∝ r⁻² between two bounds, large first, so that small things are on top."""
    u = rng.random(count)
    r = 1 / (1 / high + u * (1 / low - 1 / high))
    return np.sort(r)[::-1]


def draw_leaves(canvas: Canvas) -> None:
    """Draw shapes, some with markings: a few large ones, or many."""
    rng, size = canvas.rng, canvas.size
    style = Style(canvas)
    fill_background(style)
    count = int(np.exp(rng.uniform(np.log(2), np.log(70))))
    high = size * rng.uniform(0.12, 0.5)
    radii = sizes(rng, count, max(4.0, high * rng.uniform(0.06, 0.5)), high)
    if rng.random() < 0.3:
        rng.shuffle(radii)
    shared = style.look() if rng.random() < 0.25 else None
    one_shape = shapes.random_shape(rng) if rng.random() < 0.25 else None
    mark_chance = rng.choice([0.0, 0.2, 0.6])
    for r in radii:
        at = tuple(rng.uniform(-0.05, 1.05, 2) * size)
        shape = one_shape or shapes.random_shape(rng)
        shape = place(shape, at, r, rng.uniform(0, _TURN))
        look = shared.again() if shared else style.look()
        if r > 14 and rng.random() < mark_chance:
            objects.marked(style, shape, r, look)
        else:
            style.add_shape(shape, look)


def draw_objects(canvas: Canvas) -> None:
    """Draw animals, people, vehicles, plants and vessels on a background, with some clutter."""
    rng, size = canvas.rng, canvas.size
    style = Style(canvas)
    fill_background(style)
    count = int(np.exp(rng.uniform(0, np.log(12))))
    high = size * (rng.uniform(0.3, 0.55) if count < 5 else rng.uniform(0.12, 0.3))
    species = objects.OBJECTS[rng.integers(len(objects.OBJECTS))] if rng.random() < 0.5 else None
    for r in sizes(rng, int(rng.integers(0, 8)), size * 0.02, size * 0.15):
        shape = place(
            shapes.random_shape(rng), tuple(rng.uniform(0, size, 2)), r, rng.uniform(0, _TURN)
        )
        style.add_shape(shape, style.look())
    radii = np.sort(high * rng.uniform(0.5, 1, count))
    for r in radii:
        at = (float(rng.uniform(0.1, 0.9) * size), float(rng.uniform(0.2, 0.8) * size))
        thing = species or objects.OBJECTS[rng.integers(len(objects.OBJECTS))]
        thing(style, at, float(r))
    if rng.random() < 0.4:
        # Something in the foreground.
        r = size * rng.uniform(0.05, 0.2)
        shape = place(
            shapes.random_shape(rng), tuple(rng.uniform(0, size, 2)), r, rng.uniform(0, _TURN)
        )
        style.add_shape(shape, style.look())
