"""Everything after the decoder is measured with the same logits in any thread."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.checkpoints import save
from benchmarks.side_by_side import peers, replay
from benchmarks.side_by_side.effort import RANDOM_THRESHOLDS


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_with_several_threads_the_masks_equal_metas_at_every_pixel(
    small_reference_sam, scene, tmp_path, four_threads
):
    save(small_reference_sam, tmp_path / "model.safetensors")
    Image.fromarray(np.ascontiguousarray(scene)).save(tmp_path / "picture.png")
    thresholds = {**RANDOM_THRESHOLDS, "stability_score_thresh": 0.3}
    result = replay.after(
        {
            "config": small_reference_sam.config.to_dict(),
            "picture": str(tmp_path / "picture.png"),
            "model": str(tmp_path / "model.safetensors"),
            "cpu_dtype": "float32",
            "settings": {
                "points_per_side": 9,
                **thresholds,
                "output_mode": "uncompressed_rle",
            },
            "repeats": 3,
            "peers": [peers.SEGMENT_ANYTHING],
        }
    )
    assert result["threads"] == 4
    assert result["masks"] == result["their_masks"] == result["identical"] > 10
