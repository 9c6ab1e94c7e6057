"""Medical images: ultrasound, endoscopy, radiology slices, skin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recipes.small.drawing import shapes
from recipes.small.drawing.canvas import KEEP_LABELS, Canvas, Patch, intersect, soften
from recipes.small.drawing.lines import grow
from recipes.small.drawing.shapes import place, rasterise, stroke
from recipes.small.drawing.textures import (
    Look,
    noise_field,
    pattern_look,
    relief,
    smooth_field,
)

_TURN = 2 * np.pi


def _multiply(canvas: Canvas, patch: Patch | None, factor: float) -> None:
    """Scale the brightness under a patch."""
    if patch is not None:
        cover = cv2.multiply(patch.alpha, (factor - 1) / 255.0, dtype=cv2.CV_32F)
        canvas.image[patch.window] *= 1 + cover[..., None]


def draw_ultrasound(canvas: Canvas) -> None:
    """Draw speckled layers of tissue with blurred dark or bright lesions, shadows, a fan view."""
    rng, size = canvas.rng, canvas.size
    level = float(rng.uniform(60, 135))
    field = level * (1 + np.float32(0.25) * smooth_field(rng, size, 4))
    layers = np.interp(np.arange(size), np.linspace(0, size, 9), rng.uniform(0.6, 1.4, 9))
    field *= layers.astype(np.float32)[:, None]
    canvas.image[:] = field[..., None]
    for _ in range(int(rng.integers(0, 5))):
        path = grow(
            rng,
            (0.0, float(rng.uniform(0, size))),
            rng.normal(0, 0.15),
            size * 1.1,
            size * rng.uniform(0.01, 0.03),
            wiggle=0.03,
            taper=0.2,
        )
        sheet = stroke([path], size)
        if sheet is not None:
            _multiply(canvas, soften(sheet, 2.0, size), float(rng.uniform(1.2, 2.0)))
    for _ in range(int(rng.integers(1, 5))):
        r = size * float(np.exp(rng.uniform(np.log(0.06), np.log(0.33))))
        at = (float(rng.uniform(0.2, 0.8) * size), float(rng.uniform(0.2, 0.85) * size))
        shape = place(
            shapes.blob(rng, float(rng.uniform(0.05, 0.35)), 2),
            at,
            r,
            rng.uniform(0, _TURN),
            (1.0, float(rng.uniform(0.5, 1))),
        )
        lesion = rasterise(shape, size)
        if lesion is None:
            continue
        dark = rng.random() < 0.75
        factor = float(rng.uniform(0.12, 0.65)) if dark else float(rng.uniform(1.5, 2.4))
        lesion = soften(lesion, min(r / 5, float(rng.uniform(0.8, 5.0))), size)
        _multiply(canvas, lesion, factor)
        label = canvas.new_region()
        canvas.labels[lesion.window][lesion.alpha > 127] = label
        if rng.random() < 0.35:
            canvas.outline(lesion, np.full(3, level * 1.5, np.float32), 1.0)
        if rng.random() < 0.5:
            # Dense objects weaken the signal behind them, and fluid strengthens it.
            w = lesion.alpha.shape[1]
            bottom, left = lesion.top + lesion.alpha.shape[0], lesion.left
            behind = canvas.image[bottom:, left : left + w]
            fade = np.linspace(1, 0, max(1, behind.shape[0]), dtype=np.float32)[:, None, None]
            beam = np.sin(np.linspace(0, np.pi, w, dtype=np.float32))[None, : behind.shape[1], None]
            behind *= 1 + np.float32(0.5 if dark and rng.random() < 0.6 else -0.55) * fade * beam
    canvas.image *= _speckle(rng, size)[..., None]
    canvas.image *= np.linspace(1.15, rng.uniform(0.4, 1), size, dtype=np.float32)[:, None, None]
    if rng.random() < 0.65:
        _fan(canvas)


def _speckle(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Rayleigh-like multiplicative noise, stretched sideways."""
    a, b = noise_field(rng, size), noise_field(rng, size)
    width = float(rng.uniform(0.6, 1.8))
    blur = [cv2.GaussianBlur(n, (0, 0), width, sigmaY=0.7 * width) for n in (a, b)]
    amplitude = np.sqrt(blur[0] ** 2 + blur[1] ** 2)
    amplitude /= amplitude.mean()
    return 1 + np.float32(rng.uniform(0.25, 0.9)) * (amplitude - 1)


