"""``anymask track`` writes labels, a table and a film of what it followed."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from anymask.checkpoints import save
from anymask.cli.app import app
from anymask.model.building import build_model
from anymask.model.config import HieraConfig, Sam2Config
from anymask.tracking.video import VideoFrames


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model that sees an object everywhere."""
    import torch

    torch.manual_seed(3)
    encoder = HieraConfig(width=16, depths=(1, 1, 1, 1), global_attn_indexes=(2,))
    sam = build_model(Sam2Config("untrained", encoder, image_size=64)).eval()
    with torch.no_grad():
        sam.mask_decoder.pred_obj_score_head.layers[-1].bias += 5
    path = tmp_path_factory.mktemp("model") / "sam2.safetensors"
    save(sam, path)
    return path


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "stack.tif"
    planes = np.random.default_rng(0).integers(0, 255, (5, 40, 60), np.uint8)
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "TYX"})
    return path


def test_two_boxes_give_labels_a_table_and_a_film_of_all_frames(
    model: Path, stack: Path, tmp_path: Path
):
    out = tmp_path / "out"
    boxes = ["--box", "5,5,30,30", "--box", "30,10,55,35"]
    given = ["track", str(stack), *boxes, "--frame", "2", "-m", str(model), "-o", str(out)]
    ran = CliRunner().invoke(app, given)
    assert ran.exit_code == 0, ran.output
    labels = tifffile.imread(out / "labels.tif")
    assert labels.shape == (5, 40, 60)
    assert set(np.unique(labels)) <= {0, 1, 2}
    rows = list(csv.DictReader((out / "objects.csv").open()))
    assert {int(row["frame"]) for row in rows} <= set(range(5))
    for row in rows:
        painted = (labels[int(row["frame"])] == int(row["id"])).sum()
        assert painted <= int(row["area"]) <= int(row["width"]) * int(row["height"])
    assert rows
    film = VideoFrames(out / "overlay.mp4")
    assert len(film) == 5
    assert film[0].shape == (40, 60, 3)
    again = CliRunner().invoke(app, given)
    assert again.exit_code == 2
    assert "labels.tif" in again.output


def test_without_a_prompt_or_with_a_first_sam_it_says_what_to_do(stack: Path, tmp_path: Path):
    out = str(tmp_path / "out")
    ran = CliRunner().invoke(app, ["track", str(stack), "-o", out])
    assert ran.exit_code == 2
    assert "No prompt is given" in ran.output
    assert "--object" in ran.output
    assert "--prompts" not in ran.output  # an option of other commands
    ran = CliRunner().invoke(
        app, ["track", str(stack), "--box", "5,5,30,30", "-m", "small", "-o", out]
    )
    assert ran.exit_code == 2
    assert "cannot follow objects" in ran.output


def test_of_time_points_and_planes_options_choose_what_is_followed(model: Path, tmp_path: Path):
    stack, out = tmp_path / "stack.ome.tif", tmp_path / "out"
    tifffile.imwrite(stack, np.zeros((2, 3, 40, 60), np.uint8), metadata={"axes": "TZYX"})
    given = ["track", str(stack), "--box", "5,5,30,30", "-m", str(model), "-o", str(out)]
    ran = CliRunner().invoke(app, given)
    assert ran.exit_code == 2
    assert "(--z)" in " ".join(ran.output.split())
    ran = CliRunner().invoke(app, [*given, "--t", "1", "--no-video"])
    assert ran.exit_code == 0, ran.output
    assert tifffile.imread(out / "labels.tif").shape == (3, 40, 60)
