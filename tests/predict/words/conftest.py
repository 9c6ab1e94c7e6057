"""Tiny detectors, and a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from anymask.checkpoints import load
from anymask.model.sam import Sam
from tests.predict.words.tiny_detectors import tiny_grounding_dino, tiny_owlv2


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """A picture of 90×120 pixels."""
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


@pytest.fixture(scope="session")
def shipped() -> Sam:
    """The shipped model, which makes the masks."""
    return load()


@pytest.fixture(scope="session", params=["grounding-dino", "mm-grounding-dino"])
def grounded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Grounding DINO or one of its relatives."""
    return tiny_grounding_dino(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def owlv2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an OWLv2."""
    return tiny_owlv2(tmp_path_factory.mktemp("owlv2"))
