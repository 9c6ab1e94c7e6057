"""Images for pages: which answers are chosen, and what is drawn over them."""

from __future__ import annotations

import numpy as np

from anymask.datasets.types import Example
from anymask.evaluation.records import ObjectRecord, Score
from anymask.evaluation.simulated_clicks import Click
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import counts_of
from anymask.reports.page_images import (
    PICTURED,
    draw_answer,
    draw_everything,
    draw_maps,
    draw_pair,
    extremes,
    most_changed,
)
from tests.reports.conftest import class_record, record, verdict_of


def test_the_worst_and_best_come_from_several_sets():
    records = [record(i / 10, "a", i) for i in range(9)] + [record(0.35, "b")]
    worst = extremes(records, "box", 4, worst=True)
    assert [(r.set_name, r.scores["box"].iou) for r in worst] == [("a", 0), ("a", 0.1), ("b", 0.35)]
    best = extremes(records, "box", 2, worst=False)
    assert [r.scores["box"].iou for r in best] == [0.8, 0.7]


def test_the_most_changed_are_the_largest_gains_and_losses():
    told = verdict_of([0.5, 0.5, 0.5, 0.5], [0.6, 0.1, 0.5, 0.8], -0.1, 0.1)
    chosen = most_changed(list(zip(told.before, told.after, strict=True)), "box", 9)
    assert [after.image for _, after in chosen] == ["image1", "image3", "image0"]


def test_the_answer_is_tinted_the_truth_outlined_and_the_prompt_drawn():
    truth, answer = np.zeros((2, 160, 160), bool)
    truth[40:120, 40:120] = True
    answer[40:120, 40:100] = True
    example = Example("x", np.zeros((160, 160, 3), np.uint8), [truth], "a")
    scores = {name: Score(0.75, counts=counts_of(answer)) for name in PICTURED}
    box = (40, 40, 119, 119)
    given = ObjectRecord("a", "x", 0, (160, 160), box, Click(60, 80), 6400, scores)
    clicked = draw_answer(example, given, "click1_predicted")
    assert clicked.shape == (320, 320, 3)
    assert tuple(clicked[160, 180]) == (15, 72, 127)  # answer over black
    assert tuple(clicked[160, 220]) == (0, 0, 0)  # object that the answer misses
    assert tuple(clicked[160, 239]) == (255, 220, 0)  # right outline of the truth
    assert tuple(clicked[161, 121]) == (255, 40, 40)  # the click
    boxed = draw_answer(example, given, "box")
    assert tuple(boxed[80, 200]) == (255, 40, 40)
    assert tuple(boxed[161, 121]) == (15, 72, 127)


def test_a_small_object_is_shown_enlarged_with_its_surroundings():
    truth = np.zeros((400, 600), bool)
    truth[390:400, 100:110] = True  # at the lower border
    image = np.zeros((800, 1200, 3), np.uint8)  # twice the frame of scoring
    image[780:800, 200:220] = 255
    example = Example("x", image, [truth.repeat(2, 0).repeat(2, 1)], "a")
    scores = {"box": Score(1.0, counts=counts_of(np.zeros_like(truth)))}
    box = (100, 390, 109, 399)
    given = ObjectRecord("a", "x", 0, (400, 600), box, Click(105, 395), 100, scores)
    drawn = draw_answer(example, given, "box")
    # 240×240 pixels from the lower left corner become 320×320: x 100 becomes 133.
    assert drawn.shape == (320, 320, 3)
    assert (drawn[-7, 137:144] > 250).all()
    assert drawn[:300].max() < 10


def test_a_found_mask_is_tinted_and_the_truth_outlined_on_the_whole_image():
    truth, answer = np.zeros((2, 120, 240), bool)
    truth[20:60, 20:60], answer[70:110, 150:200] = True, True
    example = Example("x", np.zeros((120, 240, 3), np.uint8), [truth], "a")
    drawn = draw_everything(example, MaskSet.from_masks(answer[None]))
    assert drawn.shape == (240, 480, 3)
    assert tuple(drawn[40, 80]) == (255, 220, 0)  # upper edge of the truth, twice as large
    assert tuple(drawn[80, 80]) == (0, 0, 0)
    assert drawn[180, 350].max() > 40


def test_a_pair_shows_both_answers_side_by_side(pieces, object_verdict):
    pairs = list(zip(object_verdict.before, object_verdict.after, strict=True))
    (pair,) = most_changed(pairs, "box", 1)
    piece = next(each for each in pieces if each.name == pair[0].image)
    drawn = draw_pair(piece, pair, "box")
    half = (drawn.shape[1] - 6) // 2
    assert (drawn[:, half : half + 6] == 255).all()
    assert (drawn[:, :half] == draw_answer(piece, pair[0], "box")).all()
    assert (drawn[:, -half:] == draw_answer(piece, pair[1], "box")).all()
    assert (drawn[:, :half] != drawn[:, -half:]).any()


def test_maps_show_the_image_the_true_classes_and_the_predicted_ones(pieces):
    example = Example("x", pieces[0].image, pieces[0].masks, class_ids=(0, -1))
    predicted = class_record("x", 1.0)
    predicted.labels[:, :60] = 0
    drawn = draw_maps(example, [predicted], {-1: -1, 0: 0, 1: 1}, 2)
    plain, truth, answer = (drawn[:, i * 126 : i * 126 + 120] for i in range(3))
    assert (plain == example.image).all()
    assert ((truth != plain).any(2) == example.masks[0]).mean() > 0.99
    assert ((answer != plain).any(2) == (predicted.labels > 0)).mean() > 0.99
