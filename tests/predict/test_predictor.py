"""SamPredictor: the published numbers, the published interface, several images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from anymask.masks.clicked import keep_clicked
from anymask.model.sam import Sam
from anymask.predict.predictor import SamPredictor

IMAGES = ("scene", "tall")
PROMPTS = ("point", "points", "box", "box_point")

# Float32 sums in another order: what changes when images share a pass.
ROUNDING = 1e-4


def relative_l2(actual: np.ndarray, expected: np.ndarray) -> float:
    difference = np.asarray(actual, np.float64) - np.asarray(expected, np.float64)
    return float(np.linalg.norm(difference) / np.linalg.norm(np.asarray(expected, np.float64)))


def prompt_of(numbers: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    fields = ("point_coords", "point_labels", "box")
    return {f: numbers[f"{name}/{f}"] for f in fields if f"{name}/{f}" in numbers}


def assert_masks_agree(masks: np.ndarray, logits: np.ndarray) -> None:
    clear = np.abs(logits) > 1e-4
    np.testing.assert_array_equal(masks[clear], (logits > 0)[clear])


@pytest.fixture(scope="module")
def numbers(reference: Path) -> dict[str, np.ndarray]:
    with np.load(reference / "small" / "predictor.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def predictors(
    small_reference_sam: Sam, scene: np.ndarray, tall: np.ndarray
) -> dict[str, SamPredictor]:
    """A predictor for each image, with that image set."""
    found = {}
    for name, image in zip(IMAGES, (scene, tall), strict=True):
        found[name] = SamPredictor(small_reference_sam)
        found[name].set_image(image)
    return found


@pytest.fixture
def predictor(predictors: dict[str, SamPredictor]) -> SamPredictor:
    """A predictor with `scene` set, 180 high and 240 wide."""
    return predictors["scene"]


# The published numbers


@pytest.mark.parametrize("image", IMAGES)
def test_embeddings_have_the_published_values(
    image: str, predictors: dict[str, SamPredictor], numbers: dict[str, np.ndarray]
) -> None:
    embedding = predictors[image].get_image_embedding().numpy()
    expected = numbers[f"{image}/embedding"]
    assert embedding.shape == expected.shape
    assert relative_l2(embedding, expected) < 1e-5


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("image", IMAGES)
def test_predictions_have_the_published_values(
    image: str,
    prompt: str,
    multimask: bool,
    predictors: dict[str, SamPredictor],
    numbers: dict[str, np.ndarray],
) -> None:
    given = prompt_of(numbers, f"{image}/{prompt}")
    expected = {
        k: numbers[f"{image}/{prompt}/{multimask:d}/{k}"] for k in ("logits", "iou", "low_res")
    }
    masks, iou, low_res = predictors[image].predict(**given, multimask_output=multimask)
    assert (masks.shape, masks.dtype) == (expected["logits"].shape, np.bool_)
    assert_masks_agree(masks, expected["logits"])
    assert relative_l2(iou, expected["iou"]) < 1e-5
    assert relative_l2(low_res, expected["low_res"]) < 1e-5
    logits, _, _ = predictors[image].predict(
        **given, multimask_output=multimask, return_logits=True
    )
    assert logits.dtype == np.float32
    assert relative_l2(logits, expected["logits"]) < 1e-5


@pytest.mark.parametrize("image", IMAGES)
def test_a_mask_prompt_has_the_published_effect(
    image: str, predictors: dict[str, SamPredictor], numbers: dict[str, np.ndarray]
) -> None:
    masks, iou, low_res = predictors[image].predict(
        **prompt_of(numbers, f"{image}/point"),
        mask_input=numbers[f"{image}/mask/mask_input"],
        multimask_output=False,
    )
    assert_masks_agree(masks, numbers[f"{image}/mask/logits"])
    assert relative_l2(iou, numbers[f"{image}/mask/iou"]) < 1e-5
    assert relative_l2(low_res, numbers[f"{image}/mask/low_res"]) < 1e-5


# The published interface


def test_the_steps_of_the_published_tutorial_run_as_they_are(
    small_reference_sam: Sam, scene: np.ndarray
) -> None:
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(scene)
    input_point, input_label = np.array([[70, 90]]), np.array([1])
    masks, scores, logits = predictor.predict(
        point_coords=input_point, point_labels=input_label, multimask_output=True
    )
    assert masks.shape == (3, 180, 240)
    mask_input = logits[np.argmax(scores), :, :]
    masks, _, _ = predictor.predict(
        point_coords=np.array([[70, 90], [110, 95]]),
        point_labels=np.array([1, 0]),
        mask_input=mask_input[None, :, :],
        multimask_output=False,
    )
    assert masks.shape == (1, 180, 240)
    input_box = np.array([30, 40, 130, 150])
    masks, _, _ = predictor.predict(
        point_coords=None, point_labels=None, box=input_box[None, :], multimask_output=False
    )
    assert masks[0].shape == (180, 240)
    input_boxes = torch.tensor([[30, 40, 130, 150], [5, 5, 60, 60]], device=predictor.device)
    transformed = predictor.transform.apply_boxes_torch(input_boxes, scene.shape[:2])
    several, scores, low_res = predictor.predict_torch(
        point_coords=None, point_labels=None, boxes=transformed, multimask_output=False
    )
    assert several.shape == (2, 1, 180, 240)
    assert several.dtype == torch.bool
    assert (scores.shape, low_res.shape) == ((2, 1), (2, 1, 64, 64))
    np.testing.assert_array_equal(several[0].numpy(), masks)


def test_set_torch_image_does_what_set_image_does(
    predictor: SamPredictor, scene: np.ndarray, numbers: dict[str, np.ndarray]
) -> None:
    other = SamPredictor(predictor.model)
    resized = torch.from_numpy(other.transform.apply_image(scene)).permute(2, 0, 1)[None]
    other.set_torch_image(resized, scene.shape[:2])
    assert (other.original_size, other.input_size) == ((180, 240), (192, 256))
    assert torch.equal(other.get_image_embedding(), predictor.get_image_embedding())
    given = prompt_of(numbers, "scene/box")
    for found, expected in zip(other.predict(**given), predictor.predict(**given), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_bgr_images_are_read_as_such(predictor: SamPredictor, scene: np.ndarray) -> None:
    other = SamPredictor(predictor.model)
    other.set_image(np.ascontiguousarray(scene[:, :, ::-1]), image_format="BGR")
    assert torch.equal(other.get_image_embedding(), predictor.get_image_embedding())
    other.set_image(scene, image_format="BGR")
    assert not torch.equal(other.get_image_embedding(), predictor.get_image_embedding())


def test_masks_are_the_logits_above_the_models_threshold(predictor: SamPredictor) -> None:
    masks, _, _ = predictor.predict([[120, 90]], [1])
    logits, _, _ = predictor.predict([[120, 90]], [1], return_logits=True)
    assert 0 < masks.mean() < 1
    np.testing.assert_array_equal(masks, logits > predictor.model.mask_threshold)


def test_without_a_prompt_the_answer_is_that_of_the_empty_prompt(predictor: SamPredictor) -> None:
    masks, iou, low_res = predictor.predict()
    assert (masks.shape, iou.shape, low_res.shape) == ((3, 180, 240), (3,), (3, 64, 64))
    with torch.no_grad():
        expected, _ = predictor.model.decode(predictor.image_features)
    np.testing.assert_array_equal(low_res, expected[0].numpy())


def test_prediction_does_not_change_the_prompts(predictor: SamPredictor) -> None:
    coords, labels, box = np.array([[70, 90]]), np.array([1]), np.array([30, 40, 130, 150])
    predictor.predict(coords, labels, box)
    np.testing.assert_array_equal(coords, [[70, 90]])
    np.testing.assert_array_equal(labels, [1])
    np.testing.assert_array_equal(box, [30, 40, 130, 150])


def test_gradients_are_not_kept(predictor: SamPredictor) -> None:
    assert not predictor.get_image_embedding().requires_grad
    masks, _, _ = predictor.predict_torch(None, None, torch.tensor([[1.0, 1, 50, 50]]))
    assert not masks.requires_grad


def test_reset_forgets_the_image(small_reference_sam: Sam, scene: np.ndarray) -> None:
    predictor = SamPredictor(small_reference_sam)
    assert not predictor.is_image_set
    predictor.set_image(scene)
    assert predictor.is_image_set
    predictor.reset_image()
    assert not predictor.is_image_set
    assert predictor.features is None


# Several images


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_several_images_give_what_each_gives_alone(
    batch_size: int,
    predictors: dict[str, SamPredictor],
    scene: np.ndarray,
    tall: np.ndarray,
) -> None:
    several = SamPredictor(predictors["scene"].model)
    several.set_images([scene, tall, scene[:100]], batch_size=batch_size)
    for index, name in ((1, "tall"), (0, "scene")):
        several.select(index)
        alone = predictors[name]
        assert (several.original_size, several.input_size) == (
            alone.original_size,
            alone.input_size,
        )
        found = several.predict(box=[10, 10, 150, 150], return_logits=True)
        expected = alone.predict(box=[10, 10, 150, 150], return_logits=True)
        for a, b in zip(found, expected, strict=True):
            if batch_size == 1:
                np.testing.assert_array_equal(a, b)
            np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING)


def test_setting_one_image_after_several_leaves_only_that_one(
    small_reference_sam: Sam, scene: np.ndarray, tall: np.ndarray
) -> None:
    predictor = SamPredictor(small_reference_sam)
    predictor.set_images([scene, tall])
    predictor.select(1)
    predictor.set_image(scene)
    assert predictor.original_size == (180, 240)
    with pytest.raises(Exception, match="no image 1"):
        predictor.select(1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_weights_give_nearly_the_same_masks(
    dtype: torch.dtype, small_reference_sam: Sam, predictor: SamPredictor, scene: np.ndarray
) -> None:
    model = Sam(small_reference_sam.config)
    model.load_state_dict(small_reference_sam.state_dict())
    half = SamPredictor(model.eval().to(dtype))
    half.set_image(scene)
    masks, iou, low_res = half.predict([[120, 90]], [1], multimask_output=False)
    expected, _, _ = predictor.predict([[120, 90]], [1], multimask_output=False)
    assert (iou.dtype, low_res.dtype) == (np.float32, np.float32)
    assert (masks & expected).sum() / (masks | expected).sum() > 0.9


def test_regions_without_a_click_are_dropped_if_asked_and_not_by_metas_models(
    small_reference_sam: Sam, scene: np.ndarray
) -> None:
    exact = SamPredictor(small_reference_sam)
    clicked = SamPredictor(small_reference_sam, keep_clicked=True)
    assert not exact.keep_clicked
    dropped = 0
    for predictor in (exact, clicked):
        predictor.set_image(scene)
    for x in range(20, 240, 40):
        prompt = {"point_coords": [[x, 90]], "point_labels": [1]}
        masks, iou, low_res = exact.predict(**prompt)
        kept, same_iou, same_logits = clicked.predict(**prompt)
        np.testing.assert_array_equal(iou, same_iou)
        np.testing.assert_array_equal(low_res, same_logits)
        for before, after in zip(masks, kept, strict=True):
            np.testing.assert_array_equal(after, keep_clicked(before, np.array([[x, 90]])))
            dropped += before.sum() > after.sum()
        (each,) = clicked.predict_each(point_coords=[[[x, 90]]], point_labels=[[1]])
        np.testing.assert_array_equal(each[0], kept)
        boxed = {**prompt, "box": [10, 10, 200, 150]}
        np.testing.assert_array_equal(clicked.predict(**boxed)[0], exact.predict(**boxed)[0])
    assert dropped > 0
