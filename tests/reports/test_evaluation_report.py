"""Reports on an evaluation: figures by set, their means, JSON and tables for a terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from anymask.datasets.types import LeftOut, Skipped
from anymask.evaluation.baselines import evaluate_baselines
from anymask.evaluation.everything import EverythingRecord
from anymask.evaluation.object_matching import Overlaps
from anymask.evaluation.protocols import evaluate_interactive
from anymask.evaluation.records import merged
from anymask.reports.evaluation_report import EvaluationReport
from anymask.reports.wording import format_figure
from tests.reports.conftest import record


@pytest.fixture(scope="module")
def report(models, pieces) -> EvaluationReport:
    answers = evaluate_interactive(models[0], pieces, clicks=3)
    records = merged(answers, evaluate_baselines(pieces, ["filled_box", "ellipse"]))
    everything = [EverythingRecord("a", "piece0", Overlaps(np.array([[0.8, 0.1]]), np.ones(1)))]
    return EvaluationReport({"model": "reference"}, {"limit": None}, records, everything)


def printed(report: EvaluationReport) -> str:
    console = Console(width=200, file=io.StringIO())
    for table in report.tables():
        console.print(table)
    return console.file.getvalue()


def test_means_over_sets_weigh_sets_alike_however_many_objects_they_have():
    records = [record(1.0, "a", i) for i in range(9)] + [record(0.5, "b")]
    data = EvaluationReport({}, {}, records).to_dict()
    by_set = data["figures"]["iou"]["by_set"]
    assert (by_set["a"]["box"], by_set["b"]["box"]) == (1.0, 0.5)
    assert data["figures"]["iou"]["mean_over_sets"]["box"] == 0.75
    assert data["figures"]["dice"]["by_set"]["b"]["box"] == pytest.approx(2 / 3, abs=1e-6)
    # Predicted .9 against .75 on average, each set weighing the same.
    assert data["calibration"]["bias"] == pytest.approx(0.15)
    assert data["calibration"]["bias_by_set"] == pytest.approx({"a": -0.1, "b": 0.4})
    assert data["counts"]["a"] == {"images": 1, "objects": 9}


def test_predictions_too_high_on_one_set_do_not_cancel_those_too_low_on_another():
    data = EvaluationReport({}, {}, [record(1.0, "a"), record(0.8, "b")]).to_dict()["calibration"]
    assert data["bias"] == pytest.approx(0)  # .9 predicted of both
    assert data["error_by_set"] == pytest.approx({"a": 0.1, "b": 0.1})
    assert data["expected_calibration_error"] == pytest.approx(0.1)
    assert sum(row["masks"] for row in data["bins"]) == 8


def test_json_holds_every_object_s_scores_and_no_nan(report):
    data = json.loads(report.to_json(), parse_constant=lambda name: pytest.fail(name))
    assert len(data["objects"]) == len(report.records) == 8
    for given, made in zip(data["objects"], report.records, strict=True):
        assert given["scores"]["box"]["iou"] == pytest.approx(made.scores["box"].iou, abs=1e-6)
        assert given["scores"]["ellipse"]["predicted_iou"] is None
    assert data["everything"]["by_set"]["a"]["average_recall"] == pytest.approx(0.35)
    (image,) = data["everything"]["images"]
    assert (image["image"], image["masks"], image["objects"]) == ("piece0", 1, 2)
    assert image["mean_best_overlap"] == pytest.approx(0.45)
    assert image["f1_50"] == pytest.approx(2 / 3, abs=1e-6)


def test_the_tables_show_model_and_baselines_of_each_set_and_their_mean(report):
    text = printed(report)
    for words in ("Box", "3 clicks", "Ellipse in the box", "AR@1000", "mean over sets", "Dice"):
        assert words in text
    mean = report.to_dict()["figures"]["iou"]["mean_over_sets"]["box"]
    assert format_figure(mean) in text


def test_without_interactive_prompts_only_everything_is_reported(report):
    alone = EvaluationReport({}, {}, [], report.everything)
    assert [section.names[0] for section in alone.sections] == ["average_recall"]
    assert alone.to_dict()["calibration"] == {}
    assert len(alone.tables()) == 1


def test_what_was_left_out_and_which_weights_were_measured_is_said():
    model = {"model": "mine.pth", "known_as": None, "weights_sha256": "0123456789abcdef" * 4}
    bad = Skipped("a", "x", Path("a/x.png"), "a/x.png is damaged.")
    unused = LeftOut((), (), (Path("a/y.png"),), tuple(Path(f"a/z{i}.png") for i in range(12)))
    report = EvaluationReport(model, {}, [record(0.5)], unreadable=[bad], unused=unused)
    assert report.heading == "model mine.pth, weights sha256 0123456789ab"
    assert "a/x.png is damaged." in printed(report)
    data = report.to_dict()
    assert data["model"]["weights_sha256"] == "0123456789abcdef" * 4
    assert [each["file"] for each in data["unreadable"]] == ["a/x.png"]
    assert data["unused"]["without_masks"] == {"count": 1, "first": ["a/y.png"]}
    assert data["unused"]["without_image"]["count"] == 12
    assert len(data["unused"]["without_image"]["first"]) == 10