def _fan(canvas: Canvas) -> None:
    rng, size = canvas.rng, canvas.size
    y, x = np.ogrid[:size, :size]
    apex_y, half = -size * rng.uniform(0.02, 0.5), rng.uniform(0.45, 0.8)
    dx, dy = x - size / 2, y - apex_y
    far = dx * dx + dy * dy
    outside = (np.abs(dx) > dy * np.tan(half)) | (far > (size * 0.98 - apex_y) ** 2)
    outside |= far < (size * 0.06 - apex_y) ** 2
    canvas.image[outside] = rng.uniform(0, 6)
    canvas.labels[outside] = 0


def draw_endoscopy(canvas: Canvas) -> None:
    """Draw wet pink mucosa with folds, polyps of similar colour, reflections and a dark lumen."""
    rng, size = canvas.rng, canvas.size
    pink = np.array([200, 105, 85], np.float32) + rng.normal(0, 18, 3).astype(np.float32)
    mucosa = pattern_look(
        rng, pink, ("clouds", "veins", "grain"), float(rng.uniform(0.08, 0.3)), 2.5
    )
    canvas.image[:] = mucosa(size, size)
    angle = rng.uniform(0, _TURN)
    light = (float(np.cos(angle)), float(np.sin(angle)))
    folds = np.sin(smooth_field(rng, size, 3) * np.float32(rng.uniform(1, 3)))
    canvas.image *= (1 + np.float32(rng.uniform(0.05, 0.25)) * folds)[..., None]
    if rng.random() < 0.6:
        at = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
        lumen = rasterise(place(shapes.blob(rng, 0.15, 2), at, size * rng.uniform(0.1, 0.25)), size)
        if lumen is not None:
            _multiply(canvas, soften(lumen, size * 0.05, size), float(rng.uniform(0.1, 0.4)))
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        r = size * float(np.exp(rng.uniform(np.log(0.06), np.log(0.35))))
        at = (float(rng.uniform(0.15, 0.85) * size), float(rng.uniform(0.15, 0.85) * size))
        shape = shapes.blob(rng, float(rng.uniform(0.05, 0.25)), 2)
        polyp = rasterise(
            place(shape, at, r, rng.uniform(0, _TURN), (1.0, float(rng.uniform(0.6, 1)))), size
        )
        if polyp is None:
            continue
        canvas.shadow(
            polyp,
            (-light[0] * r * 0.12, -light[1] * r * 0.12),
            r * 0.1,
            float(rng.uniform(0.1, 0.45)),
        )
        tone = pink * np.float32(rng.uniform(0.85, 1.2)) + rng.normal(0, 7, 3).astype(np.float32)
        skin = pattern_look(
            rng, tone, ("clouds", "grain", "cobbles"), float(rng.uniform(0.05, 0.3)), 1.5
        )
        polyp = soften(polyp, min(r / 8, float(rng.uniform(0.6, 2.5))), size)
        shade = relief(polyp.alpha, light, float(rng.uniform(0.4, 1.0)))
        canvas.paint(polyp, skin(*polyp.alpha.shape) * shade, contrast=8.0)
    _glints(canvas, int(rng.integers(0, 40)))
    if rng.random() < 0.5:
        y, x = np.mgrid[:size, :size]
        edge = np.maximum(np.abs(x / size - 0.5), np.abs(y / size - 0.5)) * 2
        reach = np.abs(x / size - 0.5) + np.abs(y / size - 0.5)
        outside = (reach > rng.uniform(0.75, 0.95)) | (edge > 0.99)
        canvas.image[outside] = rng.uniform(0, 10)
        canvas.labels[outside] = 0


def _glints(canvas: Canvas, count: int) -> None:
    """Scatter specular highlights; they belong to the region below them."""
    rng, size = canvas.rng, canvas.size
    hubs = rng.uniform(0, size, (3, 2))
    for _ in range(count):
        x, y = hubs[rng.integers(3)] + rng.normal(0, 0.12, 2) * size
        glint = rasterise(
            place(shapes.blob(rng), (float(x), float(y)), size * rng.uniform(0.003, 0.018)), size
        )
        white = Look(rng, np.full(3, 250, np.float32))
        canvas.paint(glint, white, region=KEEP_LABELS, soft=0.6)


