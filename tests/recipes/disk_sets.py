"""Training sets in which each image is a bright disk on a dark background."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def write_disks(
    folder: Path, count: int, *, name: str | None = None, mask_suffix: str = ".png"
) -> Path:
    """Write a set of `count` images of 120×90 pixels with the names 0, 1, 2 …

    Parameters
    ----------
    folder : Path
    count : int
    name : str, optional
        Name of the set in `set.json`.
    mask_suffix : str
    """
    rng = np.random.default_rng(0)
    for sub in ("images", "masks"):
        (folder / sub).mkdir(parents=True)
    (folder / "set.json").write_text(json.dumps({} if name is None else {"name": name}))
    y, x = np.mgrid[:90, :120]
    for i in range(count):
        cx, cy, r = *rng.uniform(30, 60, 2), rng.uniform(15, 28)
        disk = (x - cx) ** 2 + (y - cy) ** 2 < r * r
        Image.fromarray(np.where(disk, 220, 30).astype(np.uint8)).save(
            folder / "images" / f"{i}.png"
        )
        Image.fromarray(disk.astype(np.uint16)).save(folder / "masks" / f"{i}{mask_suffix}")
    return folder


def write_mask(path: Path, array: np.ndarray) -> None:
    """Replace a mask."""
    Image.fromarray(array).save(path)
