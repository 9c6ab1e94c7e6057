"""One prompt for each of many images: what each image gives alone, decoded together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anymask.errors import PromptError
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam
from anymask.predict.predictor import SamPredictor

# Float32 sums in another order: what changes when images share a pass.
ROUNDING = 1e-4


@pytest.fixture(scope="module")
def images(scene, tall):
    """Three images of three sizes."""
    return [scene, tall, scene[:100, 20:]]


@pytest.fixture(scope="module")
def predictor(small_reference_sam, images):
    found = SamPredictor(small_reference_sam)
    found.set_images(images)
    return found


BOXES = [[20, 30, 120, 150], [10, 100, 180, 250], [5, 5, 100, 90]]
POINTS = [[[60, 70]], [[90, 90], [20, 250]], [[50, 50]]]
LABELS = [[1], [1, 0], [0]]


def assert_each_is_as_alone(predictor, prompts, **options):
    together = predictor.predict_each(**prompts, **options)
    assert len(together) == len(predictor._encoded)
    for index, found in enumerate(together):
        predictor.select(index)
        own = {name: items[index] for name, items in prompts.items()}
        expected = predictor.predict(**own, **options)
        for one, other in zip(found, expected, strict=True):
            assert one.shape == other.shape
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, rtol=ROUNDING, atol=ROUNDING)
    return together


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize(
    "prompts",
    [
        {"box": BOXES},
        {"point_coords": POINTS, "point_labels": LABELS},
        {"point_coords": POINTS, "point_labels": LABELS, "box": BOXES},
        {"box": BOXES, "mask_input": np.random.default_rng(0).normal(0, 4, (3, 1, 64, 64))},
    ],
    ids=["boxes", "points", "boxes and points", "boxes and masks"],
)
def test_each_image_gives_what_it_gives_alone(predictor, prompts, multimask):
    options = {"multimask_output": multimask, "return_logits": True}
    together = assert_each_is_as_alone(predictor, prompts, **options)
    assert [masks.shape[1:] for masks, _, _ in together] == [(180, 240), (300, 201), (100, 220)]


def test_masks_are_the_logits_above_zero(predictor):
    points = {"point_coords": POINTS, "point_labels": LABELS}
    masks = predictor.predict_each(**points)
    logits = predictor.predict_each(**points, return_logits=True)
    assert any(mask.any() for mask, _, _ in masks)
    for (mask, _, _), (logit, _, _) in zip(masks, logits, strict=True):
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(mask, logit > 0)


def test_images_are_decoded_together_in_bounded_passes(small_reference_sam, scene):
    predictor = SamPredictor(small_reference_sam)
    predictor.set_images([scene[i:] for i in range(20)])
    passes = []
    hook = small_reference_sam.mask_decoder.register_forward_pre_hook(
        lambda module, args: passes.append(len(args[2]))
    )
    try:
        predictor.predict_each(box=[BOXES[0]] * 20, multimask_output=False)
    finally:
        hook.remove()
    assert sum(passes) == 20
    assert 1 < max(passes) <= 16


def test_models_with_finer_maps_decode_images_together(images):
    torch.manual_seed(3)
    predictor = SamPredictor(Sam(VARIANTS["small"]).eval())
    predictor.set_images(images)
    assert_each_is_as_alone(predictor, {"box": BOXES}, return_logits=True)


@pytest.mark.parametrize(
    ("prompts", "what"),
    [
        ({"box": BOXES[:2]}, "box has 2 items, but 3 images are set"),
        ({"point_coords": POINTS, "point_labels": LABELS[:1]}, "point_labels has 1 items"),
        ({"box": [BOXES[0], [500, 0, 510, 10], BOXES[2]]}, r"number 1: box = \(500, 0"),
        ({"box": [BOXES[0], BOXES, BOXES[2]]}, "Of 3 images, number 1 got several prompts"),
        ({"point_coords": POINTS}, "number 0: point_coords has 1 points but point_labels is"),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused_with_its_image(predictor, prompts, what):
    with pytest.raises(PromptError, match=what) as caught:
        predictor.predict_each(**prompts)
    assert str(caught.value).endswith(".")


def test_without_images_there_is_nothing_to_predict(small_reference_sam):
    with pytest.raises(PromptError, match="set_image"):
        SamPredictor(small_reference_sam).predict_each(box=BOXES)
