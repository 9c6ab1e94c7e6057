"""Thresholds are chosen by their effect on the masks of annotated images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from anymask.datasets.types import Example
from anymask.errors import AnymaskError
from anymask.evaluation.candidates import Candidates, is_judged
from anymask.evaluation.object_matching import pairwise_iou
from anymask.evaluation.threshold_grid import (
    MATCH_THRESHOLDS,
    ThresholdGrid,
    f1,
    matches_of_prefixes,
    score_grid,
    score_of,
)
from anymask.evaluation.tuning import Tuning, _Search, tune_everything
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import counts_of
from anymask.model.config import EverythingConfig
from anymask.reports.tuning_report import tables, to_dict, verdict_sentence

OWN = EverythingConfig(0.5, 0.5, 1.0, 0.7, 0)
SIZE = (60, 90)


def square(y: int, x: int, side: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y : y + side, x : x + side] = True
    return mask


TRUE = [square(5, 5, 20), square(5, 40, 18), square(35, 20, 15)]
JUNK = [square(40, 60, 12), square(28, 66, 8)]


def image_of(
    masks: list[np.ndarray],
    predicted: list[float],
    stability: list[float],
    *,
    name: str = "a",
    labels: str = "complete",
    set_name: str = "set",
) -> Candidates:
    """An image with the true masks TRUE and the given found masks."""
    order = np.argsort(-np.array(predicted), kind="stable")
    found = MaskSet.from_counts(
        SIZE,
        [counts_of(masks[i]) for i in order],
        predicted_iou=np.array(predicted)[order],
        stability_score=np.array(stability)[order],
    )
    true = tuple(counts_of(mask) for mask in TRUE)
    iou = pairwise_iou(found.counts, true, SIZE)
    judged = is_judged(found, true, labels)
    return Candidates(set_name, name, found, true, iou, judged, labels)


def search(images: list[Candidates], own: EverythingConfig = OWN) -> Tuning:
    grid = ThresholdGrid.around(own)
    scored = [score_grid(image, grid) for image in images]
    kept = [image.only(used) for image, (_, used) in zip(images, scored, strict=True)]
    return _Search(grid, kept, np.stack([scores for scores, _ in scored])).tuning()


@pytest.mark.parametrize("order_by", ["predicted_iou", "iou_times_stability"])
def test_every_grid_point_has_the_score_of_its_configuration(order_by):
    rng = np.random.default_rng(3)
    masks = [square(*rng.integers(0, 40, 2), rng.integers(8, 22)) for _ in range(60)] + TRUE
    scores = rng.uniform(0.15, 1, (2, len(masks)))
    for labels in ("complete", "sparse"):
        image = image_of(masks, scores[0].tolist(), scores[1].tolist(), labels=labels)
        grid = ThresholdGrid.around(replace(OWN, order_by=order_by))
        table, used = score_grid(image, grid)
        fewer = image.only(used)
        for place in [(0, 0, 0), (4, 2, 3), (9, 6, 7), (16, 12, 1), (2, 12, 5)]:
            config = grid.config(place, 0)
            assert grid.place(config) == place
            assert score_of(fewer, config) == pytest.approx(table[place])


def test_thresholds_that_separate_objects_from_junk_are_found():
    # Junk has a higher predicted IoU than two of the objects, but is unstable.
    image = image_of([*TRUE, *JUNK], [0.9, 0.4, 0.45, 0.8, 0.7], [0.95, 0.9, 0.92, 0.55, 0.6])
    tuning = search([replace(image, name=str(i)) for i in range(4)])
    assert tuning.tuned.pred_iou_thresh < 0.4
    assert 0.6 < tuning.tuned.stability_score_thresh <= 0.9
    assert tuning.mean("after")["score"] == pytest.approx(1)
    assert tuning.mean("before")["score"] == pytest.approx(2 / 6)
    assert tuning.verdict == "better"
    assert tuning.chosen == tuning.tuned


def test_among_equally_good_thresholds_the_nearest_to_the_own_ones_are_chosen():
    # Any threshold of predicted IoU from .3 to below .8 is perfect with any other thresholds.
    image = image_of([*TRUE, *JUNK], [0.82, 0.83, 0.81, 0.29, 0.28], [0.9] * 5)
    assert search([image]).tuned == OWN
    low = replace(OWN, pred_iou_thresh=0.2)
    assert search([image], low).tuned == replace(low, pred_iou_thresh=0.3)


def test_good_thresholds_stay_and_the_verdict_says_so():
    image = image_of([*TRUE, *JUNK], [0.9, 0.8, 0.85, 0.3, 0.2], [0.9] * 5)
    tuning = search([replace(image, name=str(i)) for i in range(4)])
    assert tuning.chosen == tuning.tuned == OWN
    assert verdict_sentence(tuning).startswith("Nothing to gain")


def test_sparse_labels_do_not_punish_masks_of_unlabelled_things():
    def tuned(labels: str) -> EverythingConfig:
        found = [*TRUE, *JUNK]
        image = image_of(found, [0.9, 0.3, 0.35, 0.8, 0.7], [0.9] * 5, labels=labels)
        return search([image]).tuned

    # Complete labels: 2·3 / (5 + 3) with junk beats 2·1 / (1 + 3) without.
    assert tuned("complete").pred_iou_thresh < 0.3
    assert tuned("sparse").pred_iou_thresh < 0.3
    # Fragments of labelled objects are mistakes with either kind of labels.
    fragments = [square(6 + 3 * i, 6 + 2 * i, 5) for i in range(4)]
    image = image_of([TRUE[0], *fragments], [0.9] + [0.6] * 4, [0.9] * 5, labels="sparse")
    tuning = search([image])
    assert tuning.tuned.pred_iou_thresh >= 0.6
    assert tuning.mean("before")["score"] == pytest.approx(2 / (5 + 3))
    junk = image_of([TRUE[0], *JUNK], [0.9, 0.8, 0.8], [0.9] * 3, labels="sparse")
    assert search([junk]).mean("before")["score"] == pytest.approx(2 / (1 + 3))
    assert search([junk]).mean("before")["masks_per_image"] == 3


def test_an_image_is_scored_with_the_thresholds_chosen_on_the_others():
    # In one image the junk is stable and the objects are not.
    common = image_of([*TRUE, *JUNK], [0.8] * 5, [0.95, 0.95, 0.95, 0.6, 0.6])
    odd = image_of([*TRUE, *JUNK], [0.8, 0.8, 0.8, 0.4, 0.4], [0.6, 0.6, 0.6, 0.95, 0.95])
    tuning = search([replace(common, name=str(i)) for i in range(6)] + [replace(odd, name="odd")])
    by_name = {image.name: image for image in tuning.images}
    # The other six choose thresholds that lose all objects of this image.
    assert by_name["odd"].before == pytest.approx(1)
    assert by_name["odd"].left_out == 0
    gains = [image.left_out - image.before for image in tuning.images]
    assert tuning.gain[0] == pytest.approx(np.mean(gains))


def test_a_gain_on_most_images_does_not_outweigh_a_possible_loss():
    common = image_of([*TRUE, *JUNK], [0.8] * 5, [0.95, 0.95, 0.95, 0.6, 0.6])
    odd = image_of([*TRUE, *JUNK], [0.8, 0.8, 0.8, 0.4, 0.4], [0.6, 0.6, 0.6, 0.95, 0.95])
    many = [replace(common, name=str(i)) for i in range(6)]
    assert search(many).tuned.stability_score_thresh > 0.6
    assert search([*many, odd]).tuned.stability_score_thresh <= 0.6


def test_thresholds_that_are_worse_on_left_out_images_are_not_used():
    image = image_of([*TRUE, *JUNK], [0.9, 0.4, 0.45, 0.8, 0.7], [0.95, 0.9, 0.92, 0.55, 0.6])
    tuning = search([replace(image, name=str(i)) for i in range(4)])
    lost = [replace(image, left_out=image.before - 0.1) for image in tuning.images]
    worse = replace(tuning, images=lost)
    assert worse.gain == pytest.approx((-0.1, -0.1, -0.1))
    assert worse.verdict == "worse"
    assert worse.chosen == OWN != worse.tuned
    assert "own thresholds are kept" in verdict_sentence(worse)
    mixed = zip(tuning.images, (-0.2, -0.1, 0.2, 0.3), strict=True)
    unsure = replace(tuning, images=[replace(i, left_out=i.before + gain) for i, gain in mixed])
    assert unsure.verdict == "unclear"
    assert unsure.chosen == unsure.tuned
    assert verdict_sentence(unsure).startswith("Probably better, but not certainly")


def test_three_images_can_be_tuned_on_and_the_verdict_says_untested():
    image = image_of([*TRUE, *JUNK], [0.9, 0.4, 0.45, 0.8, 0.7], [0.95, 0.9, 0.92, 0.55, 0.6])
    tuning = search([replace(image, name=str(i)) for i in range(3)])
    assert tuning.verdict == "untested"
    assert tuning.chosen == tuning.tuned != OWN
    assert "left_out" not in tuning.figures
    assert "3 images are too few" in verdict_sentence(tuning)
    assert to_dict(tuning)["gain"] is None
    assert [image["left_out"] for image in to_dict(tuning)["images"]] == [None] * 3


def test_every_set_has_the_same_weight_whatever_its_number_of_images():
    many = image_of([*TRUE, *JUNK], [0.8] * 5, [0.9, 0.9, 0.9, 0.6, 0.6], set_name="many")
    few = image_of([*TRUE, *JUNK], [0.8] * 5, [0.6, 0.6, 0.6, 0.6, 0.6], set_name="few")
    tuning = search([replace(many, name=str(i)) for i in range(6)] + [few])
    scores = {image.set_name: image.before for image in tuning.images}
    assert tuning.mean("before")["score"] == pytest.approx(np.mean(list(scores.values())))
    # A stability of .9 gives 1 and 0; a stability of .6 gives .75 and .75.
    assert tuning.tuned.stability_score_thresh <= 0.6


def test_small_islands_are_removed_if_that_helps():
    ragged = []
    for mask in TRUE:
        speckled = mask.copy()
        speckled[::4, ::4] = True
        ragged.append(speckled)
    image = image_of(ragged, [0.9, 0.8, 0.85], [0.9] * 3)
    own = replace(OWN, box_nms_thresh=1.0)  # with the specks, all boxes are the same
    tuning = search([image], own)
    assert tuning.tuned.min_mask_region_area > 0
    assert tuning.mean("after")["score"] > tuning.mean("before")["score"] + 0.1


def test_the_first_masks_have_as_many_pairs_as_possible():
    rng = np.random.default_rng(0)
    for _ in range(20):
        iou = rng.uniform(0, 1, (9, 5)) ** 2
        counts = matches_of_prefixes(iou)
        for row, threshold in enumerate(MATCH_THRESHOLDS):
            for n in range(10):
                allowed = iou[:n] >= threshold
                rows, cols = linear_sum_assignment(allowed, maximize=True)
                assert counts[row, n] == allowed[rows, cols].sum()


def test_f1_counts_matches_misses_and_mistakes():
    assert f1(np.array([3, 0]), 5, 3).tolist() == [0.75, 0.0]
    assert f1(np.array([0]), 0, 0).tolist() == [0.0]


def test_a_model_is_tuned_on_images_and_keeps_the_thresholds(small_reference_sam, scene):
    sam = small_reference_sam
    before = sam.config
    half = np.zeros(scene.shape[:2], bool)
    half[:, :120] = True
    examples = [Example("left", scene, [half], "drawn"), Example("right", scene, [~half], "drawn")]
    examples.append(Example("none", scene, [], "drawn"))
    tuning = tune_everything(sam, examples, points_per_side=5)
    assert [image.name for image in tuning.images] == ["left", "right"]
    assert tuning.own == before.everything
    assert tuning.mean("after")["score"] >= tuning.mean("before")["score"]
    try:
        tuning.apply_to(sam)
        assert sam.config == replace(before, everything=tuning.tuned)
    finally:
        sam.config = before


@pytest.mark.parametrize("area", [0, 40])
def test_a_setting_with_the_other_kind_of_overlap_is_compared_like_own_thresholds(
    small_reference_sam, scene, area
):
    sam, before = small_reference_sam, small_reference_sam.config
    example = Example("half", scene, [scene[..., 0] > 100, scene[..., 1] > 120], "drawn")
    by_mask = EverythingConfig(0.1, 0.4, 0.5, 0.5, area, nms_by="mask")
    by_box = replace(by_mask, nms_by="box")
    found = {}
    for own, other in ((by_mask, by_box), (by_box, by_mask)):
        sam.config = replace(before, everything=own)
        try:
            tuning = tune_everything(sam, [example], compare=[other], points_per_side=7)
        finally:
            sam.config = before
        found[own] = (tuning.figures["before"], tuning.compared[0])
    assert found[by_mask] == found[by_box][::-1]
    counts = [figures["drawn"]["masks_per_image"] for figures in found[by_mask]]
    assert counts[0] != counts[1]


def test_images_without_objects_and_unknown_labels_raise_a_clear_error(small_reference_sam, scene):
    with pytest.raises(AnymaskError, match="None of the images has an object"):
        tune_everything(small_reference_sam, [Example("none", scene, [])])
    example = Example("some", scene, [scene[..., 0] > 100], "mine")
    for labels in ("partial", {"other": "sparse"}):
        with pytest.raises(AnymaskError, match="they must be 'complete' if every object"):
            tune_everything(small_reference_sam, [example], labels=labels)


def test_tables_show_thresholds_and_figures(capsys):
    from rich.console import Console

    image = image_of([*TRUE, *JUNK], [0.9, 0.4, 0.45, 0.8, 0.7], [0.95, 0.9, 0.92, 0.55, 0.6])
    tuning = search([replace(image, name=str(i)) for i in range(5)])
    console = Console(width=100)
    for table in tables(tuning):
        console.print(table)
    shown = capsys.readouterr().out
    assert "pred_iou_thresh" in shown
    assert "AR@1000" in shown
    assert "tuned on the others" in shown
    assert verdict_sentence(tuning).startswith("Better: ")
