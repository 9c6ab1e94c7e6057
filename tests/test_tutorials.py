"""The tutorial notebooks run from top to bottom, and are stored without outputs."""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

import anymask

pytestmark = pytest.mark.slow

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"


@pytest.mark.parametrize("path", sorted(TUTORIALS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path):
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.fixture(scope="module")
def ultrasound(tmp_path_factory):
    """The notebook on ultrasound, run in a folder of its own."""
    folder = tmp_path_factory.mktemp("tutorial")
    notebook = nbformat.read(TUTORIALS / "finetune_ultrasound.ipynb", 4)
    source = str(Path(anymask.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "ANYMASK_HOME": str(folder / "home")}
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}})
    client.create_kernel_manager()
    client.start_new_kernel(env=environment)
    client.execute()
    return folder, notebook


def outputs(notebook, kind: str) -> list[str]:
    """What the cells gave back of a MIME type."""
    return [
        output["data"][kind]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    ]


def test_the_ultrasound_tutorial_makes_a_model_that_finds_lesions_better(ultrasound):
    folder, notebook = ultrasound
    card = json.loads((folder / "ultrasound/tuned/card.json").read_text())
    assert card["after"]["val_click_iou"] > card["before"]["val_click_iou"] + 0.05
    assert card["verdict"]["overall"]["difference"] > 0.02
    assert repr(card["verdict"]["sentence"]) in outputs(notebook, "text/plain")
    settings = json.loads((folder / "ultrasound/boxes_only/card.json").read_text())["settings"]
    expected = {"loss": "dice", "optimizer": "adam", "lr": 1e-5, "prompts": ["box"]}
    assert {name: settings[name] for name in expected} == expected
    assert settings["freeze"] == ["image_encoder", "prompt_encoder"]
    assert (folder / "ultrasound/tuned/report.html").is_file()


def test_the_ultrasound_tutorial_draws_masks_boxes_points_and_curves(ultrasound):
    pictures = outputs(ultrasound[1], "image/png")
    assert len(pictures) == 6
    for picture in pictures:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB"))
        coloured = np.ptp(pixels.astype(int), axis=2) > 60
        assert coloured.mean() > 0.002
