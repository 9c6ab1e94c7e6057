"""The interactive protocol with a real model and with ideal ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from anymask.datasets.types import Example
from anymask.evaluation.metrics import mask_iou
from anymask.evaluation.protocols import (
    PromptedImage,
    calibration,
    evaluate_interactive,
    quick_figures,
)
from anymask.evaluation.records import means_by_set
from anymask.images.resize import ResizeLongestSide
from anymask.model.sam import ImageEmbedding, Sam


class Ideal(Sam):
    """A Sam that predicts from the image's colours: red above 127 is object.

    It tests the geometry of the protocol from end to end: if a prompt, a resize or a crop were off
    by a pixel, its masks would not be perfect. `wrong_columns` are predicted wrongly until they
    contain a negative click.
    """

    wrong_columns: slice | None = None

    def encode_image(self, x):
        red = x[:, :1] * self.pixel_std[0] + self.pixel_mean[0]
        size = self.config.low_res_size
        self.asked: list[dict] = []
        return ImageEmbedding(F.interpolate(red, (size, size), mode="area") - 127.5)

    def decode(self, image, *, multimask_output=True, **prompts):
        self.asked.append({**prompts, "multimask_output": multimask_output})
        count = len(next(p for p in prompts.values() if p is not None))
        logits = image.embedding.expand(count, 3 if multimask_output else 1, -1, -1).clone()
        labels = prompts["point_labels"]
        if self.wrong_columns is not None and (labels is None or (labels != 0).all()):
            logits[..., self.wrong_columns] = 50.0
        iou = torch.full(logits.shape[:2], 0.75)
        if multimask_output:
            logits[:, 0] = -1.0  # the first of the three is empty, with low predicted IoU
            logits[:, 2] = 1.0  # the last covers everything, with too high predicted IoU
            iou[:, 0], iou[:, 2] = 0.0, 0.9
        return logits, iou


@pytest.fixture
def red_disc() -> Example:
    """A red disc on black, which `Ideal` finds perfectly. No side matches the model's size."""
    y, x = np.ogrid[:150, :200]
    disc = (x - 120) ** 2 + (y - 70) ** 2 <= 40**2
    image = np.zeros((150, 200, 3), np.uint8)
    image[disc] = (255, 0, 0)
    return Example("disc", image, [disc], "discs")


@pytest.fixture
def ideal(small_reference_config) -> Ideal:
    return Ideal(small_reference_config).eval()


def test_an_ideal_model_scores_near_1_by_click_and_box(ideal, red_disc):
    (record,) = evaluate_interactive(ideal, [red_disc])
    for name in ("click1_single", "click1_oracle", "click3", "click5", "box"):
        # The logits are on a grid of 3 pixels.
        assert record.scores[name].iou > 0.97
        assert record.scores[name].boundary_f > 0.99
        assert record.scores[name].dice > 0.98


def test_the_chosen_mask_of_three_has_the_highest_predicted_iou(ideal, red_disc):
    (record,) = evaluate_interactive(ideal, [red_disc])
    chosen = record.scores["click1_predicted"]
    assert chosen.predicted_iou == pytest.approx(0.9)
    assert chosen.iou == pytest.approx(red_disc.masks[0].mean())  # the mask that covers everything
    assert record.scores["click1_oracle"].predicted_iou == pytest.approx(0.75)


def test_prompts_are_the_centre_and_the_bounding_box_scaled_to_the_input(ideal, red_disc):
    (record,) = evaluate_interactive(ideal, [red_disc])
    assert record.click == (120, 70, 1)
    assert record.box == (80, 30, 160, 110)
    scale = ideal.config.image_size / 200
    np.testing.assert_allclose(ideal.asked[0]["point_coords"], [[[120 * scale, 70 * scale]]])
    box = next(a["boxes"] for a in ideal.asked if a["boxes"] is not None)
    np.testing.assert_allclose(box, [[80 * scale, 30 * scale, 160 * scale, 110 * scale]])


def test_a_correction_passes_the_earlier_logits_and_requests_one_mask(ideal, red_disc):
    ideal.wrong_columns = slice(0, 12)  # the left 38 columns of the image
    (record,) = evaluate_interactive(ideal, [red_disc], clicks=3, box=False)
    # After the first click the over-confident mask covers everything, so the largest error is to
    # the right or left of the disc. After that negative click the mask is right and clicking ends.
    single, three, *later = ideal.asked
    assert not single["multimask_output"]
    assert three["multimask_output"]
    assert all(not asked["multimask_output"] for asked in later)
    assert later[0]["point_labels"].tolist() == [[1, 0]]
    torch.testing.assert_close(later[0]["masks"], torch.ones_like(later[0]["masks"]))
    assert record.scores["click1_single"].iou < 0.6
    assert record.scores["click3"].iou > 0.97


