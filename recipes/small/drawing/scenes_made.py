"""Man-made things: lettering, façades and panels, set tables, coins and other small objects."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recipes.small.drawing import objects, shapes
from recipes.small.drawing.canvas import KEEP_LABELS, Canvas, Patch, intersect
from recipes.small.drawing.shapes import Shape, place, rasterise, stroke
from recipes.small.drawing.style import Style, fill_background
from recipes.small.drawing.textures import Look, pattern_look, relief

_TURN = 2 * np.pi
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghkmnopqrstuvwxyz0123456789&?$%@#+"
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
)


def _letter(
    text: str, font: int, height: float, weight: float, turn: NDArray[np.float64], size: int
) -> Patch | None:
    """Coverage of one letter; ``turn`` is the 2×3 map from the letter's box to the canvas."""
    scale = 2.0
    thick = max(1, round(weight * 24 * scale / 10))
    (w, h), base = cv2.getTextSize(text, font, scale, thick)
    pad = thick + 2
    cell = np.zeros((h + base + 2 * pad, w + 2 * pad), np.uint8)
    cv2.putText(cell, text, (pad, pad + h), font, scale, 255, thick, cv2.LINE_AA)
    k = height / max(h, 1)
    corners = np.array([[0, 0], [cell.shape[1], 0], [0, cell.shape[0]], cell.shape[::-1]], float)
    m = turn.copy()
    m[:, :2] *= k
    on_canvas = corners @ m[:, :2].T + m[:, 2]
    x0, y0 = np.maximum(np.floor(on_canvas.min(0)), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(on_canvas.max(0)) + 1, size).astype(int)
    if x1 - x0 < 3 or y1 - y0 < 3:
        return None
    if k < 0.5:
        # Reduce first, because sparse sampling would break a large letter into pieces.
        cell = cv2.resize(cell, None, fx=2 * k, fy=2 * k, interpolation=cv2.INTER_AREA)
        m[:, :2] /= 2 * k
    m[:, 2] -= (x0, y0)
    alpha = cv2.warpAffine(cell, m, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR)
    return Patch(int(y0), int(x0), alpha) if alpha.max() > 127 else None


def draw_letters(canvas: Canvas) -> None:
    """Draw words on signs and pages; a letter is a region and a word is a group."""
    rng, size = canvas.rng, canvas.size
    style = Style(canvas)
    fill_background(style)
    style.soft = min(style.soft, 0.6)
    for _ in range(int(rng.integers(1, 5))):
        height = size * np.exp(rng.uniform(np.log(0.045), np.log(0.35)))
        count = int(rng.integers(1, max(2, min(9, int(1.1 * size / height)))))
        a = rng.normal(0, 0.12) if rng.random() < 0.7 else rng.uniform(0, _TURN)
        slant = rng.normal(0, 0.2)
        axes = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ [[1, slant], [0, 1]]
        at = rng.uniform(0.0, 0.7, 2) * size
        if rng.random() < 0.5:
            board = np.array([[-0.4, -0.5], [count * 0.95, -0.5], [count * 0.95, 1.6], [-0.4, 1.6]])
            style.add_shape([board @ axes.T * height + at], style.look())
        look, font = style.look(), _FONTS[rng.integers(len(_FONTS))]
        weight = rng.uniform(0.5, 2.6)
        group = canvas.new_group() if count > 1 else 0
        colours_differ = rng.random() < 0.2
        for i in range(count):
            text = _LETTERS[rng.integers(len(_LETTERS))]
            start = at + axes @ (i * height * 0.9, 0)
            turn = np.concatenate([axes, start[:, None]], 1)
            patch = _letter(text, font, height, weight, turn, size)
            style.add(patch, style.look() if colours_differ else look.again(3), group=group)


def _quad(rng: np.random.Generator, size: int, warp: float) -> NDArray[np.float64]:
    """Corners of a tilted rectangle in perspective, filling most of the canvas."""
    w, h = rng.uniform(0.25, 0.55, 2) * size
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]])
    corners += rng.normal(0, warp * size, (4, 2))
    return place([corners], tuple(rng.uniform(0.35, 0.65, 2) * size), 1.0, rng.normal(0, 0.15))[0]


