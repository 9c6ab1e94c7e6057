"""Drawn ultrasound images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from anymask.datasets.opening import open_dataset
from anymask.samples.ultrasound import draw_ultrasound, write_ultrasound


@pytest.mark.parametrize("seed", range(12))
def test_lesions_are_whole_and_darker_than_what_surrounds_them(seed):
    image, masks = draw_ultrasound(seed)
    assert image.dtype == np.uint8
    assert 1 <= len(masks) <= 2
    assert np.sum(masks, 0).max() == 1  # none on another
    for mask in masks:
        assert not mask[[0, -1]].any()
        assert not mask[:, [0, -1]].any()
        rows = mask.any(1)
        beside = ~np.logical_or.reduce(masks) & rows[:, None]
        assert image[mask].mean() < image[beside].mean() - 15
    # Speckle: neighbours along the beam differ much, as no smooth image's do.
    assert np.abs(np.diff(image.astype(int), axis=0)).mean() > 15


def test_a_seed_always_draws_the_same_and_another_another():
    first, again, other = (draw_ultrasound(seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_what_is_written_opens_as_a_data_set_with_all_lesions(tmp_path):
    folder = write_ultrasound(tmp_path / "new" / "us", count=6, seed=5)
    data = open_dataset(folder)
    assert len(data) == 6
    drawn = {f"benign ({i + 1})": draw_ultrasound(i + 5) for i in range(6)}
    assert {len(masks) for _, masks in drawn.values()} == {1, 2}
    for example in data:
        image, masks = drawn[example.name.removesuffix(".png")]
        np.testing.assert_array_equal(example.image[..., 0], image)
        areas = sorted(int(m.sum()) for m in example.masks)
        assert areas == sorted(int(m.sum()) for m in masks)
    assert Image.open(folder / "benign (1).png").mode == "L"
