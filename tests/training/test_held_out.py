"""Models compared on held-out images: the figures behind a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from anymask.datasets.types import Example
from anymask.evaluation.protocols import evaluate_interactive
from anymask.evaluation.records import means_by_set
from anymask.predict.class_map import class_map
from anymask.predict.predictor import SamPredictor
from anymask.reports.verdict import PROMPTED, UNPROMPTED
from anymask.training.finetune.settings import FineTuneError
from anymask.training.held_out import compare_on_classes, compare_on_objects
from tests.training.finetune.conftest import draw_example, tiny_sam

CLASSES = ("leaf", "soil")


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return [draw_example(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def of_classes() -> list[Example]:
    return [draw_example(seed, classes=True) for seed in range(4)]


@pytest.fixture(scope="module")
def other():
    sam = tiny_sam()
    with torch.no_grad():
        for parameter in sam.mask_decoder.output_upscaling.parameters():
            parameter += 0.5 * parameter.flip(0)
    return sam


def test_figures_equal_those_of_the_evaluation(examples, other):
    verdict = compare_on_objects(tiny_sam(), other, examples, everything=2, points_per_side=3)
    for sam, when in ((tiny_sam(), "before"), (other, "after")):
        means = means_by_set(evaluate_interactive(sam, examples, clicks=5))["drawn"]
        for name in PROMPTED:
            assert getattr(verdict.figures[name], when) == pytest.approx(means[name])
    assert set(verdict.figures) == {*PROMPTED, *UNPROMPTED}
    assert verdict.overall.after == pytest.approx(
        np.mean([verdict.figures[name].after for name in PROMPTED])
    )
    assert (verdict.images, len(verdict.everything[0])) == (4, 2)


def test_a_model_compared_with_itself_is_no_different(examples):
    same = compare_on_objects(tiny_sam(), tiny_sam(), examples[:2], everything=0)
    assert same.word == "no different"
    assert same.overall.mean == 0
    assert set(same.figures) == set(PROMPTED)


def test_the_trained_prompts_decide_the_verdict(examples, other):
    by_box, by_click = (
        compare_on_objects(tiny_sam(), other, examples[:2], prompts=[kind], everything=0)
        for kind in ("box", "point")
    )
    assert by_box.overall == by_box.figures["box"]
    assert by_click.trained == ("click1_predicted", "click3", "click5")
    assert by_click.overall.after == pytest.approx(
        np.mean([by_click.figures[name].after for name in by_click.trained])
    )


def test_images_without_objects_raise_an_error(examples, of_classes):
    empty = [replace(each, masks=[], class_ids=()) for each in examples]
    with pytest.raises(FineTuneError, match="None of the 4 held-out images has an object"):
        compare_on_objects(tiny_sam(), tiny_sam(), empty)
    with pytest.raises(FineTuneError, match="None of the 4 held-out images has any of the classes"):
        compare_on_classes(tiny_sam(), empty, CLASSES)


def test_figures_of_classes_equal_those_of_the_maps(of_classes):
    sam = tiny_sam()
    verdict = compare_on_classes(sam, of_classes, CLASSES)
    overlap, union, sizes = np.zeros(2), np.zeros(2), np.zeros(2)
    predictor = SamPredictor(sam)
    for example in of_classes:
        predictor.set_image(example.image)
        labels = class_map(predictor, 2)
        for k in range(2):
            overlap[k] += (example.masks[k] & (labels == k + 1)).sum()
            union[k] += (example.masks[k] | (labels == k + 1)).sum()
            sizes[k] += example.masks[k].sum()
    for k, name in enumerate(CLASSES):
        assert verdict.figures[f"IoU, {name}"].after == pytest.approx(overlap[k] / union[k])
    assert verdict.overall == verdict.figures["IoU, mean"]
    most = int(sizes.argmax())
    assert verdict.constant == CLASSES[most]
    share = sizes[most] / (48 * 64 * len(of_classes))
    assert verdict.figures[f"IoU, {CLASSES[most]}"].before == pytest.approx(share)
    assert verdict.overall.before == pytest.approx(share / 2)


def test_a_model_of_the_same_classes_replaces_the_constant_map(of_classes, other):
    verdict = compare_on_classes(other, of_classes, CLASSES, before=tiny_sam())
    alone = compare_on_classes(tiny_sam(), of_classes, CLASSES)
    assert verdict.constant is None
    assert verdict.overall.before == pytest.approx(alone.overall.after)


def test_a_class_in_no_image_has_no_figures(of_classes):
    first_only = [replace(each, masks=each.masks[:1], class_ids=(0,)) for each in of_classes]
    verdict = compare_on_classes(tiny_sam(), first_only, CLASSES)
    assert list(verdict.figures) == ["IoU, leaf", "Dice, leaf"]
    assert verdict.constant == "leaf"
