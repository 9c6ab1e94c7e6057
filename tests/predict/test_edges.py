"""Edges lie where objects end, from torch and from an exported model alike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from anymask import load
from anymask.errors import PromptError
from anymask.predict.edges import edge_map, thinned


@pytest.fixture(scope="module")
def disc() -> tuple[np.ndarray, np.ndarray]:
    """A bright disc on grey noise, and where it ends."""
    y, x = np.mgrid[:96, :128]
    inside = np.hypot(y - 48, x - 60) < 26
    image = np.random.default_rng(0).integers(60, 90, (96, 128, 3)).astype(np.uint8)
    image[inside] = (230, 200, 60)
    return image, ndimage.binary_dilation(inside) & ~inside


def test_the_outline_of_an_object_is_a_strong_and_thin_edge(disc):
    image, outline = disc
    edges = edge_map(image, load(dtype="float32"), points_per_side=4)
    assert edges.shape == image.shape[:2]
    assert edges.max() == 1
    near = ndimage.binary_dilation(outline, iterations=2)
    strong = edges > 0.4
    assert strong[near].sum() > 0.9 * strong.sum()
    found = ndimage.binary_dilation(strong, iterations=2)
    assert found[outline].mean() > 0.8
    wide = edge_map(image, load(dtype="float32"), points_per_side=4, thin=False)
    assert (wide > 0.4).sum() > strong.sum()


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 135])
def test_ridges_of_any_direction_become_one_pixel_wide(angle):
    y, x = np.mgrid[-20:21, -20:21]
    away = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    thin = thinned(np.exp(-((away / 3) ** 2)).astype(np.float32))[8:-8, 8:-8]
    assert np.abs(away[8:-8, 8:-8][thin > 0]).max() < 1.1
    assert (thin > 0).sum() <= 1.6 * len(thin)


def test_no_points_are_refused(disc):
    with pytest.raises(PromptError, match="points_per_side is 0; give a positive number"):
        edge_map(disc[0], points_per_side=0)
