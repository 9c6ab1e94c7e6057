"""Masks and an image that several tests save."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.images.image import Image
from anymask.masks.mask_set import MaskSet

SHAPE = (40, 50)


@pytest.fixture
def stack() -> np.ndarray:
    """A ring, two squares that are one object, and a disc in the ring's hole."""
    masks = np.zeros((3, *SHAPE), bool)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    away = np.hypot(y - 15, x - 15)
    masks[0] = (away < 12) & (away > 7)
    masks[1, 30:35, 5:10] = masks[1, 30:35, 20:25] = True
    masks[2] = away < 4
    return masks


@pytest.fixture
def masks(stack) -> MaskSet:
    return MaskSet.from_masks(
        stack, object_ids=[12, 300, 7], class_names=["wall", "pair", "nucleus"]
    )


@pytest.fixture
def calibrated() -> Image:
    values = np.arange(np.prod(SHAPE) * 2, dtype=np.uint16).reshape(*SHAPE, 2)
    return Image(
        values,
        "YXC",
        channel_names=("DAPI", "GFP"),
        pixel_size=(0.5, 0.25),
        unit="µm",
        name="cells",
    )
