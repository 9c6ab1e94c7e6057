"""Any picture array to 8-bit RGB."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from anymask.errors import ImageError
from anymask.images.normalize import to_rgb


def test_8_bit_rgb_passes_as_the_same_object(scene: np.ndarray) -> None:
    assert to_rgb(scene) is scene


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1)])
def test_8_bit_grayscale_becomes_three_equal_channels(shape: tuple[int, ...]) -> None:
    gray = np.arange(20, dtype=np.uint8).reshape(shape)
    rgb = to_rgb(gray)
    assert rgb.shape == (4, 5, 3)
    for channel in range(3):
        np.testing.assert_array_equal(rgb[..., channel], gray.reshape(4, 5))


def test_alpha_is_dropped_and_colours_stay(scene: np.ndarray) -> None:
    rgba = np.dstack([scene, np.zeros(scene.shape[:2], np.uint8)])
    np.testing.assert_array_equal(to_rgb(rgba), scene)


def test_booleans_become_black_and_white() -> None:
    np.testing.assert_array_equal(to_rgb(np.array([[True, False]]))[..., 0], [[255, 0]])


def test_a_pillow_image_is_taken_as_its_array(scene: np.ndarray) -> None:
    np.testing.assert_array_equal(to_rgb(Image.fromarray(scene)), scene)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.int64, np.float32, np.float64])
def test_deep_images_are_stretched_to_the_full_range(dtype: type) -> None:
    image = np.linspace(100, 1124, 256 * 4).reshape(32, 32).astype(dtype)
    gray = to_rgb(image, percentiles=(0, 100))[..., 0]
    expected = (image.astype(float) - 100) / 1024 * 255
    assert gray.min() == 0
    assert gray.max() == 255
    assert np.abs(gray - expected).max() <= 0.51


def test_a_few_hot_pixels_do_not_darken_the_rest() -> None:
    image = np.tile(np.arange(0, 4000, 40, dtype=np.uint16), (100, 1))
    plain = to_rgb(image).astype(int)
    image[3, 4] = image[50, 60] = 65_535
    hot = to_rgb(image).astype(int)
    untouched = np.ones(image.shape, bool)
    untouched[3, 4] = untouched[50, 60] = False
    assert np.abs(hot - plain)[untouched].max() <= 4


def test_a_small_object_on_a_flat_ground_is_not_lost() -> None:
    image = np.zeros((100, 100), np.float32)
    image[50, 50] = 0.3
    gray = to_rgb(image)[..., 0]
    assert gray[50, 50] == 255
    assert gray.sum() == 255


def test_channels_are_stretched_together_so_that_hues_stay() -> None:
    image = np.zeros((10, 10, 3))
    image[..., 0] = np.linspace(0, 1, 100).reshape(10, 10)
    image[..., 1] = image[..., 0] / 2
    rgb = to_rgb(image, percentiles=(0, 100)).astype(float)
    assert np.abs(rgb[..., 0] / 2 - rgb[..., 1]).max() <= 0.75
    assert rgb[..., 2].max() == 0


def test_nan_and_infinities_become_black_and_leave_the_rest_alone() -> None:
    image = np.linspace(0, 1, 64).reshape(8, 8)
    clean = to_rgb(image, percentiles=(0, 100))
    holed = image.copy()
    holed[2, 3], holed[4, 4], holed[5, 5] = np.nan, np.inf, -np.inf
    rgb = to_rgb(holed, percentiles=(0, 100))
    holes = ~np.isfinite(holed)
    assert not rgb[holes].any()
    np.testing.assert_array_equal(rgb[~holes], clean[~holes])


def test_an_image_of_nan_alone_is_refused() -> None:
    with pytest.raises(ImageError, match="contains only NaN"):
        to_rgb(np.full((3, 3), np.nan))


@pytest.mark.parametrize("value", [0.0, 7.5])
def test_an_image_without_contrast_becomes_black(value: float) -> None:
    assert not to_rgb(np.full((3, 3), value)).any()


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.uint16, np.int64]),
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
    )
)
def test_whatever_the_values_brighter_never_becomes_darker(image: np.ndarray) -> None:
    assume(np.isfinite(image).any())
    with np.errstate(all="raise", under="ignore"):
        gray = to_rgb(image)[..., 0]
    assert gray.dtype == np.uint8
    finite = np.isfinite(image)
    order = np.argsort(image[finite], kind="stable")
    assert np.all(np.diff(gray[finite][order].astype(int)) >= 0)
    assert not gray[~finite].any()


@pytest.mark.parametrize(
    ("image", "part"),
    [
        (np.zeros((0, 0, 3)), "empty"),
        (np.zeros((3, 40, 50)), "moveaxis"),
        (np.zeros((40, 50, 2)), "40×50×2"),
        (np.zeros((40, 50, 7)), "40×50×7"),
        (np.zeros((2, 40, 50, 3)), r"image\[0\]"),
        (np.zeros(7), "7"),
        (np.float64(3), "a single float64 number"),
        (np.zeros((4, 5), complex), "complex128"),
        (np.array([["a", "b"]]), "<U1"),
        (np.array([[None]]), "object"),
        ([[1, 2], [3]], "cannot become a NumPy array"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence(image: object, part: str) -> None:
    with pytest.raises(ImageError, match=part) as caught:
        to_rgb(image)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("percentiles", [(50, 50), (60, 40), (-1, 99), (1, 101)])
def test_percentiles_that_do_not_rise_are_refused(percentiles: tuple[float, float]) -> None:
    with pytest.raises(ImageError, match="two increasing numbers"):
        to_rgb(np.zeros((2, 2)), percentiles=percentiles)
