"""Cells and nuclei: fluorescence, phase contrast and brightfield, stained tissue, blood smears."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recipes.small.drawing import shapes
from recipes.small.drawing.canvas import Canvas, Patch, intersect, soften
from recipes.small.drawing.shapes import place, rasterise
from recipes.small.drawing.textures import (
    noise_field,
    pattern_look,
    relief,
    smooth_field,
)

_TURN = 2 * np.pi
Points = NDArray[np.float64]


class _Colony:
    """Positions and shapes of the cells of one image."""

    def __init__(self, canvas: Canvas) -> None:
        rng, size = canvas.rng, canvas.size
        self.canvas = canvas
        self.radius = size * float(np.exp(rng.uniform(np.log(0.017), np.log(0.14))))
        room = size * size / (np.pi * self.radius**2)
        self.count = int(np.clip(room * rng.uniform(0.06, 0.75), 3, 150))
        self.roughness = float(rng.choice([0.03, 0.08, 0.2]))
        self.flatness = float(rng.uniform(0.4, 1))
        self.variety = float(rng.uniform(0.05, 0.35))
        self.overlap = rng.random() < 0.35
        self.gap = bool(rng.random() < 0.5)
        self.elongated = rng.random() < 0.12

    def centres(self) -> Points:
        """Centres in pixels (n×2): scattered, or in clusters."""
        rng, size = self.canvas.rng, self.canvas.size
        if rng.random() < 0.6:
            return rng.uniform(-0.02, 1.02, (self.count, 2)) * size
        hubs = rng.uniform(0, size, (max(1, self.count // 9), 2))
        spread = self.radius * rng.uniform(1.5, 3.5)
        return hubs[rng.integers(0, len(hubs), self.count)] + rng.normal(0, spread, (self.count, 2))

    def cell(self, at: Points) -> tuple[Patch, float] | None:
        """Return the visible part of a new cell and its radius, or None if there is no room."""
        canvas, rng = self.canvas, self.canvas.rng
        r = self.radius * float(np.exp(rng.normal(0, self.variety)))
        if self.elongated:
            shape = place(shapes.ellipse(rng), (0, 0), 1.0, 0.0, (1.0, 0.3))
        else:
            shape = shapes.blob(rng, self.roughness, 2)
        stretch = (1.0, float(rng.uniform(self.flatness, 1)))
        patch = rasterise(
            place(shape, (float(at[0]), float(at[1])), r, rng.uniform(0, _TURN), stretch),
            canvas.size,
        )
        if patch is None:
            return None
        if not self.overlap:
            taken = (canvas.labels[patch.window] > 0).astype(np.uint8)
            if taken.any():
                if self.gap:
                    taken = cv2.dilate(taken, np.ones((3, 3), np.uint8))
                free = patch.alpha * (1 - taken)
                if np.count_nonzero(free > 127) < 0.45 * np.count_nonzero(patch.alpha > 127):
                    return None
                patch = Patch(patch.top, patch.left, free)
        return (patch, r) if np.count_nonzero(patch.alpha > 127) > 12 else None


def _dome(alpha: NDArray[np.uint8], power: float) -> NDArray[np.float32]:
    """Height of a cell above its outline, 0–1: a power of the distance to the edge."""
    far = cv2.distanceTransform((alpha > 127).astype(np.uint8), cv2.DIST_L2, 3)
    return (far / max(1.0, float(far.max()))) ** np.float32(power)


def _part_inside(canvas: Canvas, patch: Patch, radius: float, ratio: float) -> Patch | None:
    """Return a nucleus somewhere in the middle of a cell."""
    rng = canvas.rng
    h, w = patch.alpha.shape
    moments = cv2.moments(patch.alpha, binaryImage=True)
    if moments["m00"] < 30:
        return None
    x = patch.left + moments["m10"] / moments["m00"] + rng.normal(0, 0.1) * w
    y = patch.top + moments["m01"] / moments["m00"] + rng.normal(0, 0.1) * h
    shape = shapes.blob(rng, 0.12 if rng.random() < 0.8 else 0.4, 2)
    part = rasterise(place(shape, (x, y), radius * ratio, rng.uniform(0, _TURN)), canvas.size)
    return intersect(part, patch) if part is not None else None


def draw_fluorescence(canvas: Canvas) -> None:
    """Draw bright, soft cells on a dark, unevenly lit background, with shot noise."""
    rng, size = canvas.rng, canvas.size
    colony = _Colony(canvas)
    ground = float(rng.uniform(2, 45))
    peak = float(rng.uniform(60, 230))
    tint, nucleus_tint = _stain_colours(rng)
    haze = np.float32(ground * 0.5 * rng.random()) * smooth_field(rng, size)
    canvas.image[:] = (ground + haze)[..., None] * tint
    sharpness = float(rng.uniform(0.3, 0.12 * colony.radius + 0.6))
    power = float(rng.choice([0.15, 0.4, 0.8]))
    mottle = pattern_look(rng, np.zeros(3, np.float32), ("clouds", "grain", "veins"), 1.0, 0.5)
    mottled = np.float32(rng.uniform(0.0, 0.004))
    two_parts = rng.random() < 0.25 and colony.radius > 0.035 * size
    brightness_spread = float(rng.uniform(0.05, 0.6))
    for at in colony.centres():
        made = colony.cell(at)
        if made is None:
            continue
        patch, r = made
        level = peak * float(np.exp(rng.normal(0, brightness_spread)))
        level = max(level, ground * 0.5 + 16)
        blur = sharpness * (float(rng.uniform(2, 4)) if rng.random() < 0.07 else 1.0)
        sharp = patch
        patch = soften(patch, min(blur, r / 3), size)
        height = 0.35 + 0.65 * cv2.GaussianBlur(_dome(patch.alpha, power), (0, 0), 1.0)
        window = patch.window
        glow = cv2.multiply(patch.alpha, level / 255.0, dtype=cv2.CV_32F) * height
        glow *= 1 + mottled * mottle(*patch.alpha.shape)[..., 0]
        part = None
        if two_parts and rng.random() < 0.9:
            glow *= 0.5
            part = _part_inside(canvas, sharp, r, float(rng.uniform(0.3, 0.55)))
        canvas.image[window] += glow[..., None] * tint
        group = canvas.new_group()
        canvas.labels[window][patch.alpha > 127] = canvas.new_region(group)
        if part is not None:
            core = soften(part, min(blur, r / 6), size)
            bright = cv2.multiply(core.alpha, level / 255.0, dtype=cv2.CV_32F)
            canvas.image[core.window] += bright[..., None] * nucleus_tint
            canvas.labels[core.window][core.alpha > 127] = canvas.new_region(group)
    if rng.random() < 0.5:
        canvas.image *= (1 + np.float32(rng.uniform(0.1, 0.35)) * smooth_field(rng, size, 2))[
            ..., None
        ]
    canvas.image = 255 * np.tanh(np.maximum(canvas.image, 0) / 255)
    shot = np.float32(rng.uniform(0.1, 1.3))
    canvas.image += (shot * np.sqrt(canvas.image)) * noise_field(rng, size)[..., None]


def _stain_colours(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    grey = np.ones(3, np.float32)
    if rng.random() < 0.5:
        return grey, grey
    dyes = np.array(
        [[0.25, 0.4, 1.2], [0.2, 1.2, 0.3], [1.2, 0.2, 0.25], [1.1, 0.9, 0.2], [0.9, 0.2, 1.0]],
        np.float32,
    )
    first, second = rng.choice(len(dyes), 2, replace=False)
    return dyes[first], dyes[second]


def draw_brightfield(canvas: Canvas) -> None:
    """Draw unstained cells with phase halos, dark rims or relief on a grey background."""
    rng, size = canvas.rng, canvas.size
    colony = _Colony(canvas)
    ground = np.full(3, rng.uniform(90, 200), np.float32) + rng.normal(0, 6, 3).astype(np.float32)
    look = pattern_look(rng, ground, ("clouds", "grain"), float(rng.uniform(0.02, 0.2)))
    canvas.image[:] = look(size, size)
    halo = float(rng.uniform(20, 80)) if rng.random() < 0.6 else 0.0
    rim = float(rng.uniform(-90, 60))
    inside = float(rng.uniform(-45, 40))
    if abs(rim) + halo < 50:
        rim -= 50
    depth = float(rng.uniform(0.3, 0.9)) if rng.random() < 0.45 else 0.0
    angle = rng.uniform(0, _TURN)
    light = (float(np.cos(angle)), float(np.sin(angle)))
    content = pattern_look(
        rng, ground + inside, ("grain", "spots", "clouds"), rng.uniform(0.1, 0.5), 0.7
    )
    has_nucleus = rng.random() < 0.4
    width = max(1.0, colony.radius * rng.uniform(0.05, 0.16))
    for at in colony.centres():
        made = colony.cell(at)
        if made is None:
            continue
        patch, r = made
        if halo:
            wide = soften(patch, width * 1.5, size)
            around = cv2.multiply(wide.alpha, halo / 255.0, dtype=cv2.CV_32F)[..., None]
            canvas.image[wide.window] += around
        group = canvas.new_group()
        patch = soften(patch, 0.5, size)
        colours = content(*patch.alpha.shape)
        if depth:
            colours *= relief(patch.alpha, light, depth)
        canvas.paint(patch, colours, group=group, contrast=0.0, opacity=float(rng.uniform(0.6, 1)))
        canvas.outline(patch, np.clip(ground + rim, 0, 255), width)
        if has_nucleus and r > 9:
            part = _part_inside(canvas, patch, r, float(rng.uniform(0.25, 0.5)))
            if part is not None:
                core = content.again(6)
                canvas.paint(part, core, group=group, soft=0.8, contrast=18.0)
    canvas.image += noise_field(rng, size)[..., None] * np.float32(rng.uniform(1, 9))


def draw_stain(canvas: Canvas) -> None:
    """Draw stained tissue: purple or brown nuclei in pink, textured surroundings."""
    rng, size = canvas.rng, canvas.size
    colony = _Colony(canvas)
    pink = np.array([225, 170, 200], np.float32) + rng.normal(0, 14, 3).astype(np.float32)
    purple = np.array([105, 65, 145], np.float32) + rng.normal(0, 18, 3).astype(np.float32)
    if rng.random() < 0.25:
        pink = np.array([190, 195, 215], np.float32) + rng.normal(0, 10, 3).astype(np.float32)
        purple = np.array([135, 85, 50], np.float32) + rng.normal(0, 20, 3).astype(np.float32)
    tissue = pattern_look(
        rng, pink, ("clouds", "fur", "grain", "veins"), rng.uniform(0.1, 0.6), 2.0
    )
    canvas.image[:] = tissue(size, size)
    if rng.random() < 0.6:
        # Lumens and gaps, white and unlabelled.
        field = smooth_field(rng, size, int(rng.integers(4, 12)))
        gaps = np.clip((field - 1.0) * 5, 0, 1)[..., None]
        canvas.image += gaps * (np.float32(238) - canvas.image)
    body = rng.random() < 0.35 and colony.radius > 0.03 * size
    cytoplasm = pattern_look(rng, pink * 0.85, ("clouds", "grain"), rng.uniform(0.05, 0.4))
    chromatin = pattern_look(rng, purple, ("grain", "clouds", "spots"), rng.uniform(0.15, 0.6), 0.6)
    soft = float(rng.uniform(0.4, 1.3))
    rim = rng.random() < 0.4
    for at in colony.centres():
        made = colony.cell(at)
        if made is None:
            continue
        patch, r = made
        group = canvas.new_group()
        core: Patch | None = patch
        if body:
            canvas.paint(patch, cytoplasm.again(10), group=group, soft=soft, contrast=10.0)
            core = _part_inside(canvas, patch, r, float(rng.uniform(0.3, 0.65)))
        pale = float(rng.uniform(0, 0.45))
        nucleus = chromatin.again(12)
        nucleus.colour = nucleus.colour + np.float32(pale) * (pink - nucleus.colour)
        canvas.paint(core, nucleus, group=group, soft=soft, contrast=20.0)
        if rim:
            canvas.outline(core, purple * np.float32(0.7), 1.0)


def draw_smear(canvas: Canvas) -> None:
    """Draw a blood smear: red cells paler in the middle, a few white cells with lobed nuclei."""
    rng, size = canvas.rng, canvas.size
    colony = _Colony(canvas)
    colony.radius = max(colony.radius, 0.03 * size)
    colony.count = min(colony.count, 90)
    ground = np.array([235, 225, 220], np.float32) * np.float32(rng.uniform(0.8, 1.03))
    canvas.image[:] = pattern_look(rng, ground, ("clouds",), 0.08)(size, size)
    red = np.array([205, 135, 130], np.float32) + rng.normal(0, 15, 3).astype(np.float32)
    purple = np.array([120, 70, 160], np.float32) + rng.normal(0, 18, 3).astype(np.float32)
    blue = np.array([190, 180, 225], np.float32) + rng.normal(0, 12, 3).astype(np.float32)
    pallor = float(rng.uniform(0, 0.8))
    for at in colony.centres():
        made = colony.cell(at)
        if made is None:
            continue
        patch, r = made
        tone = red + rng.normal(0, 6, 3).astype(np.float32)
        hollow = np.float32(pallor) * np.maximum(_dome(patch.alpha, 1.5) - 0.35, 0)[..., None]
        canvas.paint(patch, tone + hollow * (ground - tone), contrast=0.0)
    for _ in range(int(rng.integers(0, 4))):
        r = colony.radius * rng.uniform(1.2, 2)
        at = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
        cell = rasterise(place(shapes.blob(rng, 0.08, 2), at, r), size)
        if cell is None:
            continue
        group = canvas.new_group()
        canvas.paint(cell, pattern_look(rng, blue, ("grain",), 0.15), group=group, soft=0.8)
        lobes = int(rng.integers(1, 5))
        nucleus = pattern_look(rng, purple, ("grain", "clouds"), 0.25)
        parts = []
        for i in range(lobes):
            a = _TURN * i / 5 + rng.normal(0, 0.2)
            off = 0.0 if lobes == 1 else r * 0.38
            lobe = rasterise(
                place(
                    shapes.blob(rng, 0.12, 2),
                    (at[0] + off * np.cos(a), at[1] + off * np.sin(a)),
                    r * (0.62 if lobes == 1 else 0.34),
                ),
                size,
            )
            if lobe is not None:
                parts.append(lobe)
        region: int | None = None
        for lobe in parts:
            region = canvas.paint(
                lobe, nucleus, group=group, region=region, soft=0.7, contrast=25.0
            )
