"""Images that are not 8-bit RGB are refused; odd shapes of real ones are segmented."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.errors import ImageError
from anymask.images.normalize import to_rgb
from anymask.model.sam import Sam
from anymask.predict.predictor import SamPredictor


@pytest.fixture
def predictor(small_reference_sam: Sam) -> SamPredictor:
    return SamPredictor(small_reference_sam)


def refused(predictor: SamPredictor, image: Any, **options: Any) -> str:
    with pytest.raises(ImageError) as error:
        predictor.set_image(image, **options)
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


CONVERTIBLE = {
    "grayscale": np.zeros((20, 30), np.uint8),
    "one channel": np.zeros((20, 30, 1), np.uint8),
    "RGBA": np.zeros((20, 30, 4), np.uint8),
    "16-bit": np.zeros((20, 30, 3), np.uint16),
    "16-bit gray": np.zeros((20, 30), np.uint16),
    "float": np.zeros((20, 30, 3), np.float32),
    "float with NaN": np.where(np.arange(90).reshape(1, 30, 3) < 9, np.nan, np.ones((20, 30, 3))),
    "signed": np.zeros((20, 30, 3), np.int64),
    "boolean": np.zeros((20, 30), bool),
    "Pillow": Image.new("RGB", (30, 20)),
    "list": [[0, 1], [2, 3]],
    "tensor": torch.zeros(20, 30, 3),
}


@pytest.mark.parametrize("kind", CONVERTIBLE)
def test_what_can_be_converted_is_refused_with_the_name_of_the_conversion(
    kind: str, predictor: SamPredictor
) -> None:
    image = CONVERTIBLE[kind]
    assert "anymask.to_rgb(image)" in refused(predictor, image)
    predictor.set_image(to_rgb(image))
    assert predictor.predict(point_coords=[[1, 1]], point_labels=[1])[0].shape[0] == 3


@pytest.mark.parametrize("shape", [(20, 30, 2), (20, 30, 5), (3, 20, 30), (1, 20, 30, 3), (7,)])
def test_a_wrong_number_of_channels_or_axes_is_shown(
    shape: tuple[int, ...], predictor: SamPredictor
) -> None:
    message = refused(predictor, np.zeros(shape, np.uint8))
    assert f"uint8 of shape {'×'.join(map(str, shape))}" in message
    assert "anymask.to_rgb" in message


def test_dtype_and_shape_are_named(predictor: SamPredictor) -> None:
    assert "uint16 of shape 20×30×3" in refused(predictor, np.zeros((20, 30, 3), np.uint16))


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5, 3), (5, 0, 3), (0, 0), (4, 4, 0)])
def test_an_empty_image_is_called_empty(shape: tuple[int, ...], predictor: SamPredictor) -> None:
    assert f"empty (shape {shape})" in refused(predictor, np.zeros(shape, np.uint8))


@pytest.mark.parametrize("image", [None, "photo.png", 7])
def test_what_is_no_array_at_all_is_named_by_its_type(
    image: object, predictor: SamPredictor
) -> None:
    assert type(image).__name__ in refused(predictor, image)


@pytest.mark.parametrize("image_format", ["rgb", "GRB", "RGBA", ""])
def test_an_unknown_channel_order(
    image_format: str, predictor: SamPredictor, scene: np.ndarray
) -> None:
    assert repr(image_format) in refused(predictor, scene, image_format=image_format)


def test_of_several_images_the_bad_one_is_numbered(
    predictor: SamPredictor, scene: np.ndarray
) -> None:
    with pytest.raises(ImageError, match=r"Of 3 images, number 2: .*float64 of shape 4×4"):
        predictor.set_images([scene, scene, np.zeros((4, 4))])
    with pytest.raises(ImageError, match="no image to set"):
        predictor.set_images([])


def test_a_refused_image_leaves_the_one_before(predictor: SamPredictor, scene: np.ndarray) -> None:
    predictor.set_image(scene)
    before = predictor.get_image_embedding()
    refused(predictor, np.zeros((4, 4)))
    assert torch.equal(predictor.get_image_embedding(), before)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 2), (1, 500), (500, 1), (20_000, 16), (16, 20_000), (20_000, 4)]
)
def test_tiny_and_thin_images_have_masks_of_their_size(
    shape: tuple[int, int], predictor: SamPredictor
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    predictor.set_image(image)
    height, width = shape
    centre = [[(width - 1) / 2, (height - 1) / 2]]
    masks, iou, _ = predictor.predict(centre, [1], box=[0, 0, width, height])
    assert masks.shape == (3, height, width)
    assert np.isfinite(iou).all()
    logits, _, _ = predictor.predict(centre, [1], return_logits=True)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize(
    "shape", [(3, 192, 256), (2, 3, 192, 256), (1, 1, 192, 256), (1, 3, 192, 250), (1, 3, 0, 256)]
)
def test_a_tensor_that_is_not_resized_as_the_model_wants(
    shape: tuple[int, ...], predictor: SamPredictor
) -> None:
    with pytest.raises(ImageError, match="1×3×h×w with a longer side of 256"):
        predictor.set_torch_image(torch.zeros(shape), (180, 240))
