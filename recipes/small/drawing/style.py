"""The common look of a scene: light, softness, shadows, outlines and background."""

from __future__ import annotations

import numpy as np

from recipes.small.drawing.canvas import Canvas, Colours, Patch, soften
from recipes.small.drawing.shapes import Shape, rasterise
from recipes.small.drawing.textures import (
    Look,
    Palette,
    random_look,
    relief,
    smooth_field,
)


class Style:
    """Choices made once per scene, so that its objects share one camera and one light.

    Parameters
    ----------
    canvas
        The canvas of the scene.
    """

    def __init__(self, canvas: Canvas) -> None:
        rng = canvas.rng
        self.canvas = canvas
        self.palette = Palette(rng)
        self.soft = float(rng.choice([0.0, rng.uniform(0.3, 0.8), rng.uniform(0.8, 1.8)]))
        angle = rng.uniform(0, 2 * np.pi)
        self.light = (float(np.cos(angle)), float(np.sin(angle)))
        self.bulge = float(rng.uniform(0.3, 1)) if rng.random() < 0.5 else 0.0
        self.shadow = float(rng.uniform(0.2, 0.65)) if rng.random() < 0.4 else 0.0
        self.shadow_length = float(rng.uniform(0.03, 0.25))
        self.outline_chance = float(rng.choice([0.0, 0.12, 1.0], p=[0.6, 0.28, 0.12]))
        self.outline_colour = self.palette.colour() * np.float32(rng.uniform(0.1, 1.2))

    def look(self) -> Look:
        """Choose a random surface."""
        return random_look(self.canvas.rng, self.palette, self.canvas.photo)

    def plain(self) -> Look:
        """Choose a smooth surface with little texture (metal, plastic, skin, cloth)."""
        look = random_look(self.canvas.rng, self.palette)
        look.gain = look.gain * np.float32(0.25)
        return look

    def add(
        self,
        patch: Patch | None,
        look: Look,
        *,
        group: int = 0,
        region: int | None = None,
        grounded: bool = True,
        contrast: float | None = None,
    ) -> int:
        """Paint one object in this style and return its label.

        Parameters
        ----------
        patch
            Where to paint; None paints nothing.
        look
            Its surface.
        group, region, contrast
            As in `Canvas.paint`.
        grounded
            Whether it may cast a shadow.
        """
        if patch is None:
            return 0
        canvas, rng = self.canvas, self.canvas.rng
        extent = min(patch.alpha.shape)
        if grounded and self.shadow:
            reach = self.shadow_length * extent
            offset = (-self.light[0] * reach, -self.light[1] * reach)
            canvas.shadow(patch, offset, 0.6 + 0.35 * reach, self.shadow)
        # Blur would erase an object thinner than itself.
        patch = soften(patch, min(self.soft, extent / 8), canvas.size)
        colours: Colours = look
        if self.bulge and extent > 8:
            colours = look(*patch.alpha.shape) * relief(patch.alpha, self.light, self.bulge)
        label = canvas.paint(patch, colours, group=group, region=region, contrast=contrast)
        if self.outline_chance and rng.random() < self.outline_chance and extent > 12:
            canvas.outline(patch, self.outline_colour, min(3.0, 1 + extent / 60))
        return label

    def add_shape(self, shape: Shape, look: Look, *, group: int = 0) -> int:
        """Rasterise a placed shape and paint it."""
        return self.add(rasterise(shape, self.canvas.size), look, group=group)


def fill_background(style: Style) -> None:
    """Cover the canvas: one surface, two that meet at a horizon, or a blurred image."""
    canvas, rng, size = style.canvas, style.canvas.rng, style.canvas.size
    look = style.look()
    canvas.image[:] = look(size, size)
    kind = rng.random()
    if kind < 0.2:
        # Ground below the horizon, or one wall beside another.
        edge = int(rng.uniform(0.25, 0.8) * size)
        ground = style.look()
        ground.light = (1, 0.4, 0.0, 1.0)
        part = canvas.image[edge:] if rng.random() < 0.75 else canvas.image[:, edge:]
        part[:] = ground(*part.shape[:2])
    elif kind < 0.4:
        field = smooth_field(rng, size, int(rng.integers(2, 6)))
        canvas.image *= (1 + np.float32(rng.uniform(0.05, 0.3)) * field)[..., None]
    if rng.random() < 0.15:
        canvas.image += np.float32(0.6) * (canvas.image.mean((0, 1)) - canvas.image)
