"""`Sam2VideoModel` of `transformers` in a geometry of ours, with random weights."""

from __future__ import annotations

from typing import Any

import torch

from anymask.model.config import Sam2Config
from anymask.model.sam2.hiera_config import HieraConfig


def video_model(config: Sam2Config) -> Any:
    """Return their model for a geometry; it sees its object in every frame."""
    from transformers import Sam2VideoConfig, Sam2VideoModel, Sam2VisionConfig

    encoder, side = config.image_encoder, config.image_size
    assert isinstance(encoder, HieraConfig)
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": encoder.width,
        "num_attention_heads": encoder.num_heads,
        "image_size": [side, side],
        "blocks_per_stage": list(encoder.depths),
        "embed_dim_per_stage": list(encoder.widths),
        "num_attention_heads_per_stage": [encoder.num_heads << i for i in range(4)],
        "window_size_per_stage": list(encoder.window_sizes),
        "global_attention_blocks": list(encoder.global_attn_indexes),
        "window_positional_embedding_background_size": list(encoder.position_grid),
    }
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=list(encoder.widths[::-1]),
        backbone_feature_sizes=[[side // cell, side // cell] for cell in (4, 8, 16)],
    )
    theirs = Sam2VideoModel(
        Sam2VideoConfig(
            vision.to_dict(),
            {"image_size": side},
            image_size=side,
            memory_attention_rope_feat_sizes=[side // 16, side // 16],
        )
    ).eval()
    with torch.no_grad():
        theirs.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(5)
    return theirs
