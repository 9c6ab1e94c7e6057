"""The full ViT-B geometry agrees with the other published implementation, at a small input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import SamConfig as TheirConfig
from transformers import SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from anymask.checkpoints import load
from tests.checkpoints.conftest import draw
from tests.conftest import relative_l2

SIDE = 320  # 20 tokens a side: windows of 14 need padding


@pytest.mark.slow
def test_a_hugging_face_vit_b_gives_hugging_faces_embedding_masks_and_scores(
    tmp_path: Path,
) -> None:
    decoder = SamMaskDecoderConfig(layer_norm_eps=1e-5).to_dict()
    vision = SamVisionConfig(image_size=SIDE).to_dict()
    prompt = SamPromptEncoderConfig(image_size=SIDE).to_dict()
    theirs = SamModel(TheirConfig(vision, prompt, decoder)).eval()
    draw(theirs)
    theirs.save_pretrained(tmp_path)
    ours = load(tmp_path, dtype="float32")
    assert ours.config.image_size == SIDE
    assert ours.config.name == "vit_b"

    noise = np.random.default_rng(1).standard_normal((1, 3, SIDE, SIDE))
    pixels = torch.from_numpy(noise).float()
    points, labels = [[70.0, 33.0], [250.0, 300.0]], [1, 0]
    with torch.no_grad():
        image = ours.encode_image(pixels)
        masks, iou = ours.decode(
            image, point_coords=torch.tensor([points]), point_labels=torch.tensor([labels])
        )
        expected = theirs(
            pixels, input_points=torch.tensor([[points]]), input_labels=torch.tensor([[labels]])
        )
        embedding = theirs.get_image_embeddings(pixels)
    assert relative_l2(image.embedding, embedding) < 1e-5
    assert relative_l2(masks, expected.pred_masks[:, 0]) < 1e-5
    assert relative_l2(iou, expected.iou_scores[:, 0]) < 1e-5
