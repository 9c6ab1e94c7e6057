"""What ``anymask finetune`` does after training."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import anymask
from anymask.cli.after_training import advice
from anymask.cli.finetune import finetune
from anymask.model.sam import Sam
from anymask.training.finetune.finetune_results import FineTuned
from tests.training.finetune.conftest import TINY

app = typer.Typer()
app.command()(finetune)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of eight 64×48 images with a bright square each."""
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


def test_it_ends_with_the_verdict_on_held_out_images(run, tmp_path):
    result = run("--no-tune")
    assert result.exit_code == 0, result.output
    told = card_in(tmp_path / "out")["verdict"]
    assert told["images"] == 2
    assert told["images_of_everything"] == 2
    assert told["sentence"] in result.stdout
    for words in ("IoU, box", "IoU, 5 clicks", "AP .5", "F1 at .5", "95% interval"):
        assert words in result.stdout
    assert "Thresholds" not in result.stdout
    assert "everything" not in card_in(tmp_path / "out")
    assert "Most changed answers" in (tmp_path / "out/report.html").read_text() or (
        told["overall"]["difference"] == 0
    )


def test_the_verdict_can_skip_everything_or_be_skipped(run, tmp_path):
    assert "AP .5" not in run("--verdict", "prompts").stdout
    assert card_in(tmp_path / "out")["verdict"]["images_of_everything"] == 0
    (tmp_path / "out").rename(tmp_path / "first")
    result = run("--verdict", "none")
    assert result.exit_code == 0
    assert "verdict" not in card_in(tmp_path / "out")
    assert not (tmp_path / "out/report.html").exists()
    assert "IoU from boxes" in result.stdout


def test_test_images_are_used_only_for_the_verdict(run, tmp_path, data):
    result = run("--test", data, "--verdict", "prompts")
    assert result.exit_code == 0, result.output
    card = card_in(tmp_path / "out")
    assert card["images"] == {"train": 6, "validation": 2}
    assert card["verdict"]["images"] == 8


@pytest.mark.slow
def test_thresholds_are_tuned_on_training_images_and_saved_by_default(run, tmp_path):
    result = run()
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


def test_a_semantic_model_ends_with_a_verdict_on_its_classes(run, tmp_path, data):
    result = run("--semantic", "--test", data)
    assert result.exit_code == 0, result.output
    told = card_in(tmp_path / "out")["verdict"]
    assert told["images"] == 8
    assert told["sentence"] in result.stdout
    for words in ("IoU, 1", "Dice, 1", "all '1'", "95% interval"):
        assert words in result.stdout
    assert told["sentence"][:20] in (tmp_path / "out/report.html").read_text()
    (tmp_path / "out").rename(tmp_path / "first")
    plain = run("--semantic", "--verdict", "none")
    assert "IoU of classes" in plain.stdout
    assert "verdict" not in card_in(tmp_path / "out")


def test_images_with_unknown_classes_are_refused_before_training(run, tmp_path, data):
    for kind in ("images", "masks"):
        (tmp_path / "other" / kind).mkdir(parents=True)
    for number in range(2):
        shutil.copy(data / "images" / f"{number}.png", tmp_path / "other/images")
        mask = np.asarray(Image.open(data / "masks" / f"{number}.png"))
        Image.fromarray(mask // 255 * 7).save(tmp_path / "other/masks" / f"{number}.png")
    for option in ("--test", "--validation"):
        result = run("--semantic", option, tmp_path / "other")
        assert result.exit_code == 2
        assert "an object of the class 7, but the declared classes are" in result.stderr
        assert not (tmp_path / "out").exists()


def test_advice_fits_the_best_epoch_and_is_given_only_if_needed(tmp_path):
    history = [{}, {"lr": 3e-4}, {"lr": 1e-4}]
    first, middle, last = (FineTuned(tmp_path, Sam(TINY["small"]), history, i) for i in range(3))
    assert advice(last, "better") == advice(first, "untested") == []
    assert "--lr 1e-04" in advice(first, "no different")[0]
    assert "--learning-curve" in advice(middle, "no different")[0]
    assert "--resume --epochs 4" in advice(last, "worse")[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--verdict", "short"), "it can be full, prompts or none"),
        (("--learning-curve", "some"), "give numbers and 'all'"),
        (("--semantic", "--tune"), "--tune is about objects"),
        (("--semantic", "--verdict", "prompts"), "--verdict prompts is about objects"),
        (("--test", "nowhere"), "nowhere"),
        (("--test", "nowhere", "--verdict", "none"), "none skips it"),
    ],
)
def test_mistakes_are_reported_before_training(run, tmp_path, arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()
