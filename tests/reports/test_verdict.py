"""Verdicts: the word, the sentence, the table and the JSON of both kinds."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from anymask.evaluation.compare import Difference
from tests.reports.conftest import class_verdict_of, verdict_of

NAN = float("nan")


def printed(verdict) -> str:
    console = Console(width=120, file=io.StringIO())
    console.print(verdict.table())
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("after", "low", "high", "word", "sentence"),
    [
        (
            *([0.7, 0.8], 0.1, 0.3, "better"),
            "Better: on 2 held-out images the mean IoU by box and clicks goes from .550 to .750 "
            "(+0.200, 95% interval +0.100 to +0.300).",
        ),
        (
            *([0.6, 0.6], -0.1, 0.2, "no different"),
            "No different as far as 2 held-out images can tell: the mean IoU by box and clicks "
            "goes from .550 to .600 (+0.050, 95% interval -0.100 to +0.200).",
        ),
        (
            *([0.4, 0.5], -0.2, -0.1, "worse"),
            "Worse, do not use: on 2 held-out images the mean IoU by box and clicks goes from "
            ".550 to .450 (-0.100, 95% interval -0.200 to -0.100).",
        ),
        (
            *([0.6, 0.8], NAN, NAN, "untested"),
            "Cannot tell: the mean IoU by box and clicks goes from .550 to .700 (+0.150) on 2 "
            "held-out images, and one image, or one group of images, is too few to judge by.",
        ),
    ],
)
def test_the_sentence_says_whether_to_use_the_model(after, low, high, word, sentence):
    verdict = verdict_of([0.5, 0.6], after, low, high)
    assert verdict.word == word
    assert verdict.sentence == sentence


def test_the_sentence_names_the_prompts_that_decided():
    verdict = verdict_of([0.5], [0.7], 0.1, 0.3)
    assert "mean IoU by box goes" in replace(verdict, trained=("box",)).sentence
    assert "mean IoU by clicks goes" in replace(verdict, trained=("click3",)).sentence


def test_the_sentence_says_what_is_worse_though_the_whole_is_better():
    better = verdict_of([0.5, 0.6], [0.7, 0.8], 0.1, 0.3)
    loss = Difference(0.6, 0.5, -0.15, -0.05, 2)
    worse_box = replace(better, figures={**better.figures, "box": loss})
    assert worse_box.sentence.endswith("But by box it is worse.")
    worse_all = replace(better, figures={**better.figures, "f1_50": loss})
    said = "But 'everything' is worse: F1 at IoU .5 goes from .600 to .500"
    assert said in worse_all.sentence
    assert worse_all.sentence.endswith("; 'anymask tune' fits its thresholds.")
    assert "anymask tune" not in replace(worse_all, tuned=True).sentence


def test_a_model_of_classes_is_judged_beside_the_starting_model():
    verdict = class_verdict_of([0.5, 0.5, 0.6], [0.8, 0.7, 0.9])
    assert verdict.sentence.startswith(
        "Better: on 3 held-out images the mean IoU of 2 classes goes from .533 to .800 (+0.267, "
    )
    assert verdict.sentence.endswith(" The lowest IoU is that of 'leaf', .800.")
    loss = Difference(0.6, 0.5, -0.2, -0.05, 3)
    worse_soil = replace(verdict, figures={**verdict.figures, "IoU, soil": loss})
    assert "But 'soil' is found worse." in worse_soil.sentence
    assert "lowest IoU is that of 'soil', .500" in worse_soil.sentence


def test_a_model_of_new_classes_is_judged_beside_one_class_everywhere():
    better = class_verdict_of(None, [0.8, 0.7, 0.9])
    assert better.sentence.startswith(
        "Better than without a model: on 3 held-out images the mean IoU of 2 classes is .800, "
        "against .250 if every pixel is called 'leaf' (+0.550, 95% interval "
    )
    assert "The starting model was not trained for these classes" in better.sentence
    worse = class_verdict_of(None, [0.1, 0.05, 0.0])
    assert worse.sentence.startswith("Worse than without a model, do not use: on 3 held-out ")
    assert "lowest IoU" not in worse.sentence


def test_a_class_that_is_in_no_image_is_named_and_not_judged():
    verdict = replace(class_verdict_of(None, [0.8, 0.7, 0.9]), classes=("leaf", "soil", "stone"))
    assert verdict.judged == ["leaf", "soil"]
    assert verdict.sentence.endswith("None of the images has 'stone', so that is not judged.")


def test_the_table_has_each_figure_with_its_interval(object_verdict):
    text = printed(object_verdict)
    for words in ("4 held-out images", "IoU, 1 click, own best of 3", "AP .5", "F1 at .5"):
        assert words in text
    box = object_verdict.figures["box"]
    assert f"{box.mean:+.3f}" in text
    assert f"{box.low:+.3f} to {box.high:+.3f}" in text
    of_classes = printed(class_verdict_of(None, [0.8, 0.7, 0.9]))
    for words in ("all 'leaf'", "after", "IoU, mean", "Dice, soil", "+0.550"):
        assert words in of_classes
    assert "–" in printed(verdict_of([0.5], [0.7], NAN, NAN))


def test_the_json_has_figures_and_calibration_and_no_nan(object_verdict):
    untested = verdict_of([0.5], [0.7], NAN, NAN)
    of_classes = class_verdict_of(None, [0.8, 0.7, 0.9])
    for verdict in (object_verdict, of_classes, untested):
        told = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
        assert (told["verdict"], told["sentence"]) == (verdict.word, verdict.sentence)
        assert told["images"] == verdict.images
        assert told["figures"].keys() == verdict.figures.keys()
        assert told["overall"]["after"] == pytest.approx(verdict.overall.after, abs=1e-6)
    names = {"expected_calibration_error", "mean_absolute_error", "bias"}
    told = object_verdict.to_dict()
    assert told["calibration"]["before"].keys() == told["calibration"]["after"].keys() == names
    assert (told["objects"], told["images_of_everything"]) == (8, 4)
    assert untested.to_dict()["overall"]["low"] is None
    # Predicted .8 of IoUs .8, .7 and .9, two classes each.
    calibration = of_classes.to_dict()["calibration"]
    assert calibration["mean_absolute_error"] == pytest.approx(np.mean([0, 0.1, 0.1]), abs=1e-6)
    assert of_classes.to_dict()["compared_with"] == "every pixel called 'leaf'"
