"""Synthetic examples with exactly known masks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from anymask.datasets.types import Example


def draw_ellipse(
    size: tuple[int, int], centre: tuple[float, float], radii: tuple[float, float]
) -> NDArray[np.bool_]:
    """Mask (h, w) of an upright ellipse; centre and radii are (x, y)."""
    y, x = np.ogrid[: size[0], : size[1]]
    return ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 <= 1


@pytest.fixture
def ellipses() -> Example:
    """An image 90×120 with a red and a blue ellipse on green."""
    red = draw_ellipse((90, 120), (35, 45), (20.5, 28.5))
    blue = draw_ellipse((90, 120), (88, 40), (18.5, 12.5))
    image = np.full((90, 120, 3), (60, 160, 70), np.uint8)
    image[red], image[blue] = (200, 50, 40), (40, 60, 210)
    # A little noise, so that the colour models of GrabCut are not degenerate.
    noise = np.random.default_rng(0).integers(-12, 13, image.shape)
    image = (image + noise).clip(0, 255).astype(np.uint8)
    return Example("pair", image, [red, blue], "drawn")


@pytest.fixture
def scene_examples(scene) -> list[Example]:
    """The reference scene twice, with discs as objects, in two sets of different sizes."""
    size = scene.shape[:2]
    masks = [
        draw_ellipse(size, centre, (radius, radius))
        for centre, radius in (((60, 60), 25), ((150, 90), 40), ((200, 150), 12), ((30, 150), 9))
    ]
    return [
        Example("left", scene, masks[:2], "a"),
        Example("right", scene[:, ::-1].copy(), [m[:, ::-1] for m in masks], "b"),
    ]
