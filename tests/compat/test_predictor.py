"""Prompts and images of every kind that Meta's predictor takes give its masks."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from anymask import SamPredictor as OwnPredictor
from anymask.compat import CompatWarning
from anymask.compat.segment_anything import SamPredictor
from anymask.errors import ImageError, PromptError
from tests.conftest import relative_l2


@pytest.fixture(scope="module")
def predictors(ours, theirs, metas_package, scene):
    pair = SamPredictor(ours), metas_package.SamPredictor(theirs)
    for predictor in pair:
        predictor.set_image(scene)
    return pair


def same_masks(predictors, **prompt):
    ours, theirs = (predictor.predict(**prompt) for predictor in predictors)
    assert [(a.shape, a.dtype) for a in ours] == [(a.shape, a.dtype) for a in theirs]
    assert np.array_equal(ours[0], theirs[0])
    assert relative_l2(ours[1], theirs[1]) < 1e-5
    assert relative_l2(ours[2], theirs[2]) < 1e-5


REFUSED = {
    "a point outside": {"point_coords": [[-40, 300]], "point_labels": [1]},
    "a box with swapped corners": {"box": [150, 120, 60, 40]},
    "a box outside": {"box": [300, 200, 400, 260]},
    "labels 2 and 3": {"point_coords": [[60, 40], [150, 120]], "point_labels": [2, 3]},
    "padding": {"point_coords": [[120, 90], [0, 0]], "point_labels": [1, -1]},
    "padding alone": {"point_coords": [[5, 5]], "point_labels": [-1]},
}
TAKEN = {
    "nothing": {},
    "points": {"point_coords": [[120, 90], [30, 20]], "point_labels": [1, 0]},
    "a box": {"box": [60, 40, 150, 120]},
    "a box as a row": {"box": [[60, 40, 150, 120]]},
    "a box beyond the image": {"box": [-30, -20, 400, 120]},
    "a box and a point": {
        "box": [60, 40, 150, 120],
        "point_coords": [[120, 90]],
        "point_labels": [1],
    },
}


def arrays(prompt):
    return {name: np.array(values) for name, values in prompt.items()}


@pytest.mark.parametrize("prompt", TAKEN.values(), ids=TAKEN)
@pytest.mark.parametrize("multimask_output", [True, False])
def test_prompts_give_metas_masks(predictors, prompt, multimask_output):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same_masks(predictors, **arrays(prompt), multimask_output=multimask_output)


@pytest.mark.parametrize("prompt", REFUSED.values(), ids=REFUSED)
def test_prompts_that_anymask_refuses_give_metas_masks_with_one_warning(
    predictors, prompt, scene, ours
):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        same_masks(predictors, **arrays(prompt))
        same_masks(predictors, **arrays(prompt))
    (only,) = [w for w in said if w.category is CompatWarning]
    assert "its mask may mean nothing" in str(only.message)
    assert only.filename == __file__
    own = OwnPredictor(ours)
    own.set_image(scene)
    with pytest.raises(PromptError):
        own.predict(**prompt)


def test_no_points_beside_a_box_are_left_out(predictors):
    empty = {"point_coords": np.zeros((0, 2)), "point_labels": np.zeros(0)}
    same_masks(predictors, **empty, box=np.array([60, 40, 150, 120]))
    tensors = torch.zeros(1, 0, 2), torch.zeros(1, 0), torch.tensor([[64.0, 40.0, 160.0, 120.0]])
    ours, theirs = (predictor.predict_torch(*tensors)[0] for predictor in predictors)
    assert torch.equal(ours, theirs)


def test_masks_can_be_asked_again_and_logits_returned(predictors):
    prompt = arrays(TAKEN["points"])
    low_res = predictors[1].predict(**prompt)[2][:1]
    for given in ({"mask_input": low_res}, {"mask_input": low_res, **prompt}):
        same_masks(predictors, **given, multimask_output=False)
    ours, theirs = (p.predict(**prompt, return_logits=True)[0] for p in predictors)
    assert relative_l2(ours, theirs) < 1e-5


def test_several_objects_at_once_are_taken_as_by_anymask(predictors, scene, ours):
    boxes = np.array([[60, 40, 150, 120], [5, 5, 50, 50]])
    own = OwnPredictor(ours)
    own.set_image(scene)
    found, expected = (p.predict(box=boxes, multimask_output=False) for p in (predictors[0], own))
    assert np.array_equal(found[0], expected[0])


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_images_of_floating_point_are_taken_with_a_warning(ours, scene, scale):
    predictor, expected = SamPredictor(ours), SamPredictor(ours)
    expected.set_image(scene)
    image = (scene / 255.0 * scale).astype(np.float32) + np.float32(scale * 1e-4)
    with pytest.warns(CompatWarning, match="cut to 8 bits") as said:
        predictor.set_image(image.clip(0, scale))
    assert said[0].filename == __file__
    assert relative_l2(predictor.features, expected.features) < 1e-5


def test_an_image_beyond_8_bits_is_refused(ours, scene):
    with pytest.raises(ImageError, match=r"uint16 with values from \d+ to \d+; give uint8 RGB"):
        SamPredictor(ours).set_image(scene.astype(np.uint16) * 9)


def test_stored_features_can_be_assigned(predictors, ours):
    # As programs do that keep embeddings in their own files.
    stored = torch.from_numpy(predictors[1].features.numpy().copy())
    other = SamPredictor(ours)
    other.features = stored
    other.original_size, other.input_size = predictors[1].original_size, predictors[1].input_size
    other.is_image_set = True
    assert other.get_image_embedding() is stored
    same_masks((other, predictors[1]), **arrays(TAKEN["points"]))
    assert (other.orig_h, other.orig_w, other.input_h, other.input_w) == (180, 240, 192, 256)
    other.reset_image()
    assert other.features is None
    assert other.orig_h is None


def test_features_of_another_shape_are_refused_and_c_h_w_taken(predictors, ours):
    other = SamPredictor(ours)
    with pytest.raises(ImageError, match=r"shape \(1, 32, 8, 8\); this model needs 1×32×16×16"):
        other.features = torch.zeros(1, 32, 8, 8)
    other.features = predictors[1].features[0]
    other.original_size, other.input_size = [180, 240], [192, 256]
    same_masks((other, predictors[1]), **arrays(TAKEN["a box"]))


def test_a_class_that_leaves_out_metas_init_works(predictors, ours, scene):
    # As segment-geospatial's predictor does.
    class Own(SamPredictor):
        def __init__(self, sam_model):
            self.model = sam_model
            self.transform = predictors[0].transform

    other = Own(ours)
    assert other.features is None
    other.set_image(scene)
    same_masks((other, predictors[1]), **arrays(TAKEN["points"]))


def test_without_an_image_there_is_metas_kind_of_error(ours):
    with pytest.raises(RuntimeError, match="call set_image"):
        SamPredictor(ours).predict(box=np.array([1, 2, 3, 4]))


def test_images_that_are_resized_already_give_metas_features(predictors, ours, scene):
    other = SamPredictor(ours)
    pixels = other.transform.apply_image(scene)
    other.set_torch_image(torch.from_numpy(pixels).permute(2, 0, 1)[None], scene.shape[:2])
    assert relative_l2(other.features, predictors[1].features) < 1e-5
