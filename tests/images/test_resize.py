"""Resizing to the model's input, and coordinates along with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import ImageError
from anymask.images.resize import ResizeLongestSide

sides = st.integers(1, 30_000)


@pytest.mark.parametrize("name", ["scene", "tall"])
def test_resized_images_equal_the_published_ones_in_every_value(
    name: str, reference: Path, request: pytest.FixtureRequest
) -> None:
    expected = np.load(reference / "small" / "predictor.npz")[f"{name}/input"]
    resized = ResizeLongestSide(256).apply_image(request.getfixturevalue(name))
    assert resized.dtype == np.uint8
    np.testing.assert_array_equal(resized, expected)


def test_an_image_of_the_right_size_is_not_changed(scene: np.ndarray) -> None:
    np.testing.assert_array_equal(ResizeLongestSide(240).apply_image(scene), scene)


def test_channel_reversed_views_resize_like_their_copies(scene: np.ndarray) -> None:
    transform = ResizeLongestSide(100)
    reversed_view = scene[:, :, ::-1]
    np.testing.assert_array_equal(
        transform.apply_image(reversed_view), transform.apply_image(scene)[:, :, ::-1]
    )


@given(sides, sides, st.integers(16, 2048))
def test_the_longest_side_is_exact_and_the_other_keeps_proportion(
    height: int, width: int, target: int
) -> None:
    new = ResizeLongestSide.get_preprocess_shape(height, width, target)
    assert max(new) == target
    assert min(new) >= 1
    exact = np.array([height, width]) * target / max(height, width)
    assert np.all(np.abs(np.maximum(exact, 0.5) - new) <= 0.5 + 1e-9)


@given(
    sides,
    sides,
    st.integers(16, 2048),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5),
)
def test_coordinates_scale_into_the_resized_image_and_back(
    height: int, width: int, target: int, places: list[tuple[float, float]]
) -> None:
    transform = ResizeLongestSide(target)
    points = np.array(places) * (width, height)
    scaled = transform.apply_coords(points, (height, width))
    new_height, new_width = transform.get_preprocess_shape(height, width, target)
    assert np.all(scaled >= 0)
    assert np.all(scaled <= np.array([new_width, new_height]) * (1 + 1e-12))
    back = scaled * (width, height) / (new_width, new_height)
    np.testing.assert_allclose(back, points, rtol=1e-9, atol=1e-9)


def test_boxes_scale_as_their_corners_do() -> None:
    transform = ResizeLongestSide(1024)
    boxes = np.array([[10, 20, 300, 400], [0, 0, 640, 480]])
    corners = transform.apply_coords(boxes.reshape(-1, 2, 2), (480, 640))
    np.testing.assert_array_equal(
        transform.apply_boxes(boxes, (480, 640)), [[16, 32, 480, 640], [0, 0, 1024, 768]]
    )
    np.testing.assert_array_equal(transform.apply_boxes(boxes, (480, 640)), corners.reshape(2, 4))


def test_scaling_leaves_the_given_array_alone() -> None:
    points = np.array([[3, 4]])
    ResizeLongestSide(1024).apply_coords(points, (10, 10))
    np.testing.assert_array_equal(points, [[3, 4]])


def test_tensors_scale_like_arrays() -> None:
    transform = ResizeLongestSide(1024)
    rng = np.random.default_rng(0)
    points, boxes = rng.uniform(0, 480, (4, 3, 2)), rng.integers(0, 480, (5, 4))
    size = (481, 1033)
    np.testing.assert_allclose(
        transform.apply_coords_torch(torch.tensor(points), size).numpy(),
        transform.apply_coords(points, size),
        rtol=1e-6,
    )
    scaled = transform.apply_boxes_torch(torch.tensor(boxes), size)
    assert scaled.dtype == torch.float32
    np.testing.assert_allclose(scaled.numpy(), transform.apply_boxes(boxes, size), rtol=1e-6)


def test_resizing_a_tensor_comes_within_rounding_of_resizing_the_image(
    scene: np.ndarray,
) -> None:
    transform = ResizeLongestSide(100)
    tensor = torch.from_numpy(scene.copy()).permute(2, 0, 1)[None].float()
    resized = transform.apply_image_torch(tensor)[0].permute(1, 2, 0).numpy()
    difference = np.abs(resized - transform.apply_image(scene))
    assert difference.max() < 1.5
    assert difference.mean() < 0.5


def test_no_side_of_a_long_thin_image_vanishes() -> None:
    image = np.full((20_000, 4, 3), 77, np.uint8)
    resized = ResizeLongestSide(1024).apply_image(image)
    np.testing.assert_array_equal(resized, np.full((1024, 1, 3), 77, np.uint8))


def test_anything_but_rgb_is_refused() -> None:
    with pytest.raises(ImageError, match=r"anymask\.to_rgb"):
        ResizeLongestSide(64).apply_image(np.zeros((5, 5), np.uint8))
