"""Small images with discs, written to disk in the layouts of data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

HEIGHT, WIDTH = 48, 64


def disc(x: float, y: float, radius: float, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """The mask of a disc."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def two_discs(shift: int = 0) -> np.ndarray:
    """A label image: a disc of id 1 on the left and a smaller one of id 2 on the right."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[disc(16 + shift, 24, 10)] = 1
    labels[disc(48, 20, 7)] = 2
    return labels


def noise(seed: int, labels: np.ndarray) -> np.ndarray:
    """Coarse random colours, darker at objects; different seeds look different."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 250, (labels.shape[0] // 8, labels.shape[1] // 8, 3))
    image = coarse.repeat(8, 0).repeat(8, 1).astype(np.uint8)
    image[labels > 0] //= 2
    return image


def save(path: Path, array: np.ndarray) -> Path:
    """Write an array in the format of the suffix; creates the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


def white(mask: np.ndarray) -> np.ndarray:
    """A binary mask as most programs save it."""
    return mask.astype(np.uint8) * 255


def write_pairs(folder: Path, count: int, first: int = 0) -> Path:
    """Write a set of `count` images with label images; no two have the same objects."""
    for i in range(first, first + count):
        labels = two_discs(shift=i % 5)
        save(folder / "images" / f"{i:02}.png", noise(i, labels))
        save(folder / "masks" / f"{i:02}.png", labels)
    return folder


def write_busi(folder: Path) -> Path:
    """Write images and masks in the folder layout of the breast ultrasound set BUSI."""
    for kind, number, lesions in (
        ("benign", 1, 1),
        ("benign", 2, 3),
        ("malignant", 1, 1),
        ("malignant", 2, 1),
        ("normal", 1, 0),
    ):
        name = f"{kind} ({number})"
        masks = [disc(10 + 20 * k, 20, 8) for k in range(lesions)]
        masks = masks or [np.zeros((HEIGHT, WIDTH), bool)]
        seed = sum(map(ord, name))
        save(folder / kind / f"{name}.png", noise(seed, np.logical_or.reduce(masks)))
        for k, mask in enumerate(masks):
            end = f"_mask_{k}" if k else "_mask"
            save(folder / kind / f"{name}{end}.png", white(mask))
    return folder
