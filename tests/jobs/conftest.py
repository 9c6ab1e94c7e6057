"""A small model and a folder of images for runs over folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

import anymask


@pytest.fixture(scope="session")
def model(small_reference_sam, tmp_path_factory) -> Path:
    """File of the small reference model, with its geometry."""
    path = tmp_path_factory.mktemp("model") / "reference.safetensors"
    anymask.save(small_reference_sam, path)
    return path


@pytest.fixture
def photos(tmp_path, reference) -> Path:
    """A folder with three images: one.png, three.png and two.png."""
    folder = tmp_path / "photos"
    folder.mkdir()
    scene = Image.open(reference / "small" / "scene.png").convert("RGB")
    shutil.copy(reference / "small" / "scene.png", folder / "one.png")
    scene.transpose(Image.Transpose.ROTATE_90).save(folder / "two.png")
    scene.transpose(Image.Transpose.ROTATE_180).save(folder / "three.png")
    return folder
