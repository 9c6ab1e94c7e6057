"""The verdict on a model of classes of pixels: figures, words, pictures and card."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import anymask
from anymask.datasets.types import Example
from anymask.errors import AnymaskError
from anymask.training.class_maps import ClassRecord, called, class_numbers
from anymask.training.class_verdict import ClassVerdict, judge_class_maps
from anymask.training.class_verdict_page import class_verdict_html, draw_maps
from anymask.training.finetune.loop import finetune
from anymask.training.finetune.settings import FineTuneError
from anymask.training.judging import judge_class_fine_tuning
from tests.training.finetune.conftest import FAST, draw_example, tiny_sam

CLASSES = ("leaf", "soil")


@pytest.fixture(scope="module")
def of_classes():
    """Eight images with a disk of each of two classes."""
    return [draw_example(seed, classes=True) for seed in range(8)]


@pytest.fixture(scope="module")
def tuned(of_classes, tmp_path_factory):
    """A model that has learnt the classes of six of them."""
    folder = tmp_path_factory.mktemp("classes")
    options = {**FAST, "semantic": True, "epochs": 25, "lr": 3e-3, "freeze": ()}
    return finetune(
        tiny_sam(), of_classes[:6], folder / "out", validation=of_classes[6:], device="cpu",
        dtype="float32", **options,
    )  # fmt: skip


def record(overlap, answered, true, image="a", set_name="s"):
    """A record by its shares of two classes."""
    shares = [np.array(values, float) for values in (overlap, answered, true)]
    return ClassRecord(set_name, image, *shares, np.full(2, 0.5), np.zeros((4, 6), np.uint8))


def test_figures_are_those_of_all_pixels_of_all_images_together(tuned, of_classes):
    verdict = judge_class_maps(tuned.sam, of_classes, ("class 0", "class 1"))
    predictor = anymask.SamPredictor(tuned.sam)
    overlap, union, sizes = np.zeros(2), np.zeros(2), np.zeros(2)
    for example in of_classes:
        predictor.set_image(example.image)
        labels = anymask.predict.class_map.class_map(predictor, 2)
        for k in range(2):
            overlap[k] += (example.masks[k] & (labels == k + 1)).sum()
            union[k] += (example.masks[k] | (labels == k + 1)).sum()
            sizes[k] += example.masks[k].sum()
    for k in range(2):
        assert verdict.figures[f"IoU, class {k}"].after == pytest.approx(overlap[k] / union[k])
        dice = 2 * overlap[k] / (union[k] + overlap[k])
        assert verdict.figures[f"Dice, class {k}"].after == pytest.approx(dice)
    assert verdict.overall == verdict.figures["IoU, mean"]
    assert verdict.overall.after == pytest.approx((overlap / union).mean())
    most = int(sizes.argmax())
    assert verdict.constant == f"class {most}"
    pixels = 48 * 64 * len(of_classes)
    assert verdict.figures[f"IoU, class {most}"].before == pytest.approx(sizes[most] / pixels)
    assert verdict.overall.before == pytest.approx(sizes[most] / pixels / 2)


def test_a_model_that_learnt_is_better_than_without_one_and_says_by_what(tuned, of_classes):
    verdict = judge_class_fine_tuning(tuned, tiny_sam(), of_classes, device="cpu", dtype="float32")
    assert verdict.word == "better"
    assert verdict.overall.low > 0.2
    assert verdict.sentence.startswith("Better than without a model: on 8 held-out images the mean")
    assert "the starting model was not trained for these classes" in verdict.sentence
    assert "Least well found is" in verdict.sentence


def test_a_model_that_learnt_nothing_is_not_called_better(of_classes):
    sam = tiny_sam()
    with torch.no_grad():
        for mlp in sam.mask_decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight.zero_()
            mlp.layers[-1].bias.zero_()
    verdict = judge_class_maps(sam, of_classes, CLASSES)
    assert verdict.overall.after == 0  # everything is background
    assert verdict.word == "worse"
    assert verdict.sentence.startswith("Worse than without a model, do not use: ")


def test_a_model_trained_on_from_one_of_the_same_classes_is_compared_with_it(
    tuned, of_classes, tmp_path
):
    more = finetune(
        tuned.folder, of_classes[:6], tmp_path / "more", validation=of_classes[6:], device="cpu",
        dtype="float32", cache_dir=tmp_path / "cache", **{**FAST, "semantic": True, "epochs": 1},
    )  # fmt: skip
    where = {"device": "cpu", "dtype": "float32"}
    verdict = judge_class_fine_tuning(more, tuned.folder, of_classes, **where)
    alone = judge_class_fine_tuning(tuned, None, of_classes, **where)
    assert verdict.constant is None
    assert verdict.overall.before == pytest.approx(alone.overall.after, abs=0.01)
    assert " goes from " in verdict.sentence
    page = (more.folder / "report.html").read_text()
    assert "before and after" in page
    assert "<th>Before</th>" in page


def test_the_card_and_the_page_have_the_verdict_with_pictures(tuned, of_classes):
    judge_class_fine_tuning(tuned, None, of_classes, device="cpu", dtype="float32")
    card = json.loads(
        (tuned.folder / "card.json").read_text(), parse_constant=lambda name: pytest.fail(name)
    )
    told = card["verdict"]
    assert told["verdict"] == "better"
    assert told["compared_with"].startswith("every pixel called 'class")
    assert {"IoU, mean", "IoU, class 0", "Dice, class 1"} <= told["figures"].keys()
    assert 0 <= told["calibration"]["expected_calibration_error"] <= 1
    assert card["mode"] == "semantic"  # what was there stays
    page = (tuned.folder / "report.html").read_text()
    assert page.count("<img ") == 1 + 2 * 6  # the curves, the worst and the best
    assert page.count("<svg") == 2
    first = page.split('<img src="data:image/jpeg;base64,')[1].split('"')[0]
    picture = Image.open(io.BytesIO(base64.b64decode(first)))
    assert picture.size == (3 * 64 + 2 * 6, 48)


def test_a_picture_shows_image_truth_and_answer(of_classes):
    example = of_classes[0]
    labels = np.zeros((48, 64), np.uint8)
    labels[example.masks[0]] = 1
    shown = replace(record([0, 0], [0, 0], [0, 0]), labels=labels)
    picture = draw_maps(example, [shown], {-1: -1, 0: 0, 1: 1}, 2)
    plain, truth, answer = (picture[:, i * 70 : i * 70 + 64] for i in range(3))
    assert (plain == example.image).all()
    both = example.masks[0] | example.masks[1]
    assert ((truth != plain).any(2) == both).mean() > 0.99
    assert ((answer != plain).any(2) == example.masks[0]).mean() > 0.99


def test_images_weigh_the_same_and_groups_are_drawn_as_one(of_classes, tuned):
    alone = judge_class_maps(tuned.sam, of_classes, CLASSES)
    grouped = judge_class_maps(
        tuned.sam, of_classes, CLASSES, group=lambda _, name: name[-1:] < "4"
    )
    assert alone.overall.units == 8
    assert grouped.overall.units == 2
    assert grouped.overall.mean == pytest.approx(alone.overall.mean)
    one = judge_class_maps(tuned.sam, of_classes, CLASSES, group=lambda *_: "all")
    assert one.word == "untested"
    assert one.sentence.startswith("Not told: ")


def test_a_class_that_is_in_no_image_is_named_and_does_not_count(tuned, of_classes):
    first_only = [replace(e, masks=e.masks[:1], class_ids=(0,)) for e in of_classes]
    verdict = judge_class_maps(tuned.sam, first_only, CLASSES)
    assert list(verdict.figures) == ["IoU, leaf", "Dice, leaf"]
    assert verdict.constant == "leaf"
    assert "None of the images has 'soil'" in verdict.sentence
    with pytest.raises(FineTuneError, match="None of the 8 held-out images has one of the classes"):
        judge_class_maps(
            tuned.sam, [replace(e, masks=[], class_ids=()) for e in of_classes], CLASSES
        )


def test_classes_in_another_order_are_found_by_name_and_unknown_ones_refused():
    class Named(list[Example]):
        classes = ("soil", "leaf")

    assert class_numbers(Named(), CLASSES) == {-1: -1, 0: 1, 1: 0}
    assert class_numbers([], CLASSES) == {-1: -1, 0: 0, 1: 1}
    Named.classes = ("soil", "stone")
    with pytest.raises(AnymaskError, match="the class 'stone', and the model was trained for"):
        class_numbers(Named(), CLASSES)


def test_an_image_called_by_one_class_is_right_where_that_class_is():
    given = record([0.1, 0.0], [0.2, 0.3], [0.4, 0.5])
    assert given.ious == pytest.approx([0.2, 0.0])
    assert given.mean_iou == pytest.approx(0.1)
    constant = called(given, 1)
    assert constant.ious == pytest.approx([0, 0.5])
    assert (constant.labels == 2).all()
    assert record([0, 0], [0, 0], [0, 0]).mean_iou == 1  # nothing there and nothing found


def test_what_got_worse_though_the_mean_is_better_is_said(tuned, of_classes):
    verdict = judge_class_maps(tuned.sam, of_classes, CLASSES, before=tuned.sam)
    assert verdict.word == "no different"
    loss = replace(verdict.overall, after=verdict.overall.before - 0.1, low=-0.2, high=-0.05)
    worse = replace(verdict, figures={**verdict.figures, "IoU, soil": loss})
    assert "But 'soil' is found worse." in worse.sentence


def test_the_table_names_what_it_is_compared_with(tuned, of_classes):
    verdict: ClassVerdict = judge_class_maps(tuned.sam, of_classes, CLASSES)
    console = Console(width=120, file=io.StringIO())
    console.print(verdict.table())
    text = console.file.getvalue()
    for words in (f"all {verdict.constant!r}", "IoU, leaf", "Dice, soil", "IoU, mean"):
        assert words in text
    assert f"{verdict.overall.mean:+.3f}" in text
    html = class_verdict_html(verdict)
    assert "<img" not in html
    assert f"All &#x27;{verdict.constant}&#x27;" in html
