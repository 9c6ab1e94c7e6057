"""The recipe as one call and as a command: from folders of images to weights that load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import anymask
from anymask.checkpoints import load
from anymask.cli.app import app
from anymask.errors import AnymaskError
from anymask.training.pretrain.recipe import Recipe
from anymask.training.pretrain.run import pretrain
from tests.training.disk_sets import write_disks

SHIPPED = Path(anymask.__file__).parent / "checkpoints" / "weights" / "small.safetensors"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_disks(tmp_path / "data" / "disks", 6)
    write_disks(tmp_path / "data" / "crackforest", 2)  # by licence, validation only
    return tmp_path / "data"


def test_a_run_gives_weights_figures_and_curves_and_is_resumed(data: Path, tmp_path: Path) -> None:
    out, lines = tmp_path / "run", []
    recipe = Recipe(side=64, batch_size=2, prompts=2)
    options = {"recipe": recipe, "minutes": 0.02, "drawn": 2, "report": lines.append}
    weights = pretrain([data], out, **options)
    assert load(weights).config.name == "small"
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log[-1]["kind"] == "evaluation"
    assert 0 <= log[-1]["box"] <= 1
    by_set = json.loads((out / "figures_by_set.jsonl").read_text().splitlines()[-1])
    assert set(by_set) == {"crackforest", "disks"}
    assert Image.open(out / "curves.png").size[0] > 500
    with pytest.raises(AnymaskError, match=r"already.*--resume"):
        pretrain([data], out, **options)
    pretrain([data], out, resume=True, **options)
    again = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert again[-1]["updates"] > log[-1]["updates"]


def test_masks_of_earlier_weights_are_searched_for_in_sets_with_sparse_labels(
    data: Path, tmp_path: Path
) -> None:
    (data / "disks" / "set.json").write_text('{"kind": "instances"}')
    lines: list[str] = []
    options = {"recipe": Recipe(side=64, batch_size=2, prompts=2), "drawn": 0, "minutes": 0.01}
    pretrain([data], tmp_path / "run", own_masks=SHIPPED, report=lines.append, **options)
    assert any(line.startswith("5 images searched") for line in lines)


def test_there_must_be_a_training_to_resume(data: Path, tmp_path: Path) -> None:
    with pytest.raises(AnymaskError, match=r"no training to resume"):
        pretrain([data], tmp_path / "run", resume=True)


def test_images_for_validation_alone_cannot_train(data: Path, tmp_path: Path) -> None:
    with pytest.raises(AnymaskError, match=r"nothing to train on"):
        pretrain([data / "crackforest"], tmp_path / "run")


def test_the_command_refuses_a_side_that_the_network_cannot_halve(tmp_path: Path) -> None:
    command = ["pretrain", "--data", str(tmp_path), "--out", str(tmp_path / "o"), "--side", "100"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "multiple of 32" in result.output


def test_the_command_names_a_folder_without_sets(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["pretrain", "--data", str(tmp_path), "--out", str(tmp_path / "o")]
    )
    assert result.exit_code == 2
    assert "holds no training set" in result.output
