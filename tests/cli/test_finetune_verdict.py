"""What ``anymask finetune`` does when training is over."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import anymask
from anymask.cli.finetune import finetune

app = typer.Typer()
app.command()(finetune)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight images of 64×48 with a bright square each."""
    folder = tmp_path_factory.mktemp("data") / "squares"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(8):
        image = rng.integers(0, 60, (48, 64, 3)).astype(np.uint8)
        mask = np.zeros((48, 64), np.uint8)
        y, x = rng.integers(4, 24, 2)
        mask[y : y + 18, x : x + 22] = 255
        image[mask > 0] = 220
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder


@pytest.fixture
def run(tmp_path, data, model):
    """Fine-tune the small reference model for an epoch, with further arguments."""

    def call(*arguments):
        fixed = ["--data", data, "--model", model, "--out", tmp_path / "out", "--epochs", 1]
        fixed += ["--device", "cpu", "--dtype", "float32", "--cache", tmp_path / "cache"]
        words = [str(a) for a in (*fixed, *arguments)]
        result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return call


def card_in(folder):
    return json.loads((folder / "card.json").read_text())


def test_it_ends_with_the_verdict_on_the_images_held_out(run, tmp_path):
    result = run()
    assert result.exit_code == 0, result.output
    told = card_in(tmp_path / "out")["verdict"]
    assert told["images"] == 2
    assert told["images_of_everything"] == 2
    assert told["sentence"] in result.stdout
    for words in ("IoU, box", "IoU, 5 clicks", "AP .5", "F1 at .5", "95% interval"):
        assert words in result.stdout
    assert "Most changed by" in (tmp_path / "out/report.html").read_text() or (
        told["overall"]["difference"] == 0
    )


def test_the_verdict_can_be_without_everything_or_left_out(run, tmp_path):
    assert "AP .5" not in run("--verdict", "prompts").stdout
    assert card_in(tmp_path / "out")["verdict"]["images_of_everything"] == 0
    (tmp_path / "out").rename(tmp_path / "first")
    result = run("--verdict", "none")
    assert result.exit_code == 0
    assert "verdict" not in card_in(tmp_path / "out")
    assert not (tmp_path / "out/report.html").exists()
    assert "IoU by box" in result.stdout


def test_test_images_judge_and_take_no_part_in_training(run, tmp_path, data):
    result = run("--test", data, "--verdict", "prompts")
    assert result.exit_code == 0, result.output
    card = card_in(tmp_path / "out")
    assert card["images"] == {"train": 6, "validation": 2}
    assert card["verdict"]["images"] == 8


def test_thresholds_are_tuned_on_training_images_and_saved(run, tmp_path):
    result = run("--tune", "--verdict", "prompts")
    assert result.exit_code == 0, result.output
    assert "Thresholds of 'everything':" in result.stdout
    noted = card_in(tmp_path / "out")["everything"]
    assert noted["images"] == 6
    own = anymask.load(tmp_path / "out").config.everything
    assert noted["pred_iou_thresh"] == own.pred_iou_thresh


def test_a_learning_curve_is_written_and_shown(run, tmp_path):
    result = run("--learning-curve", "2,all", "--verdict", "none")
    assert result.exit_code == 0, result.output
    assert "Mean IoU by number of training images" in result.stdout
    assert "from 2 to 6 images" in result.stdout
    rows = (tmp_path / "out/learning_curve.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["images", "0", "2", "6"]
    assert (tmp_path / "out/learning_curve/2/model.safetensors").is_file()


def test_a_model_of_classes_ends_with_the_figures_of_its_classes(run, tmp_path):
    result = run("--semantic")
    assert result.exit_code == 0, result.output
    assert "IoU of classes" in result.stdout
    assert "verdict" not in card_in(tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--verdict", "short"), "it can be full, prompts or none"),
        (("--learning-curve", "some"), "give numbers and 'all'"),
        (("--semantic", "--tune"), "--tune is about objects"),
        (("--semantic", "--verdict", "full"), "--verdict is about objects"),
        (("--test", "nowhere"), "nowhere"),
        (("--test", "nowhere", "--verdict", "none"), "leaves it out"),
    ],
)
def test_a_mistake_is_told_before_training(run, tmp_path, arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()
