"""The other packages: built with any ViT architecture, with our weights."""

from __future__ import annotations

import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch

from anymask.checkpoints import load
from anymask.masks.nms import nms
from anymask.model.config import VARIANTS, EverythingConfig
from benchmarks.side_by_side import peers
from benchmarks.side_by_side.random_weights import write_random_weights
from benchmarks.side_by_side.replay import _in_both


def test_metas_model_with_our_weights_gives_our_embedding(small_reference_sam):
    theirs = peers.metas_sam(small_reference_sam.config, small_reference_sam.state_dict())
    pixels = torch.randn(1, 3, *(small_reference_sam.config.image_size,) * 2)
    with torch.no_grad():
        ours = small_reference_sam.encode_image(pixels).embedding
        torch.testing.assert_close(ours, theirs.image_encoder(pixels), rtol=1e-5, atol=1e-5)


def test_metas_generator_accepts_the_defaults_of_a_published_model(small_reference_sam):
    theirs = peers.metas_sam(small_reference_sam.config)
    generator = peers.metas_generator(theirs, asdict(EverythingConfig()))
    assert (generator.pred_iou_thresh, generator.box_nms_thresh) == (0.88, 0.7)


def test_the_replacement_of_torchvision_is_removed_after_the_import():
    peers.metas_package()
    assert "torchvision.ops.boxes" not in sys.modules or sys.modules["torchvision"].__file__


def test_the_replacement_suppresses_the_same_boxes_as_anymask():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 50, (200, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 40, (200, 2))], 1).astype(np.float32)
    scores = rng.permutation(200).astype(np.float32)
    kept = peers._batched_nms(
        torch.from_numpy(boxes), torch.from_numpy(scores), torch.zeros(200), 0.5
    )
    np.testing.assert_array_equal(kept.numpy(), nms(boxes, scores, 0.5))
    assert 20 < len(kept) < 180


def test_only_vits_have_peers():
    assert peers.has_peers(VARIANTS["vit_h"])
    assert not peers.has_peers(VARIANTS["vit_t"])
    assert not peers.has_peers(VARIANTS["small"])


def test_random_weights_are_the_same_in_every_call(small_reference_config, tmp_path):
    for name in ("one", "two"):
        write_random_weights(tmp_path / f"{name}.safetensors", small_reference_config)
    one, two = (load(tmp_path / f"{name}.safetensors", dtype="float32") for name in ("one", "two"))
    assert one.config == small_reference_config
    for key, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[key]), key


@pytest.mark.parametrize(("ours", "both"), [([[1, 2], [1, 2]], 1), ([[1, 2], [2, 1]], 2)])
def test_a_duplicate_mask_counts_as_often_as_in_the_other_list(ours, both):
    def records(masks):
        return [{"segmentation": {"size": [1, 3], "counts": counts}} for counts in masks]

    assert _in_both(records(ours), records([[2, 1], [1, 2]])) == both
