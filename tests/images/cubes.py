"""A small spectral cube in every order and kind that files have."""

from __future__ import annotations

from typing import Any

import numpy as np

from anymask.images.image import Image
from anymask.images.lazy import LazyArray

NM = np.linspace(400, 1000, 61)
HEIGHT, WIDTH = 37, 23


class Counting:
    """An array in which every band that is read is counted."""

    def __init__(self, values: np.ndarray, axis: int) -> None:
        self.values, self.axis, self.bands = values, axis, set()

    def __call__(self, box: tuple[slice, ...]) -> np.ndarray:
        self.bands.update(range(self.values.shape[self.axis])[box[self.axis]])
        return self.values[box]


def numbers(seed: int = 0) -> np.ndarray:
    """Positive float32 values (rows, columns, bands)."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.05, 1, (HEIGHT, WIDTH, len(NM))).astype(np.float32)


def cube(values: np.ndarray | None = None, layout: str = "bip", **known: Any) -> Image:
    """An image of the values: "bip", "bil", "bsq" in memory, or "CYX", "lazy"."""
    array = numbers() if values is None else values
    known = {"wavelengths": NM[: array.shape[2]], "name": "cube", **known}
    if layout == "CYX":
        return Image(np.ascontiguousarray(array.transpose(2, 0, 1)), "CYX", **known)
    if layout == "lazy":
        lazy = LazyArray(lambda box: array[box], array.shape, array.dtype, "cube")
        return Image(lazy, "YXC", **known)
    order = {"bip": (0, 1, 2), "bil": (0, 2, 1), "bsq": (2, 0, 1)}[layout]
    stored = np.ascontiguousarray(array.transpose(order))
    return Image(stored.transpose(np.argsort(order)), "YXC", **known)


LAYOUTS = ("bip", "bil", "bsq", "CYX", "lazy")
