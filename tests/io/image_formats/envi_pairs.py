"""ENVI pairs to read, written by spectral."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from spectral.io import envi


def cube_of(dtype: str, shape: tuple[int, int, int] = (5, 7, 4)) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 255, shape).astype(np.dtype(dtype))
    return values + 0.5 if values.dtype.kind in "fc" else values


def write_pair(
    folder: Path, name: str = "cube", suffix: str = ".dat", **fields: Any
) -> tuple[Path, np.ndarray]:
    cube = cube_of("u2")
    header = folder / f"{name}.hdr"
    envi.save_image(str(header), cube, ext=suffix, metadata=fields, interleave="bil")
    return header, cube


def edit(header: Path, old: str, new: str) -> None:
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))
