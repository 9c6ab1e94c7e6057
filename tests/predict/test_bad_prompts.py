"""Prompts that mean nothing are refused, each with one sentence and the offending value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from anymask.errors import PromptError
from anymask.model.sam import Sam
from anymask.predict.predictor import SamPredictor

POINT = {"point_coords": [[5, 6]], "point_labels": [1]}


@pytest.fixture(scope="module")
def predictor(small_reference_sam: Sam, scene: np.ndarray) -> SamPredictor:
    """With an image of height 180 and width 240; its masks are 64×64."""
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(scene)
    return predictor


def refused(predictor: SamPredictor, **prompt: Any) -> str:
    with pytest.raises(PromptError) as error:
        predictor.predict(**prompt)
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize(
    ("point", "shown"),
    [
        ((-1.6, 10), "(-1.6, 10)"),
        ((10, -2), "(10, -2)"),
        ((241.5, 10), "(241.5, 10)"),
        ((10, 182), "(10, 182)"),
        ((1e12, 10), "(1e+12, 10)"),
    ],
)
def test_a_point_outside_the_image(
    predictor: SamPredictor, point: tuple[float, float], shown: str
) -> None:
    message = refused(predictor, point_coords=[(5, 5), point], point_labels=[1, 1])
    assert f"point_coords[1] = {shown} lies outside the image" in message
    assert "240 wide and 180 high" in message


@pytest.mark.parametrize("point", [(0, 0), (-0.5, -0.5), (239.5, 179.5), (240, 180)])
def test_points_on_the_edge_are_inside(predictor: SamPredictor, point: tuple[float, float]) -> None:
    _, iou, _ = predictor.predict([point], [1])
    assert np.isfinite(iou).all()


@pytest.mark.parametrize(
    ("given", "cut"),
    [
        ({"point_coords": [[-1.4, 181]], "point_labels": [1]}, [[-0.5, 180]]),
        ({"point_coords": [[241, -1]], "point_labels": [1]}, [[240, -0.5]]),
        ({"box": [-30, 20, 300, 90]}, [-0.5, 20, 240, 90]),
        ({"box": [[5, -4, 9, 500], [-9, -9, 2, 2]]}, [[5, -0.5, 9, 180], [-0.5, -0.5, 2, 2]]),
    ],
)
def test_points_outside_by_rounding_and_boxes_beyond_the_edges_are_cut_there(
    predictor: SamPredictor, given: dict[str, Any], cut: Any
) -> None:
    first = next(iter(given))
    for one, other in zip(
        predictor.predict(**given), predictor.predict(**{**given, first: cut}), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_point_that_is_not_finite(predictor: SamPredictor, value: float) -> None:
    message = refused(predictor, point_coords=[[5, value]], point_labels=[1])
    assert f"(5, {value:g}) is not a place" in message


@pytest.mark.parametrize("label", [2, -2, 0.5, np.nan, -1])
def test_a_label_that_is_neither_0_nor_1(predictor: SamPredictor, label: float) -> None:
    message = refused(predictor, point_coords=[[5, 5], [6, 6]], point_labels=[1, label])
    assert f"point_labels[1] is {label:g}" in message


def test_in_batches_minus_one_is_a_label_and_2_is_not(predictor: SamPredictor) -> None:
    coords = np.zeros((2, 2, 2))
    masks, _, _ = predictor.predict(coords, np.array([[1, -1], [0, 1]]))
    assert masks.shape == (2, 3, 180, 240)
    message = refused(predictor, point_coords=coords, point_labels=[[1, -1], [0, 2]])
    assert "point_labels[1][1] is 2" in message
    assert "-1 (no point)" in message


def test_a_row_of_nothing_but_padding(predictor: SamPredictor) -> None:
    message = refused(predictor, point_coords=np.zeros((2, 1, 2)), point_labels=[[1], [-1]])
    assert "point_labels[1] is -1 throughout" in message


@pytest.mark.parametrize(
    ("shape", "shown"),
    [((3,), "(3,)"), ((2, 3), "(2, 3)"), ((1, 1, 2, 2), "(1, 1, 2, 2)"), ((), "()")],
)
def test_points_of_the_wrong_shape(
    predictor: SamPredictor, shape: tuple[int, ...], shown: str
) -> None:
    message = refused(predictor, point_coords=np.ones(shape), point_labels=[1])
    assert f"point_coords has the shape {shown}" in message


@pytest.mark.parametrize("shape", [(0, 2), (3, 0, 2), (0, 3, 2)])
def test_no_points(predictor: SamPredictor, shape: tuple[int, ...]) -> None:
    message = refused(predictor, point_coords=np.zeros(shape), point_labels=np.zeros(shape[:-1]))
    assert f"point_coords is empty (shape {shape})" in message


def test_an_empty_list_of_points(predictor: SamPredictor) -> None:
    assert "point_coords has the shape (0,)" in refused(predictor, point_coords=[], point_labels=[])


def test_points_without_labels_and_labels_without_points(predictor: SamPredictor) -> None:
    assert "point_labels is missing" in refused(predictor, point_coords=[[1, 2]])
    assert "without point_coords" in refused(predictor, point_labels=[1])


@pytest.mark.parametrize("labels", [[1], [1, 1, 0], [[1, 1]], 1])
def test_labels_of_another_number_than_points(predictor: SamPredictor, labels: Any) -> None:
    message = refused(predictor, point_coords=[[1, 2], [3, 4]], point_labels=labels)
    assert f"point_labels has the shape {np.shape(labels)}" in message


def test_point_sets_of_unequal_length(predictor: SamPredictor) -> None:
    message = refused(predictor, point_coords=[[[1, 2]], [[1, 2], [3, 4]]], point_labels=[[1]])
    assert "point_coords cannot be read as an array of numbers" in message


def test_text_as_a_point(predictor: SamPredictor) -> None:
    assert "point_coords cannot be read" in refused(
        predictor, point_coords=[["left", "top"]], point_labels=[1]
    )


@pytest.mark.parametrize("box", [(50, 10, 20, 40), (10, 40, 50, 20)])
def test_a_box_that_ends_before_it_begins(predictor: SamPredictor, box: tuple[int, ...]) -> None:
    message = refused(predictor, box=box)
    assert f"box = ({', '.join(map(str, box))}) ends before it begins" in message


@pytest.mark.parametrize("box", [(-9, 0, -1, 9), (0, 181, 9, 200), (300, 1, 310, 9)])
def test_a_box_wholly_outside_the_image(predictor: SamPredictor, box: tuple[int, ...]) -> None:
    message = refused(predictor, box=box)
    assert f"box = ({', '.join(map(str, box))}) lies outside the image" in message


def test_the_box_of_the_whole_image_is_inside(predictor: SamPredictor) -> None:
    masks, iou, _ = predictor.predict(box=[0, 0, 240, 180])
    assert masks.shape == (3, 180, 240)
    assert np.isfinite(iou).all()


def test_of_many_boxes_the_bad_one_is_named(predictor: SamPredictor) -> None:
    boxes = np.array([[0, 0, 9, 9], [5, 5, np.nan, 9], [9, 9, 1, 1]])
    assert "box[1] = (5, 5, nan, 9) is not a box" in refused(predictor, box=boxes)


@pytest.mark.parametrize("shape", [(3,), (5,), (2, 5), (0, 4), (0,), (1, 1, 4), ()])
def test_boxes_of_the_wrong_shape(predictor: SamPredictor, shape: tuple[int, ...]) -> None:
    assert f"box has the shape {shape}" in refused(predictor, box=np.ones(shape))


@pytest.mark.parametrize(
    "shape", [(64, 64), (1, 256, 256), (1, 180, 240), (2, 64, 64), (0, 1, 64, 64), (1, 3, 64, 64)]
)
def test_a_mask_input_of_the_wrong_size(predictor: SamPredictor, shape: tuple[int, ...]) -> None:
    message = refused(predictor, **POINT, mask_input=np.zeros(shape))
    assert f"mask_input has the shape {shape}" in message
    assert "1×64×64" in message


def test_a_mask_input_that_is_not_finite(predictor: SamPredictor) -> None:
    mask = np.zeros((1, 64, 64))
    mask[0, 3, 3] = np.nan
    assert "mask_input has NaN" in refused(predictor, **POINT, mask_input=mask)


def test_prompts_of_unequal_number(predictor: SamPredictor) -> None:
    boxes = np.array([[0, 0, 9, 9]] * 3)
    assert "2 in point_coords, 3 in box" in refused(
        predictor, point_coords=np.zeros((2, 1, 2)), point_labels=np.ones((2, 1)), box=boxes
    )
    assert "1 in point_coords, 3 in box" in refused(predictor, **POINT, box=boxes)


def test_predicting_before_an_image_is_set(small_reference_sam: Sam) -> None:
    predictor = SamPredictor(small_reference_sam)
    assert "call set_image(image) first" in refused(predictor, **POINT)
    with pytest.raises(PromptError, match="set_image"):
        predictor.get_image_embedding()
    with pytest.raises(PromptError, match="set_image"):
        predictor.predict_torch(None, None, torch.ones(1, 4))


@pytest.mark.parametrize("index", [-1, 1, 7])
def test_selecting_an_image_that_is_not_there(predictor: SamPredictor, index: int) -> None:
    with pytest.raises(PromptError, match=f"no image {index} to select: 1 are set"):
        predictor.select(index)


@pytest.mark.parametrize(
    ("prompt", "part"),
    [
        ({"point_coords": torch.zeros(2, 1, 2)}, "give both"),
        ({"point_labels": torch.zeros(2, 1)}, "give both"),
        (
            {"point_coords": torch.zeros(2, 2), "point_labels": torch.zeros(2)},
            r"point_coords has the shape \(2, 2\); give N×P×2",
        ),
        (
            {"point_coords": torch.zeros(2, 3, 2), "point_labels": torch.zeros(2, 2)},
            r"point_labels has the shape \(2, 2\)",
        ),
        ({"boxes": torch.zeros(2, 5)}, r"boxes has the shape \(2, 5\); give N×4"),
        ({"boxes": torch.zeros(0, 4)}, r"boxes has the shape \(0, 4\)"),
        ({"mask_input": torch.zeros(1, 64, 64)}, "give N×1×64×64"),
        (
            {"boxes": torch.zeros(2, 4), "mask_input": torch.zeros(3, 1, 64, 64)},
            "2 in boxes, 3 in mask_input",
        ),
    ],
)
def test_tensors_whose_shapes_do_not_fit(
    predictor: SamPredictor, prompt: dict[str, torch.Tensor], part: str
) -> None:
    with pytest.raises(PromptError, match=part):
        predictor.predict_torch(**{"point_coords": None, "point_labels": None, **prompt})


def test_the_model_itself_takes_no_points_without_labels(small_reference_sam: Sam) -> None:
    record = {"image": torch.zeros(3, 192, 256), "original_size": (180, 240)}
    for name, tensor in (("point_coords", torch.ones(1, 1, 2)), ("point_labels", torch.ones(1, 1))):
        with pytest.raises(PromptError, match="give both"):
            small_reference_sam([{**record, name: tensor}], multimask_output=True)


def test_a_refused_prompt_leaves_the_image_set(predictor: SamPredictor) -> None:
    before = predictor.predict(**POINT)
    refused(predictor, box=[9, 9, 1, 1])
    for found, expected in zip(predictor.predict(**POINT), before, strict=True):
        np.testing.assert_array_equal(found, expected)
