"""Whatever takes an image takes one as `anymask.read` returns it, with all that it knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from matplotlib.figure import Figure

import anymask
from anymask.images.image import Image
from anymask.images.normalize import to_rgb
from anymask.masks.choose import keep
from anymask.show import display_boxes_on_image, draw_prompts

LABELS = np.zeros((40, 50), np.uint8)
LABELS[5:15, 10:20] = 2
LABELS[20:24, 10:14] = 7


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Two 16-bit channels with names and a pixel size, as a microscope writes them."""
    values = np.stack([LABELS * np.uint16(100) + 1, np.full(LABELS.shape, 9, np.uint16)])
    tifffile.imwrite(
        tmp_path / "cells.ome.tif",
        values,
        metadata={
            "axes": "CYX",
            "PhysicalSizeX": 0.5,
            "PhysicalSizeY": 0.5,
            "Channel": {"Name": ["DAPI", "GFP"]},
        },
    )
    return anymask.read(tmp_path / "cells.ome.tif")


def test_measure_uses_pixel_size_unit_and_channel_names(image: Image) -> None:
    found = anymask.measure(LABELS, image)
    assert (found["area"].tolist(), found.units["area"]) == ([25.0, 4.0], "µm²")
    assert found["intensity_mean_DAPI"].tolist() == [201, 701]
    assert found["intensity_max_GFP"].tolist() == [9, 9]
    assert found["num_pixels"].tolist() == [100, 16]


def test_what_is_given_to_measure_overrides_the_image(image: Image) -> None:
    found = anymask.measure(LABELS, image, pixel_size=2, unit="mm", channel_names=["a", "b"])
    assert (found["area"].tolist(), found.units["area"]) == ([400.0, 64.0], "mm²")
    assert found["intensity_mean_a"].tolist() == [201, 701]


def test_conditions_use_the_unit_and_the_channels_of_the_image(image: Image) -> None:
    for condition in ("area > 10", "area_px > 90", "intensity_mean_DAPI < 500"):
        assert np.unique(keep(LABELS, condition, image=image)).tolist() == [0, 2]


def test_drawing_shows_an_image_as_to_rgb_does(image: Image) -> None:
    rgb = to_rgb(image)
    np.testing.assert_array_equal(anymask.overlay(image, LABELS), anymask.overlay(rgb, LABELS))
    drawn = draw_prompts(image, point_coords=[[3, 4]])
    np.testing.assert_array_equal(drawn, draw_prompts(rgb, point_coords=[[3, 4]]))
    axes = display_boxes_on_image(image, [[1, 1, 4, 4]], Figure().add_subplot())
    np.testing.assert_array_equal(axes.images[0].get_array(), rgb)


def test_models_see_an_image_as_to_rgb_shows_it(image: Image, small_reference_sam) -> None:
    rgb, predictor = to_rgb(image), anymask.SamPredictor(small_reference_sam)
    resized = predictor.transform.apply_image(image)
    np.testing.assert_array_equal(resized, predictor.transform.apply_image(rgb))
    predictor.set_image(rgb)
    expected = predictor.get_image_embedding()
    for image_format in ("RGB", "BGR"):  # the order in an array; an Image knows its own
        predictor.set_image(image, image_format)
        assert torch.equal(predictor.get_image_embedding(), expected)
    generator = anymask.SamAutomaticMaskGenerator(small_reference_sam, points_per_side=2)
    assert generator.generate_masks(image).image_size == LABELS.shape
