"""The exported decoder's contract gives the wheel's numbers."""

from __future__ import annotations

import importlib

import pytest
import torch

from anymask.compat.segment_anything.utils.onnx import SamOnnxModel
from tests.conftest import relative_l2

PROMPTS = {
    "a point": ([[60.0, 80.0], [0.0, 0.0]], [1.0, -1.0], 0.0),
    "three points": ([[60.0, 80.0], [100.0, 90.0], [9.0, 9.0], [0.0, 0.0]], [1, 1, 0, -1], 0.0),
    "a box": ([[40.0, 30.0], [150.0, 120.0]], [2.0, 3.0], 0.0),
    "a mask": ([[60.0, 80.0], [0.0, 0.0]], [1.0, -1.0], 1.0),
}


def asked(prompt):
    torch.manual_seed(2)
    coords, labels, has_mask = prompt
    return {
        "image_embeddings": torch.randn(1, 32, 16, 16),
        "point_coords": torch.tensor([coords]),
        "point_labels": torch.tensor([labels], dtype=torch.float32),
        "mask_input": torch.randn(1, 1, 64, 64),
        "has_mask_input": torch.tensor([has_mask]),
        "orig_im_size": torch.tensor([180.0, 240.0]),
    }


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize(
    "options",
    [(False,), (True,), (False, True), (True, False, True)],
    ids=["all", "one", "stability", "extra"],
)
def test_masks_and_scores_are_the_wheels(ours, theirs, metas_package, prompt, options):
    other = importlib.import_module("segment_anything.utils.onnx").SamOnnxModel
    found = SamOnnxModel(ours, *options)(**asked(prompt))
    expected = other(theirs, *options)(**asked(prompt))
    assert len(found) == len(expected)
    for mine, published in zip(found, expected, strict=True):
        assert mine.shape == published.shape
        assert torch.equal(mine.isnan(), published.isnan())  # the stability of an empty mask
        # Scores may be zero throughout, so nothing is divided by them.
        difference = (mine - published).double().nan_to_num().norm()
        assert difference <= 1e-5 * published.double().nan_to_num().norm()


@pytest.mark.filterwarnings(
    "ignore::torch.jit.TracerWarning", "ignore:.*jit.trace:DeprecationWarning"
)
def test_the_module_can_be_traced_for_any_number_of_points(ours):
    model = SamOnnxModel(ours, return_single_mask=True).eval()
    traced = torch.jit.trace(model, example_kwarg_inputs=asked(PROMPTS["a point"]), strict=False)
    for prompt in PROMPTS.values():
        given = asked(prompt)
        for mine, expected in zip(traced(**given), model(**given), strict=True):
            assert relative_l2(mine, expected) < 1e-5
