"""Going on where a file of a data set is bad."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from anymask.errors import ImageError
from anymask.evaluation.data import open_examples
from anymask.evaluation.readable import ReadableExamples


@pytest.fixture
def half_bad(tmp_path):
    """Four images with masks: one damaged, one whose mask is smaller."""
    labels = np.zeros((20, 30), np.uint8)
    labels[4:14, 5:15] = 1
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for name in "abcd":
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(labels).save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "images" / "b.png").write_bytes(b"no picture")
    Image.fromarray(labels[:, 1:]).save(tmp_path / "masks" / "d.png")
    return tmp_path


def test_bad_images_are_told_once_with_their_file_and_passed_over(half_bad):
    told = []
    examples = ReadableExamples(open_examples(half_bad), told.append)
    assert [e.name for e in examples] == ["a", "c"]
    assert [e.name for e in examples] == ["a", "c"]
    assert told == examples.unreadable
    damaged, small = told
    assert damaged.image == half_bad / "images" / "b.png"
    assert str(damaged.image) in damaged.reason
    assert "29×20 pixels and the image is 30×20" in small.reason
    assert str(half_bad / "images" / "d.png") in small.reason
    with pytest.raises(ImageError):
        examples[1]


def test_an_image_that_becomes_unreadable_later_is_left_out_from_then_on(half_bad):
    told = []
    examples = ReadableExamples(open_examples(half_bad), told.append)
    assert len(list(examples)) == 2
    (half_bad / "images" / "a.png").unlink()
    assert [e.name for e in examples] == ["c"]
    assert [bad.name for bad in examples.unreadable] == ["a", "b", "d"]
    assert [bad.name for bad in told] == ["b", "d", "a"]
