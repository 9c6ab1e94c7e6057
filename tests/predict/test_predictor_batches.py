"""Many prompts in one call of SamPredictor: what each gives alone, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.model.config import VARIANTS
from anymask.model.sam import Sam
from anymask.predict.predictor import SamPredictor

# Float32 sums in another order: what changes when prompts share a pass.
ROUNDING = 1e-4


@pytest.fixture(scope="module")
def predictor(small_reference_sam: Sam, scene: np.ndarray) -> SamPredictor:
    """A predictor with `scene` set, 180 high and 240 wide."""
    found = SamPredictor(small_reference_sam)
    found.set_image(scene)
    return found


def random_boxes(count: int, seed: int = 0) -> np.ndarray:
    corners = np.random.default_rng(seed).uniform(0, (240, 180), (count, 2, 2))
    return np.sort(corners, axis=1).reshape(count, 4)


def assert_same(batch: tuple[np.ndarray, ...], row: int, single: tuple[np.ndarray, ...]) -> None:
    """The row of a batched result is the single result, but for rounding."""
    for found, expected in zip(batch, single, strict=True):
        assert found[row].shape == expected.shape
        np.testing.assert_allclose(found[row], expected, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("multimask", [True, False])
def test_many_boxes_give_what_each_gives_alone(predictor: SamPredictor, multimask: bool) -> None:
    boxes = random_boxes(37)
    options: dict[str, Any] = {"multimask_output": multimask, "return_logits": True}
    batch = predictor.predict(box=boxes, **options)
    channels = 3 if multimask else 1
    assert [a.shape for a in batch] == [
        (37, channels, 180, 240),
        (37, channels),
        (37, channels, 64, 64),
    ]
    for row, box in enumerate(boxes):
        assert_same(batch, row, predictor.predict(box=box, **options))


def test_boxes_with_points_and_masks_stay_together_row_by_row(predictor: SamPredictor) -> None:
    boxes = random_boxes(5, seed=1)
    centres = boxes.reshape(5, 2, 2).mean(1, keepdims=True)
    labels = np.array([[1], [0], [1], [1], [0]])
    masks = np.random.default_rng(2).normal(0, 4, (5, 1, 64, 64))
    batch = predictor.predict(centres, labels, boxes, masks, return_logits=True)
    for row in range(5):
        single = predictor.predict(
            centres[row], labels[row], boxes[row], masks[row], return_logits=True
        )
        assert_same(batch, row, single)


def test_batched_masks_are_boolean_in_the_image_size(predictor: SamPredictor) -> None:
    boxes = random_boxes(20)
    masks, _, _ = predictor.predict(box=boxes)
    logits, _, _ = predictor.predict(box=boxes, return_logits=True)
    assert masks.dtype == np.bool_
    np.testing.assert_array_equal(masks, logits > 0)


def test_memory_stays_bounded_as_prompts_are_decoded_in_passes(predictor: SamPredictor) -> None:
    passes: list[int] = []
    hook = predictor.model.mask_decoder.register_forward_pre_hook(
        lambda module, args: passes.append(len(args[2]))
    )
    try:
        predictor.predict(box=random_boxes(100), multimask_output=False)
    finally:
        hook.remove()
    assert sum(passes) == 100
    assert max(passes) <= 16


def test_one_box_keeps_its_axis_only_on_request(predictor: SamPredictor) -> None:
    box = np.array([[30, 40, 130, 150]])
    assert predictor.predict(box=box)[0].shape == (3, 180, 240)
    batch = predictor.predict(box=box, batched=True, return_logits=True)
    assert [a.shape for a in batch] == [(1, 3, 180, 240), (1, 3), (1, 3, 64, 64)]
    assert_same(batch, 0, predictor.predict(box=box, return_logits=True))


point_sets = st.lists(
    st.lists(
        st.tuples(st.floats(0, 239), st.floats(0, 179), st.integers(0, 1)), min_size=1, max_size=4
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=15)
@given(sets=point_sets, data=st.data())
def test_point_sets_give_the_same_masks_however_batched_and_padded(
    predictor: SamPredictor, sets: list[list[tuple[float, float, int]]], data: Any
) -> None:
    length = max(map(len, sets)) + data.draw(st.integers(0, 2), label="extra padding")
    junk = data.draw(st.sampled_from([0.0, -1.0, 1e9, np.nan]), label="padding coordinates")
    coords = np.full((len(sets), length, 2), junk)
    labels = np.full((len(sets), length), -1)
    for row, points in enumerate(sets):
        places = data.draw(st.permutations(range(length)))[: len(points)]
        for place, (x, y, label) in zip(sorted(places), points, strict=True):
            coords[row, place], labels[row, place] = (x, y), label
    batch = predictor.predict(coords, labels, return_logits=True)
    for row, points in enumerate(sets):
        array = np.array(points)
        single = predictor.predict(array[:, :2], array[:, 2].astype(int), return_logits=True)
        assert_same(batch, row, single)


def test_a_set_of_padding_alone_is_no_points_where_a_box_is_given(
    predictor: SamPredictor,
) -> None:
    boxes = random_boxes(2)
    coords = np.array([[[0, 0]], [[50, 60]]])
    batch = predictor.predict(coords, np.array([[-1], [1]]), boxes, return_logits=True)
    assert_same(batch, 0, predictor.predict(box=boxes[0], return_logits=True))
    assert_same(batch, 1, predictor.predict([[50, 60]], [1], boxes[1], return_logits=True))


def test_lists_serve_as_well_as_arrays(predictor: SamPredictor) -> None:
    from_lists = predictor.predict([[70, 90]], [True], [30, 40, 130, 150])
    from_arrays = predictor.predict(
        np.array([[70, 90]]), np.array([1]), np.array([30, 40, 130, 150])
    )
    for found, expected in zip(from_lists, from_arrays, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def small_predictor(scene: np.ndarray) -> SamPredictor:
    """The geometry of the shipped model, its weights drawn at random, with `scene` set."""
    torch.manual_seed(3)
    predictor = SamPredictor(Sam(VARIANTS["small"]).eval())
    predictor.set_image(scene)
    return predictor


def test_models_with_finer_maps_batch_like_others(small_predictor: SamPredictor) -> None:
    boxes = random_boxes(18)
    batch = small_predictor.predict(box=boxes, return_logits=True)
    for row in (0, 17):
        assert_same(batch, row, small_predictor.predict(box=boxes[row], return_logits=True))


def test_masks_of_a_model_with_a_box_margin_stay_by_their_box(
    small_predictor: SamPredictor,
) -> None:
    masks, _, _ = small_predictor.predict(box=[60, 50, 120, 100])
    outside = masks.copy()
    # A twentieth of the longer side, and the width of a low-resolution pixel or two.
    outside[:, 50 - 6 : 100 + 6, 60 - 6 : 120 + 6] = False
    assert masks.any()
    assert not outside.any()