def draw_radiology(canvas: Canvas) -> None:
    """Draw a grey slice through a body: skin, organs, bones, vessels, lesions."""
    rng, size = canvas.rng, canvas.size
    canvas.image[:] = rng.uniform(0, 25)
    centre = (size / 2 + rng.normal(0, 0.04) * size, size / 2 + rng.normal(0, 0.04) * size)
    big = size * rng.uniform(0.36, 0.55)
    flat = float(rng.uniform(0.6, 1))
    body_shape = place(shapes.blob(rng, 0.06, 2), centre, big, rng.normal(0, 0.2), (1.0, flat))
    body = rasterise(body_shape, size)
    if body is None:
        return
    level = float(rng.uniform(60, 140))
    grain = ("clouds", "grain")
    group = canvas.new_group()

    def look(grey: float) -> Look:
        return pattern_look(
            rng, np.full(3, grey, np.float32), grain, float(rng.uniform(0.03, 0.15))
        )

    if rng.random() < 0.6:
        canvas.paint(body, look(level * 1.6), group=group, soft=0.8)
        scale = rng.uniform(0.86, 0.95)
        inner = rasterise([(body_shape[0] - centre) * scale + centre], size)
        body = inner if inner is not None else body
    canvas.paint(body, look(level), group=group, soft=0.8)
    soft = float(rng.uniform(0.6, 2.2))
    symmetric = rng.random() < 0.6
    for _ in range(int(rng.integers(2, 9))):
        r = big * float(np.exp(rng.uniform(np.log(0.08), np.log(0.45))))
        off = rng.normal(0, 0.38, 2) * big * (1, flat)
        shape = shapes.blob(rng, 0.2, 2)
        turn, grey = rng.uniform(0, _TURN), float(rng.uniform(5, 250))
        stretch = (1.0, float(rng.uniform(0.4, 1)))
        organ_look = look(grey)
        for mirror in (1, -1) if symmetric else (1,):
            form = place(shape, (0, 0), r, turn, stretch)[0] * (mirror, 1)
            at = np.array(centre) + off * (mirror, 1)
            organ = rasterise([form + at], size)
            organ = intersect(organ, body) if organ is not None else None
            if organ is None:
                continue
            part_of = canvas.new_group()
            canvas.paint(organ, organ_look, group=part_of, soft=min(soft, r / 6), contrast=14.0)
            if rng.random() < 0.35 and r > 12:
                spot = place(
                    shapes.blob(rng, 0.15, 2),
                    tuple(at + rng.normal(0, 0.3, 2) * r),
                    r * rng.uniform(0.15, 0.45),
                )
                lesion = rasterise(spot, size)
                lesion = intersect(lesion, organ) if lesion is not None else None
                canvas.paint(lesion, organ_look.again(20), group=part_of, soft=min(soft, r / 12))
    canvas.image += noise_field(rng, size)[..., None] * np.float32(rng.uniform(1, 14))


def draw_skin(canvas: Canvas) -> None:
    """Draw skin with a mole or wound of blurred or clear edge, and hairs across it."""
    rng, size = canvas.rng, canvas.size
    tone = np.array([222, 175, 150], np.float32) * np.float32(rng.uniform(0.4, 1.08))
    skin = pattern_look(
        rng, tone, ("clouds", "grain", "cobbles"), float(rng.uniform(0.04, 0.2)), 1.5
    )
    canvas.image[:] = skin(size, size)
    for _ in range(int(rng.choice([1, 1, 2, 5]))):
        r = size * float(np.exp(rng.uniform(np.log(0.04), np.log(0.36))))
        at = (float(rng.uniform(0.2, 0.8) * size), float(rng.uniform(0.2, 0.8) * size))
        dark = tone * np.array([0.62, 0.45, 0.4], np.float32) * np.float32(rng.uniform(0.5, 1.4))
        patch = rasterise(place(shapes.blob(rng, float(rng.uniform(0.1, 0.4)), 2), at, r), size)
        if patch is None:
            continue
        group = canvas.new_group()
        lesion = pattern_look(
            rng, dark, ("clouds", "grain", "camouflage"), float(rng.uniform(0.1, 0.5))
        )
        soft = min(r / 5, float(rng.uniform(0.6, 6)))
        canvas.paint(
            patch, lesion, group=group, soft=soft, contrast=15.0, opacity=float(rng.uniform(0.7, 1))
        )
        if rng.random() < 0.35 and r > 15:
            core = rasterise(place(shapes.blob(rng), at, r * rng.uniform(0.25, 0.6)), size)
            core = intersect(core, patch) if core is not None else None
            canvas.paint(core, lesion.again(25), group=group, soft=soft * 0.5)
    for _ in range(int(rng.choice([0, 0, 8, 25]))):
        start = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
        hair = stroke(
            [
                grow(
                    rng,
                    start,
                    rng.uniform(0, _TURN),
                    size * rng.uniform(0.2, 0.7),
                    1.6,
                    wiggle=0.03,
                    taper=0,
                )
            ],
            size,
        )
        canvas.paint(hair, Look(rng, tone * np.float32(0.2)), region=KEEP_LABELS, opacity=0.8)
