"""``anymask edges`` and ``anymask evaluate --edges``."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image


def test_edges_are_written_and_not_replaced_unasked(cli, scene_file, model, tmp_path):
    asked = ["edges", scene_file, "-o", tmp_path, "--model", model, "--points-per-side", 3]
    assert cli(*asked).exit_code == 0
    found = np.asarray(Image.open(tmp_path / "scene.edges.png"))
    assert found.shape == (180, 240)
    assert found.max() == 255
    again = cli(*asked)
    assert again.exit_code == 2
    assert "exists already" in again.output
    assert cli(*asked, "--wide", "--overwrite").exit_code == 0
    assert (np.asarray(Image.open(tmp_path / "scene.edges.png")) > 0).sum() > (found > 0).sum()


@pytest.fixture
def labelled(tmp_path, scene_file):
    """A folder with one image whose halves are labelled."""
    for kind in ("images", "masks"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    Image.open(scene_file).save(tmp_path / "set" / "images" / "scene.png")
    labels = np.ones((180, 240), np.uint8)
    labels[:, 120:] = 2
    Image.fromarray(labels).save(tmp_path / "set" / "masks" / "scene.png")
    return tmp_path / "set"


def test_edges_are_evaluated_beside_classical_ones(cli, labelled, model):
    asked = ["evaluate", "--edges", "--data", labelled, "--model", model]
    found = json.loads(cli(*asked, "--json").stdout)
    assert list(found) == ["model", "Canny", "Sobel"]
    assert all(0 <= value <= 1 for each in found.values() for value in each.values())
    shown = cli(*asked).output
    assert all(word in shown for word in ("ODS", "OIS", "AP", "Canny"))
