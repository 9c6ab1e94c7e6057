"""Small models of the other published implementation of SAM 2, with drawn weights."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import torch
from transformers import Sam2Config as TheirConfig
from transformers import (
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2PromptEncoderConfig,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam2VisionConfig,
)

SIDE = 128
"""Side of the input of small models; their windows of 14 and 7 tokens need padding."""

_WIDTH, _DIM = 24, 64


def small_parts(side: int = SIDE, memory_dim: int = _DIM) -> tuple[Any, Any, Any]:
    """Configurations of encoder, prompt encoder and decoder."""
    widths = [_WIDTH << i for i in range(4)]
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": _WIDTH,
        "image_size": [side, side],
        "blocks_per_stage": [1, 2, 3, 1],
        "embed_dim_per_stage": widths,
        "global_attention_blocks": [4],
    }
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=widths[::-1],
        backbone_feature_sizes=[[side // cell, side // cell] for cell in (4, 8, 16)],
        fpn_hidden_size=memory_dim,
    )
    prompt = Sam2PromptEncoderConfig(hidden_size=memory_dim, image_size=side)
    decoder = Sam2MaskDecoderConfig(hidden_size=memory_dim, mlp_dim=96, iou_head_hidden_dim=32)
    return vision, prompt, decoder


def small_image_model() -> Sam2Model:
    """A `Sam2Model` of single images."""
    model = Sam2Model(TheirConfig(*small_parts())).eval()
    draw(model)
    return model


def small_video_model() -> Sam2VideoModel:
    """A `Sam2VideoModel` with a memory."""
    vision, prompt, decoder = small_parts(memory_dim=256)
    config = Sam2VideoConfig(
        vision.to_dict(),
        prompt.to_dict(),
        decoder.to_dict(),
        image_size=SIDE,
        memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=96,
        memory_attention_rope_feat_sizes=[SIDE // 16, SIDE // 16],
    )
    model = Sam2VideoModel(config).eval()
    draw(model)
    return model


def draw(model: torch.nn.Module) -> None:
    """Give every tensor values of its own, drawn from its name and scaled by its inputs."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            inputs = tensor[0].numel() if tensor.ndim > 1 else 10
            values = rng.standard_normal(tuple(tensor.shape)) / inputs**0.5
            tensor.copy_(torch.from_numpy(values))
        for name, tensor in model.state_dict().items():
            if "norm" in name and name.endswith("weight"):
                tensor += 1
            if "positional_embedding" in name:
                tensor.copy_(model.state_dict()["shared_image_embedding.positional_embedding"])
