"""Images in which nearly everything is a region: membranes, tissue, grains, stones, mosaics."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recipes.small.drawing.canvas import Canvas
from recipes.small.drawing.textures import (
    Palette,
    noise_field,
    pattern_look,
    random_look,
    smooth_field,
)


def tessellate(rng: np.random.Generator, size: int) -> NDArray[np.int32]:
    """Divide a square into cells.

    Cells are nearest to their seed; then a smooth warp bends the borders. In half of the images
    small cells are merged into larger, uneven ones.

    Returns
    -------
    numpy.ndarray
        ``int32`` S×S of cell numbers from 0, not all of them used.
    """
    wanted = int(np.exp(rng.uniform(np.log(6), np.log(160))))
    merge = rng.random() < 0.5
    count = wanted * (int(rng.integers(4, 12)) if merge else 1)
    seeds = rng.uniform(0, 1, (count, 2))
    if rng.random() < 0.4:
        # Uneven density of seeds, for cells of different sizes.
        seeds = seeds ** np.array([rng.uniform(0.6, 2), rng.uniform(0.6, 2)])
    side = size + size // 3
    ground = np.full((side, side), 255, np.uint8)
    pixels = np.minimum((seeds * side).astype(int), side - 1)
    ground[pixels[:, 1], pixels[:, 0]] = 0
    _, cells = cv2.distanceTransformWithLabels(
        ground, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    if merge:
        owners = np.zeros(count + 1, np.float32)
        at = np.zeros((count + 1, 2))
        at[cells[pixels[:, 1], pixels[:, 0]]] = seeds
        hubs = rng.uniform(0, 1, (wanted, 2))
        uneven = rng.uniform(0, 0.12) / np.sqrt(wanted)
        far = ((at[:, None] - hubs[None]) ** 2).sum(2) ** 0.5
        owners[:] = (far + rng.normal(0, uneven, far.shape)).argmin(1)
        cells = owners[cells].astype(np.int32)
    knots = int(rng.integers(4, 20))
    # A stronger warp at this scale would fold cells over each other.
    warp = rng.uniform(0, 0.3) * size / knots
    y, x = np.mgrid[:size, :size].astype(np.float32)
    stretch = np.float32(rng.uniform(0.5, 1))
    margin = np.float32(size // 6)
    map_x = x + margin + np.float32(warp) * smooth_field(rng, size, knots)
    map_y = y * stretch + margin + np.float32(warp) * smooth_field(rng, size, knots)
    moved = cv2.remap(
        cells.astype(np.float32), map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    return moved.astype(np.int32)


def borders(cells: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour is in another cell."""
    edge = np.zeros(cells.shape, bool)
    edge[:, :-1] = cells[:, 1:] != cells[:, :-1]
    edge[:-1] |= cells[1:] != cells[:-1]
    return edge


def _label(canvas: Canvas, cells: NDArray[np.int32], keep: NDArray[np.bool_]) -> None:
    used = np.flatnonzero(np.bincount(cells.ravel()))
    renumber = np.zeros(int(cells.max()) + 1, np.uint16)
    for cell in used:
        renumber[cell] = canvas.new_region()
    canvas.labels[:] = renumber[cells] * keep


