"""`quality="high"`: masks are asked again, in the whole image and in an enlarged part of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask import SamPredictor
from anymask.errors import PromptError

BOX = np.array([100.0, 60, 140, 110])
POINTS, LABELS = np.array([[120.0, 85], [130, 100], [20, 20]]), np.array([1, 1, 0])


@pytest.fixture
def image(reference: Path) -> np.ndarray:
    return np.asarray(Image.open(reference / "small" / "scene.png").convert("RGB"))


@pytest.fixture
def predictor(small_reference_sam, image) -> SamPredictor:
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(image)
    return predictor


def asked_again(predictor, image, points, labels, box, window, inside):
    """The same by hand: twice in the whole image, twice in the part, and the mean."""
    _, iou, low = predictor.predict(points, labels, box, None, False)
    whole, _, low = predictor.predict(points, labels, box, low, False, return_logits=True)
    part = SamPredictor(predictor.model)
    part.set_image(image[window])
    shift = np.array([window[1].start, window[0].start])
    points = None if points is None else points[inside] - shift
    labels = None if labels is None else labels[inside]
    given = (points, labels, box - np.tile(shift, 2))
    _, _, enlarged = part.predict(*given, None, False)
    near, _, _ = part.predict(*given, enlarged, False, return_logits=True)
    whole[0][window] = (whole[0][window] + near[0]) / 2
    return whole, iou, low


def test_a_box_is_asked_again_where_it_is_and_enlarged(predictor, image):
    # 50 pixels, the longer side, beyond the middle in each direction
    window = (slice(35, 136), slice(70, 171))
    expected = asked_again(predictor, image, None, None, BOX, window, None)
    found = predictor.predict(box=BOX, multimask_output=False, quality="high", return_logits=True)
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)
    masks, _, _ = predictor.predict(box=BOX, multimask_output=False, quality="high")
    assert np.array_equal(masks, found[0] > 0)


def test_points_beyond_the_part_count_in_the_whole_image_only(predictor, image):
    window = (slice(35, 136), slice(70, 171))
    inside = np.array([True, True, False])
    expected = asked_again(predictor, image, POINTS, LABELS, BOX, window, inside)
    found = predictor.predict(
        POINTS, LABELS, BOX, multimask_output=False, quality="high", return_logits=True
    )
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)


def test_a_box_of_most_of_the_image_is_not_enlarged(predictor):
    box = np.array([20.0, 10, 220, 170])
    _, iou, low = predictor.predict(box=box, multimask_output=False)
    masks, _, again = predictor.predict(box=box, mask_input=low, multimask_output=False)
    found = predictor.predict(box=box, multimask_output=False, quality="high")
    for own, other in zip(found, (masks, iou, again), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)


def test_prompts_of_a_batch_are_answered_as_one_by_one(predictor):
    boxes = np.array([BOX, [30, 30, 60, 80]])
    points = np.array([[[120.0, 85], [0, 0]], [[40, 50], [50, 60]]])
    labels = np.array([[1, -1], [1, 0]])
    together = predictor.predict(points, labels, boxes, quality="high")
    for i, count in enumerate((1, 2)):
        alone = predictor.predict(points[i, :count], labels[i, :count], boxes[i], quality="high")
        assert together[0][i].shape == (3, 180, 240)
        for own, other in zip(together, alone, strict=True):
            np.testing.assert_array_equal(own[i], other)


def test_an_image_of_which_only_the_embedding_is_known_is_refused(predictor, image, tmp_path):
    predictor.save_embedding(tmp_path / "a.safetensors")
    other = SamPredictor(predictor.model)
    other.load_embedding(tmp_path / "a.safetensors")
    with pytest.raises(PromptError, match=r"only the embedding is known here; call set_image"):
        other.predict(box=BOX, quality="high")
    other.load_embedding(tmp_path / "a.safetensors", image)
    own, expected = (p.predict(box=BOX, quality="high")[0] for p in (other, predictor))
    assert np.array_equal(own, expected)


def test_an_unknown_quality_is_refused(predictor):
    with pytest.raises(PromptError, match="'best'; it must be 'normal' or 'high'"):
        predictor.predict(box=BOX, quality="best")
