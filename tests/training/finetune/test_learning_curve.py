"""Learning curves: how much more images help."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from anymask.checkpoints import load
from anymask.evaluation.compare import Difference
from anymask.evaluation.protocols import evaluate_interactive
from anymask.evaluation.records import means_by_set
from anymask.training.finetune.loop import finetune
from anymask.training.finetune.settings import FineTuneError
from anymask.training.learning_curve import (
    LearningCurve,
    Point,
    learning_curve,
    nested_subsets,
    parse_counts,
)
from tests.training.finetune.conftest import FAST, draw_example, tiny_sam

ONCE = {**FAST, "epochs": 1, "lr": 1e-2, "average": 0.0}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder, examples = tmp_path_factory.mktemp("tuned"), [draw_example(i) for i in range(8)]
    return finetune(tiny_sam(), examples, folder / "out", cache_dir=folder, device="cpu", **ONCE)


@pytest.fixture(scope="module")
def curve(tuned):
    """The curve of 2, 4 and all six images."""
    return learning_curve(
        tuned, tiny_sam(), [2, 4, None], device="cpu", dtype="float32",
        cache_dir=tuned.folder.parent, **ONCE,
    )  # fmt: skip


def test_every_point_is_judged_on_the_same_images(tuned, curve):
    assert [point.images for point in curve.points] == [0, 2, 4, 6]
    # Three times the images, a third of the epochs; none of the model before training.
    assert [point.epochs for point in curve.points] == [0, 3, 2, 1]
    held_out = [{(r.image, r.index) for r in point.records} for point in curve.points]
    assert held_out[0]
    assert all(objects == held_out[0] for objects in held_out)
    means = means_by_set(evaluate_interactive(tuned.sam, tuned.held_out, clicks=5))["drawn"]
    last = curve.points[-1].figures
    assert last["box"].after == pytest.approx(means["box"])
    assert last["click5"].after == pytest.approx(means["click5"])
    assert len({point.figures["overall"].after for point in curve.points}) > 1
    assert curve.points[1].figures["box"].before == curve.points[0].figures["box"].after
    split = json.loads((tuned.folder / "learning_curve/2/split.json").read_text())
    larger = json.loads((tuned.folder / "learning_curve/4/split.json").read_text())
    assert set(split["train"]) < set(larger["train"])
    held_back = json.loads((tuned.folder / "split.json").read_text())["validation"]
    assert split["validation"] == larger["validation"] == held_back
    saved = load(tuned.folder / "model.safetensors", device="cpu", dtype="float32")
    for name, value in tuned.sam.state_dict().items():
        assert (value == saved.state_dict()[name]).all()

    with (tuned.folder / "learning_curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["images"]) for row in rows] == [0, 2, 4, 6]
    assert float(rows[-1]["box"]) == pytest.approx(means["box"], abs=1e-5)
    picture = np.asarray(Image.open(tuned.folder / "learning_curve.png").convert("RGB"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_a_stopped_curve_is_resumed(tuned, curve, sam, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(tuned.folder, folder)
    shutil.rmtree(folder / "learning_curve/4")  # as if stopped before it
    stopped = replace(tuned, folder=folder)
    options = {"device": "cpu", "dtype": "float32", "cache_dir": tmp_path, **ONCE}
    with pytest.raises(FineTuneError, match="already has a fine-tuning"):
        learning_curve(stopped, sam, [2, 4, None], **options)
    again = learning_curve(stopped, sam, [2, 4, None], resume=True, **options)
    assert again.rows() == curve.rows()


def test_numbers_not_below_the_total_are_refused(tuned, sam):
    with pytest.raises(FineTuneError, match="There are 6 training images"):
        learning_curve(tuned, sam, [6, 40, None], **ONCE)


def test_subsets_are_nested_and_change_with_the_seed():
    two, five, eight = nested_subsets(10, [2, 5, 8], seed=1)
    assert set(two) < set(five) < set(eight)
    assert nested_subsets(10, [5], seed=2) != [five]


@pytest.mark.parametrize("text", ["0,5", "five", "5;10", "-3"])
def test_a_bad_number_of_images_is_refused(text):
    with pytest.raises(FineTuneError, match="give numbers and 'all'"):
        parse_counts(text)


@pytest.mark.parametrize(
    ("low", "high", "begins"),
    [
        (0.01, 0.05, "More images still help: from 4 to 6 images"),
        (-0.01, 0.05, "More images like these may help little: "),
        (float("nan"), float("nan"), "Cannot tell whether more images help: "),
    ],
)
def test_the_sentence_says_whether_more_images_help(low, high, begins):
    step = Difference(0.5, 0.53, low, high, 2)
    points = tuple(Point(n, 1, {"overall": step}, []) for n in (0, 4, 6))
    assert LearningCurve(points, step).sentence.startswith(begins)
