"""A small architecture of the shipped kind that trains in a second."""

from __future__ import annotations

from anymask.model.config import EfficientNetLiteConfig, SamConfig

TINY = SamConfig(
    "tiny",
    EfficientNetLiteConfig(
        stem_width=8,
        widths=(8, 8, 8, 16, 16, 16, 16),
        depths=(1, 1, 1, 1, 1, 2, 1),
        attention_width=16,
        attention_depth=1,
        num_heads=2,
        neck_widths=(16, 16),
    ),
    image_size=64,
    prompt_dim=32,
    decoder_heads=2,
    decoder_mlp_dim=32,
    iou_head_hidden_dim=16,
    use_skips=True,
    dense_prompts=True,
    iou_from_masks=True,
    box_margin=0.05,
)
