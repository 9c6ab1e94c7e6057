"""A small SAM 2 with drawn weights, and drawn frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import Sam2VideoModel

from anymask.checkpoints import load
from anymask.model.sam import Sam
from tests.checkpoints.sam2_models import SIDE, small_video_model

COUNT = 20


@pytest.fixture(scope="session")
def theirs() -> Sam2VideoModel:
    """The other implementation's model, to which objects are present."""
    model = small_video_model()
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.proj_out.bias += 8
    return model


@pytest.fixture(scope="session")
def model_folder(theirs: Sam2VideoModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That model's files."""
    path = tmp_path_factory.mktemp("sam2-video")
    theirs.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def model(model_folder: Path) -> Sam:
    """The same as ours."""
    return load(model_folder, device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def video() -> NDArray[np.uint8]:
    """A disc and a square that move before a shaded background, T×S×S×3."""
    y, x = np.mgrid[:SIDE, :SIDE]
    frames = np.empty((COUNT, SIDE, SIDE, 3), np.uint8)
    for t, frame in enumerate(frames):
        frame[...] = (40 + (x + y) // 4)[..., None]
        frame[(x - 30 - 3 * t) ** 2 + (y - 60 - t) ** 2 < 180] = (210, 80, 60)
        frame[(abs(x - 90 + 2 * t) < 12) & (abs(y - 90) < 10)] = (60, 170, 220)
    return frames
