"""Fine-tuning of a SAM 2: what trains, images stretched to a square, and what it can do after."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anymask.checkpoints import load
from anymask.tracking.tracker import SamTracker
from anymask.training.finetune.finetune_results import FineTuned
from anymask.training.finetune.loop import finetune
from anymask.training.finetune.training_images import describe
from tests.training.finetune.conftest import FAST, draw_example, tiny_sam

FROZEN = ("image_encoder.", "memory_", "no_", "maskmem_", "mask_downsample.", "obj_ptr_")
"""Beginnings of the names of what a fine-tuning of the decoder must leave alone."""
PROJECTIONS = ("mask_decoder.conv_s", "mask_decoder.pred_obj_score_head.")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> FineTuned:
    folder, examples = tmp_path_factory.mktemp("tuned"), [draw_example(s) for s in range(8)]
    return finetune(
        tiny_sam("hiera"), examples[:6], folder / "out", validation=examples[6:], device="cpu",
        dtype="float32", cache_dir=folder / "cache", **{**FAST, "epochs": 8},
    )  # fmt: skip


def test_prompt_encoder_and_decoder_train_and_the_rest_stays(tuned):
    before = tiny_sam("hiera").state_dict()
    for name, after in tuned.sam.state_dict().items():
        if name.startswith(FROZEN + PROJECTIONS):
            assert torch.equal(before[name], after), name
    for name in ("mask_decoder.mask_tokens.weight", "mask_decoder.obj_score_token.weight"):
        assert not torch.equal(before[name], tuned.sam.state_dict()[name]), name


def test_held_out_objects_are_found_better_than_before(tuned):
    scores = [row["val_score"] for row in tuned.history]
    assert tuned.history[0]["val_score"] < max(scores)


def test_it_still_follows_objects(tuned):
    frames = np.stack([draw_example(1).image] * 3)
    tracker = SamTracker(load(tuned.folder / "model.safetensors", device="cpu", dtype="float32"))
    tracker.start(frames)
    tracker.add(0, 1, box=np.array([4, 12, 28, 36]))
    assert [frame.frame for frame in tracker.propagate()] == [0, 1, 2]


def test_images_and_masks_are_stretched_to_the_square():
    example = draw_example(1)  # 48 rows of 64 pixels
    image, pixels = describe(example, 0, 96, stretches=True)
    assert pixels.shape == (96, 96, 3)
    assert image.scales(0) == (1.5, 2)
    assert image.scales(4) == (2, 1.5)
    share = image.mask(0, 0, 96).numpy().mean()
    assert share == pytest.approx(example.masks[0].mean(), abs=0.005)


def test_another_projection_of_the_finer_maps_is_another_encoding(tmp_path):
    from anymask.training.finetune.cache import encoder_hash

    sam = tiny_sam("hiera")
    before = encoder_hash(sam)
    with torch.no_grad():
        sam.mask_decoder.conv_s0.weight.mul_(2)
    assert encoder_hash(sam) != before