def test_a_perfectly_found_object_keeps_its_mask(ideal):
    # Black and red halves that follow the grid of the logits: the mask has no error.
    size = ideal.config.image_size
    image = np.zeros((size, size, 3), np.uint8)
    image[: size // 2] = (255, 0, 0)
    example = Example("half", image, [image[..., 0] > 0], "halves")
    ideal.decode = lambda image, multimask_output=True, **p: Ideal.decode(
        ideal, image, multimask_output=False, **p
    )
    (record,) = evaluate_interactive(ideal, [example], clicks=4, box=False)
    assert [record.scores[f"click{n}"].iou for n in (2, 3, 4)] == [1, 1, 1]


def test_predictions_equal_those_of_the_predictor(small_reference_sam, scene):
    sam = small_reference_sam
    prompted = PromptedImage(sam, scene)
    answer = prompted.ask(points=[[[120, 80]]], labels=[[1]], multimask_output=True)
    resize = ResizeLongestSide(sam.config.image_size)
    image = torch.from_numpy(resize.apply_image(scene)).permute(2, 0, 1)
    record = {
        "image": image,
        "original_size": scene.shape[:2],
        "point_coords": torch.from_numpy(resize.apply_coords([[[120, 80]]], scene.shape[:2])),
        "point_labels": torch.ones(1, 1),
    }
    expected = sam([record], multimask_output=True)[0]
    np.testing.assert_array_equal(answer.masks, expected["masks"])
    np.testing.assert_allclose(answer.predicted_iou, expected["iou_predictions"], rtol=1e-5)


def test_objects_get_the_same_predictions_together_and_alone(small_reference_sam, scene_examples):
    example = scene_examples[1]
    together = evaluate_interactive(small_reference_sam, [example], max_objects=None, clicks=3)
    alone = [
        evaluate_interactive(
            small_reference_sam,
            [Example(example.name, example.image, [example.masks[record.index]], "b")],
            clicks=3,
        )[0]
        for record in together
    ]
    assert len(together) == 4
    for one, other in zip(together, alone, strict=True):
        for name, given in one.scores.items():
            assert given.iou == pytest.approx(other.scores[name].iou, abs=2e-3)


def test_the_same_examples_give_the_same_figures(small_reference_sam, scene_examples):
    assert quick_figures(small_reference_sam, scene_examples) == quick_figures(
        small_reference_sam, scene_examples
    )


def test_quick_figures_are_means_over_objects_then_over_sets(small_reference_sam, scene_examples):
    means, by_set = quick_figures(small_reference_sam, scene_examples)
    records = evaluate_interactive(small_reference_sam, scene_examples)
    assert [record.set_name for record in records] == ["a"] * 2 + ["b"] * 3
    for name in ("click1_single", "click1_predicted", "click1_oracle", "click3", "click5", "box"):
        a = np.mean([r.scores[name].iou for r in records[:2]])
        b = np.mean([r.scores[name].iou for r in records[2:]])
        assert by_set["a"][name] == pytest.approx(a)
        assert means[name] == pytest.approx((a + b) / 2)
    f = means_by_set(records, "boundary_f")
    assert means["boundary_f_box"] == pytest.approx((f["a"]["box"] + f["b"]["box"]) / 2)
    errors = [calibration([r for r in records if r.set_name == s]).expected_error for s in "ab"]
    assert means["iou_calibration_error"] == pytest.approx(np.mean(errors))
    assert means["iou_bias"] == pytest.approx(calibration(records).bias)
    assert set(means) == set(by_set["a"]) == set(by_set["b"])


def test_the_oracle_is_never_worse_than_the_choice_of_the_model(
    small_reference_sam, scene_examples
):
    for record in evaluate_interactive(small_reference_sam, scene_examples, clicks=1):
        assert record.scores["click1_oracle"].iou >= record.scores["click1_predicted"].iou


def test_kept_masks_have_the_recorded_iou(small_reference_sam, scene_examples):
    records = evaluate_interactive(
        small_reference_sam, scene_examples, clicks=1, keep_masks=("box",)
    )
    for record in records:
        example = next(e for e in scene_examples if e.name == record.image)
        mask = record.mask("box")
        assert mask is not None
        assert mask_iou(mask, example.masks[record.index]) == record.scores["box"].iou
        assert record.mask("click1_single") is None


def test_a_large_image_is_scored_at_reduced_size_with_similar_figures(ideal, red_disc):
    large = Example(
        "large",
        red_disc.image.repeat(6, 0).repeat(6, 1),
        [red_disc.masks[0].repeat(6, 0).repeat(6, 1)],
        "discs",
    )
    (record,) = evaluate_interactive(ideal, [large], score_size=200)
    assert record.size == (150, 200)
    assert record.area == red_disc.masks[0].sum()
    assert record.scores["box"].iou > 0.97


def test_a_model_in_training_mode_stays_in_training_mode(small_reference_config, scene_examples):
    sam = Sam(small_reference_config).train()
    evaluate_interactive(sam, scene_examples[:1], clicks=1)
    assert sam.training


def test_calibration_weighs_sets_equally_and_excludes_the_oracle(
    small_reference_sam, scene_examples
):
    records = evaluate_interactive(small_reference_sam, scene_examples, clicks=1)
    biases = []
    for name in ("a", "b"):
        answers = [
            score
            for record in records
            if record.set_name == name
            for key, score in record.scores.items()
            if key != "click1_oracle"
        ]
        biases.append(np.mean([np.clip(s.predicted_iou, 0, 1) - s.iou for s in answers]))
    assert calibration(records).bias == pytest.approx(np.mean(biases))
