"""Parsing prompts from the command line."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from anymask.cli.prompts import (
    check_together,
    parse_box,
    parse_point,
    read_mask,
)
from anymask.errors import PromptError
from anymask.predict.mask_prompts import mask_logits


def test_a_point_is_on_the_object_unless_labelled_otherwise():
    assert parse_point("12,34") == (12.0, 34.0, 1)
    assert parse_point("12, 34.5, 0") == (12.0, 34.5, 0)


@pytest.mark.parametrize(
    "text", ["", "12", "12,", "12,34,2", "12,34,0.5", "1,2,3,4", "a,b", "12;34"]
)
def test_a_bad_point_is_quoted_with_an_example(text):
    with pytest.raises(PromptError, match="--point 120,80") as caught:
        parse_point(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1,2,3,x"])
def test_a_bad_box_is_quoted_with_an_example(text):
    with pytest.raises(PromptError, match="--box 10,20,110,90") as caught:
        parse_box(text)
    assert repr(text) in str(caught.value)


def test_without_a_prompt_the_message_points_to_everything():
    with pytest.raises(PromptError, match="anymask everything"):
        check_together([], [], None)


def test_several_boxes_with_points_are_refused(tmp_path):
    with pytest.raises(PromptError, match="2 boxes are 2 objects"):
        check_together([1], [1, 2], None)
    with pytest.raises(PromptError, match="2 boxes are 2 objects"):
        check_together([], [1, 2], tmp_path)
    check_together([1, 2], [1], tmp_path)
    check_together([], [1, 2], None)


@pytest.mark.parametrize("bright", [1, 255])
def test_a_mask_of_zeros_and_ones_or_255_is_read(tmp_path, bright):
    mask = np.zeros((20, 30), np.uint8)
    mask[5:10, 3:9] = bright
    Image.fromarray(mask).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", (20, 30)), mask > 0)


def test_a_jpeg_mask_is_thresholded_at_half_brightness(tmp_path):
    mask = np.zeros((32, 48), np.uint8)
    mask[8:24, 16:40] = 255
    Image.fromarray(mask).save(tmp_path / "mask.jpg", quality=60)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.jpg", (32, 48)), mask > 0)


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path):
    Image.fromarray(np.full((20, 30), 255, np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(PromptError, match="30×20 pixels and the image 31×20"):
        read_mask(tmp_path / "mask.png", (20, 31))


def test_a_black_mask_is_refused(tmp_path):
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(PromptError, match="all black"):
        read_mask(tmp_path / "mask.png", (20, 30))


def test_mask_logits_are_scaled_by_the_longer_side():
    mask = np.zeros((150, 200), bool)
    mask[:75, :100] = True
    logits = mask_logits(mask, 64)
    assert logits.shape == (1, 64, 64)
    expected = np.zeros((64, 64), bool)
    expected[:24, :32] = True
    np.testing.assert_array_equal(logits[0] > 0, expected)
    assert np.abs(logits).max() == pytest.approx(6.907, abs=1e-3)


def test_mask_logits_of_a_half_covered_cell_are_zero():
    mask = np.zeros((64, 64), bool)
    mask[:, :31] = True  # cell 15 of 32 is half covered
    logits = mask_logits(mask, 32)
    np.testing.assert_allclose(logits[0, :, 15], 0, atol=1e-5)
    assert (logits[0, :, :15] > 6).all()
    assert (logits[0, :, 16:] < -6).all()