def _grid_map(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    return cv2.getPerspectiveTransform(unit, corners.astype(np.float32))


def _project(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.concatenate([points, np.ones((len(points), 1))], 1) @ matrix.T
    return p[:, :2] / p[:, 2:]


def draw_panels(canvas: Canvas) -> None:
    """Draw grids in perspective: façades with windows, keyboards, shelves, tiles, trays."""
    rng, size = canvas.rng, canvas.size
    style = Style(canvas)
    fill_background(style)
    for _ in range(int(rng.integers(1, 3))):
        corners = _quad(rng, size, rng.uniform(0, 0.06))
        matrix = _grid_map(corners)
        rows, cols = (int(v) for v in rng.integers(1, 9, 2))
        group = canvas.new_group()
        style.add_shape([corners], style.look(), group=group)
        gap_x, gap_y = rng.uniform(0.03, 0.3, 2)
        shared, content = style.look(), rng.random()
        round_tile = rng.random() < 0.25
        panes = rng.random() < 0.3
        for i in range(rows):
            for j in range(cols):
                if rng.random() < 0.06:
                    continue
                x0, x1 = (j + gap_x) / cols, (j + 1 - gap_x) / cols
                y0, y1 = (i + gap_y) / rows, (i + 1 - gap_y) / rows
                if round_tile:
                    t = np.linspace(0, _TURN, 24, endpoint=False)
                    c = (
                        np.stack(
                            [np.cos(t) * (x1 - x0) + x0 + x1, np.sin(t) * (y1 - y0) + y0 + y1], 1
                        )
                        / 2
                    )
                else:
                    c = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
                tile = rasterise([_project(matrix, c)], size)
                look = style.look() if content < 0.35 else shared.again(6)
                style.add(tile, look, group=group, grounded=False)
                if panes and tile is not None:
                    xm = (x0 + x1) / 2
                    bar = np.array(
                        [[xm - 0.006, y0], [xm + 0.006, y0], [xm + 0.006, y1], [xm - 0.006, y1]]
                    )
                    canvas.paint(
                        rasterise([_project(matrix, bar)], size), style.plain(), region=KEEP_LABELS
                    )
    for _ in range(int(rng.choice([0, 0, 2]))):
        thing = objects.OBJECTS[rng.integers(len(objects.OBJECTS))]
        at = (float(rng.uniform(0.1, 0.9) * size), float(rng.uniform(0.4, 0.9) * size))
        thing(style, at, size * float(rng.uniform(0.1, 0.3)))


def _disc(centre: tuple[float, float], r: float, squash: float) -> Shape:
    t = np.linspace(0, _TURN, 44, endpoint=False)
    return [np.stack([centre[0] + r * np.cos(t), centre[1] + r * squash * np.sin(t)], 1)]


def _cup(style: Style, at: tuple[float, float], r: float, squash: float) -> None:
    """Draw a cup on its saucer: handle, wall, rim and contents."""
    canvas, rng, size = style.canvas, style.canvas.rng, style.canvas.size
    china = style.plain()
    if rng.random() < 0.6:
        china.colour = np.full(3, rng.uniform(180, 245), np.float32)
    group = canvas.new_group()
    if rng.random() < 0.6:
        saucer = china.again(6)
        style.add_shape(_disc((at[0], at[1] + r * 0.5), r * 1.7, squash), saucer)
        style.add(
            rasterise(_disc((at[0], at[1] + r * 0.5), r * 1.0, squash), size),
            saucer.again(9),
            grounded=False,
            contrast=9.0,
        )
    depth = r * rng.uniform(0.7, 1.5) * (1.15 - squash)
    s = float(rng.choice([-1, 1]))
    t = np.linspace(-1.4, 1.4, 16)
    loop = np.stack(
        [at[0] + s * r * (0.75 + 0.6 * np.cos(t)), at[1] + depth * (0.4 + 0.35 * np.sin(t))], 1
    )
    style.add(stroke([(loop, np.full(16, max(2.0, r * 0.16)))], size), china.again(5), group=group)
    bottom = 0.7
    t = np.linspace(0, np.pi, 20)
    foot = np.stack(
        [at[0] + bottom * r * np.cos(t), at[1] + depth + bottom * r * squash * np.sin(t)], 1
    )
    wall = np.vstack([[[at[0] - r, at[1]], [at[0] + r, at[1]]], foot])
    wall_look = china.again(4)
    wall_look.light = (3, 0.6, float(rng.choice([-1, 1])), 0.0)
    rim = rasterise(_disc(at, r, squash), size)
    region = style.add(rasterise([wall], size), wall_look, group=group)
    style.add(rim, china.again(4), region=region or None, group=group, grounded=False)
    drink = Look(rng, style.palette.colour() * np.float32(0.6))
    style.add(rasterise(_disc(at, r * 0.86, squash), size), drink, group=group, grounded=False)


def _plate(style: Style, at: tuple[float, float], r: float, squash: float) -> None:
    """Draw a plate with a rim, a well, and food."""
    canvas, rng, size = style.canvas, style.canvas.rng, style.canvas.size
    china = style.plain()
    china.light = (1, 0.15, *style.light)
    whole = rasterise(_disc(at, r, squash), size)
    if whole is None:
        return
    group = canvas.new_group()
    style.add(whole, china, group=group)
    well = rasterise(_disc(at, r * rng.uniform(0.6, 0.8), squash), size)
    style.add(well, china.again(8), group=group, grounded=False, contrast=8.0)
    for _ in range(int(rng.integers(0, 5))):
        spot = (at[0] + rng.normal(0, 0.25) * r, at[1] + rng.normal(0, 0.25) * r * squash)
        shape = place(
            shapes.random_shape(rng), spot, r * rng.uniform(0.15, 0.45), rng.uniform(0, _TURN)
        )
        food = rasterise(shape, size)
        style.add(intersect(food, whole) if food is not None else None, style.look())


def _cutlery(style: Style, at: tuple[float, float], r: float) -> None:
    """Draw a spoon, knife or fork."""
    rng, size = style.canvas.rng, style.canvas.size
    a = rng.uniform(0, _TURN)
    along = np.array([np.cos(a), np.sin(a)])
    ends = np.array(at) + np.outer(np.linspace(-1, 1, 12), along) * r
    widths = np.interp(np.linspace(0, 1, 12), [0, 0.5, 1], [r * 0.13, r * 0.07, r * 0.09])
    handle = stroke([(ends, np.maximum(widths, 2))], size)
    tip = (float(ends[-1, 0]), float(ends[-1, 1]))
    form = shapes.ellipse(rng, 0.45) if rng.random() < 0.6 else shapes.rectangle(rng)
    bowl = rasterise(place(form, tip, r * 0.3, a), size)
    steel = Look(rng, np.full(3, rng.uniform(120, 220), np.float32), light=(1, 0.5, *style.light))
    label = style.add(handle, steel)
    style.add(bowl, steel, region=label or None, grounded=False)


def draw_table(canvas: Canvas) -> None:
    """Draw a set table seen at an angle: plates, cups, cutlery, bottles, fruit."""
    rng, size = canvas.rng, canvas.size
    style = Style(canvas)
    style.shadow = max(style.shadow, 0.25)
    fill_background(style)
    cloth = pattern_look(
        rng,
        style.palette.colour(),
        ("wood", "weave", "clouds", "plaid", "grain"),
        rng.uniform(0.1, 0.5),
        rng.uniform(0.7, 2.5),
    )
    top = int(size * rng.uniform(0, 0.35))
    canvas.image[top:] = cloth(size - top, size)
    squash = float(rng.uniform(0.35, 1.0))
    scale = size * float(rng.uniform(0.09, 0.26))
    count = int(rng.integers(1, 9))
    for y in np.sort(rng.uniform(top + 0.05 * size, size, count)):
        at = (float(rng.uniform(0.05, 0.95) * size), float(y))
        r = scale * float(rng.uniform(0.6, 1.3))
        pick = rng.random()
        if pick < 0.28:
            _plate(style, at, r * 1.2, squash)
        elif pick < 0.55:
            _cup(style, at, r * 0.6, squash * 0.9)
        elif pick < 0.72:
            _cutlery(style, at, r * 1.2)
        elif pick < 0.84:
            objects.vessel(style, at, r * 1.3)
        else:
            fruit = style.plain()
            fruit.light = (2, 0.8, *style.light)
            style.add_shape(
                place(shapes.blob(rng, 0.1, 2), at, r * 0.5, rng.uniform(0, _TURN)), fruit
            )


def draw_wares(canvas: Canvas) -> None:
    """Draw many similar things on a surface: embossed coins, buttons, pills, nuts, tools."""
    rng, size = canvas.rng, canvas.size
    style = Style(canvas)
    canvas.image[:] = style.look()(size, size)
    r = size * float(np.exp(rng.uniform(np.log(0.03), np.log(0.15))))
    coins = rng.random() < 0.5
    form = shapes.ellipse(rng) if coins else shapes.random_shape(rng)
    if coins:
        form = _disc((0, 0), 1.0, 1.0 if rng.random() < 0.7 else float(rng.uniform(0.5, 1)))
    metal = style.look()
    if rng.random() < 0.5:
        metal.colour = np.array([150, 125, 85], np.float32) * np.float32(rng.uniform(0.6, 1.4))
    emboss = coins and rng.random() < 0.75
    step = r * rng.uniform(2.0, 3.2)
    jitter = rng.uniform(0, 0.35) * step
    sort_of_grid = rng.random() < 0.6
    n = int(np.clip((size / step) ** 2, 2, 70))
    if sort_of_grid:
        ticks = np.arange(step / 2, size, step)
        spots = (
            np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
            + rng.normal(0, 1, (len(ticks) ** 2, 2)) * jitter
        )
    else:
        spots = rng.uniform(0, size, (n, 2))
    for spot in spots[:80]:
        own = r * float(np.exp(rng.normal(0, 0.12)))
        a = rng.uniform(0, _TURN)
        at = (float(spot[0]), float(spot[1]))
        patch = rasterise(place(form, at, own, 0.0 if coins else a), size)
        style.add(patch, metal.again(10))
        if emboss and patch is not None and own > 8:
            _emboss(canvas, form, at, own, a, style.light)


def _emboss(
    canvas: Canvas,
    form: Shape,
    at: tuple[float, float],
    r: float,
    a: float,
    light: tuple[float, float],
) -> None:
    """Emboss a coin with a rim and a figure; this is shading only, without regions."""
    rng, size = canvas.rng, canvas.size
    inner = rasterise(place(form, at, r * 0.86), size)
    figure = rasterise(place(shapes.random_shape(rng), at, r * 0.55, a), size)
    for patch, depth in ((inner, -0.5), (figure, 0.9)):
        if patch is not None:
            canvas.image[patch.window] *= relief(patch.alpha, light, depth)
