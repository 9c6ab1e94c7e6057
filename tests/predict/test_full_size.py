"""Masks at the size of the image are the enlarged logits above the model's threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anymask.predict.full_size import full_size_masks


@pytest.mark.parametrize("threshold", [0.0, 1.5, -0.7])
def test_masks_are_the_pixels_whose_enlarged_logit_is_above_the_models_threshold(
    small_reference_sam, monkeypatch, threshold
):
    monkeypatch.setattr(small_reference_sam, "mask_threshold", threshold)
    side, encoder = small_reference_sam.config.low_res_size, small_reference_sam.config.image_size
    coarse = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * 3
    low_res = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    sizes = (encoder * 3 // 4, encoder), (90, 120)
    masks = full_size_masks(small_reference_sam, low_res, *sizes, return_logits=False)
    logits = full_size_masks(small_reference_sam, low_res, *sizes, return_logits=True)
    assert masks.shape == logits.shape == (2, 3, 90, 120)
    clear = np.abs(logits.numpy() - threshold) > 1e-4
    np.testing.assert_array_equal(masks.numpy()[clear], (logits.numpy() > threshold)[clear])
    assert 0.01 < masks.float().mean() < 0.99