def draw_membranes(canvas: Canvas) -> None:
    """Draw cells with membranes: electron microscopy, epithelium, plant tissue, honeycomb."""
    rng, size = canvas.rng, canvas.size
    cells = tessellate(rng, size)
    far = cv2.distanceTransform((~borders(cells)).astype(np.uint8), cv2.DIST_L2, 3)
    half = float(rng.uniform(0.8, 3.5))
    electron = rng.random() < 0.5
    inside = (
        float(rng.uniform(130, 215))
        if electron or rng.random() < 0.5
        else float(rng.uniform(10, 90))
    )
    wall = (
        inside - float(rng.uniform(50, 120))
        if inside > 110
        else inside + float(rng.uniform(50, 150))
    )
    tone = np.full(3, inside, np.float32)
    if not electron and rng.random() < 0.6:
        tone = tone * rng.uniform(0.5, 1.2, 3).astype(np.float32)
    look = pattern_look(
        rng, tone, ("grain", "clouds", "spots"), float(rng.uniform(0.05, 0.35)), 0.8
    )
    canvas.image[:] = look(size, size)
    spread = rng.normal(0, rng.uniform(2, 14), int(cells.max()) + 1).astype(np.float32)
    canvas.image += spread[cells][..., None]
    cover = np.clip(half + 0.5 - far, 0, 1)
    cover = cv2.GaussianBlur(cover, (0, 0), float(rng.uniform(0.5, 1.2)))[..., None]
    wall_colour = np.full(3, wall, np.float32) * (tone / max(float(tone.mean()), 1.0))
    canvas.image += cover * (wall_colour - canvas.image)
    # Thick walls are unlabelled; thin walls belong to the cells that they separate.
    _label(canvas, cells, far > half if half > 1.5 else np.ones_like(far, bool))
    if electron:
        _organelles(canvas, inside)
    canvas.image += noise_field(rng, size)[..., None] * np.float32(rng.uniform(2, 14))


def _organelles(canvas: Canvas, inside: float) -> None:
    """Scatter dark bodies inside cells; small ones are distractors, large ones are regions."""
    rng, size = canvas.rng, canvas.size
    for _ in range(int(rng.integers(0, 14))):
        x, y = (int(v) for v in rng.integers(0, size, 2))
        axes = (int(size * rng.uniform(0.008, 0.03)) + 1, int(size * rng.uniform(0.006, 0.015)) + 1)
        shade = float(inside * rng.uniform(0.45, 0.85))
        cv2.ellipse(
            canvas.image, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, (shade,) * 3, -1
        )


def draw_grains(canvas: Canvas) -> None:
    """Draw touching grains with different surfaces: rock, ore, pebbles, mosaic, land cover."""
    rng, size = canvas.rng, canvas.size
    cells = tessellate(rng, size)
    palette = Palette(rng)
    edge = borders(cells)
    count = int(cells.max()) + 1
    surfaces = [random_look(rng, palette)(size, size) for _ in range(int(rng.integers(1, 4)))]
    which = rng.integers(0, len(surfaces), count)
    spread = np.float32(rng.choice([10, 20, 40]))
    tint = rng.normal(0, spread, (count, 1)) + rng.normal(0, spread * 0.3, (count, 3))
    canvas.image[:] = surfaces[0]
    for i, surface in enumerate(surfaces[1:], 1):
        mine = (which == i)[cells]
        canvas.image[mine] = surface[mine]
    canvas.image += tint.astype(np.float32)[cells]
    far = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 3)
    style = rng.random()
    keep = np.ones_like(edge)
    if style < 0.35:
        # Rounded grains with dark gaps between them.
        half = float(rng.uniform(0.5, 2.5))
        dark = np.clip(half + 0.5 - far, 0, 1)[..., None] * np.float32(rng.uniform(0.4, 0.95))
        canvas.image *= 1 - dark
        keep = far > half if half > 1.5 else keep
        canvas.image *= (
            np.float32(0.75) + np.minimum(far / np.float32(0.04 * size), 1) * np.float32(0.35)
        )[..., None]
    elif style < 0.7:
        canvas.image = cv2.GaussianBlur(canvas.image, (0, 0), float(rng.uniform(0.5, 1.2)))
    # Some images have pores: whole cells that are background.
    if rng.random() < 0.4:
        pores = (rng.random(count) < rng.uniform(0.05, 0.3))[cells]
        canvas.image[pores] = canvas.image[pores] * np.float32(0.15) + np.float32(
            rng.uniform(0, 20)
        )
        keep = keep & ~pores
    _label(canvas, cells, keep)
