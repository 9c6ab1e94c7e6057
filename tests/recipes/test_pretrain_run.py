"""The recipe as one call and as a command, from image folders to weights that can be loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from anymask.checkpoints import load
from anymask.errors import AnymaskError
from recipes.small.__main__ import app
from recipes.small.recipe import Recipe
from recipes.small.run import pretrain
from tests.recipes.disk_sets import write_disks
from tests.recipes.tiny import TINY

FAST = {"recipe": Recipe(side=64, batch_size=2, prompts=2), "config": TINY, "backbone": None}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_disks(tmp_path / "data" / "disks", 6)
    write_disks(tmp_path / "data" / "crackforest", 2)  # by licence, validation only
    return tmp_path / "data"


def test_a_run_writes_weights_figures_and_curves_and_can_be_resumed(
    data: Path, tmp_path: Path
) -> None:
    out, lines = tmp_path / "run", []
    options = {**FAST, "minutes": 0.02, "drawn": 2, "report": lines.append}
    weights = pretrain([data], out, **options)
    assert load(weights).config == TINY
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


def test_resuming_needs_an_earlier_training(data: Path, tmp_path: Path) -> None:
    with pytest.raises(AnymaskError, match=r"no training to resume"):
        pretrain([data], tmp_path / "run", resume=True)


def test_validation_images_alone_cannot_be_trained_on(data: Path, tmp_path: Path) -> None:
    with pytest.raises(AnymaskError, match=r"none is left for training"):
        pretrain([data / "crackforest"], tmp_path / "run")


def test_the_command_rejects_a_side_that_is_no_multiple_of_32(tmp_path: Path) -> None:
    command = ["--data", str(tmp_path), "--out", str(tmp_path / "o"), "--side", "100"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "multiple of 32" in result.output


def test_the_command_names_a_folder_without_sets(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--data", str(tmp_path), "--out", str(tmp_path / "o")])
    assert result.exit_code == 2
    assert "contains no training set" in result.output
