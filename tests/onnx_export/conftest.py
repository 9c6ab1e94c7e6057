"""A small model of each kind, exported once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anymask.model.building import build_model
from anymask.model.config import (
    VARIANTS,
    EfficientNetLiteConfig,
    HieraConfig,
    MemoryConfig,
    Sam2Config,
    SamConfig,
    SmallEncoderConfig,
    TinyViTConfig,
    ViTConfig,
)
from anymask.model.sam import Sam
from anymask.onnx_export.export import Exported, export_onnx
from tests.conftest import draw_weights_by_rule

# Heads are as wide as those of the published decoders, so that the same steps are taken.
_PLAIN = SamConfig(
    "plain",
    ViTConfig(32, 2, 2, (1,), window_size=3),
    image_size=128,
    prompt_dim=64,
    decoder_heads=2,
    decoder_mlp_dim=64,
    iou_head_hidden_dim=32,
)
_OURS = replace(
    VARIANTS["small"],
    image_size=64,
    prompt_dim=64,
    decoder_heads=2,
    decoder_mlp_dim=64,
    iou_head_hidden_dim=32,
    image_encoder=EfficientNetLiteConfig(
        stem_width=8,
        widths=(8,) * 7,
        depths=(1,) * 7,
        attention_width=16,
        attention_depth=1,
        num_heads=2,
        neck_widths=(8, 8),
    ),
)
CONFIGS = {
    "vit": _PLAIN,
    "tiny_vit": replace(
        _PLAIN,
        image_encoder=TinyViTConfig((16, 16, 32, 32), (1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 5, 3)),
    ),
    "hiera": Sam2Config(
        "followed",
        HieraConfig(16, 1, (1, 1, 2, 1), (3,), (8, 4, 6, 3)),
        image_size=128,
        prompt_dim=64,
        decoder_heads=2,
        decoder_mlp_dim=64,
        iou_head_hidden_dim=32,
        memory=MemoryConfig(attention_depth=1, attention_mlp_dim=32),
    ),
    "small": _OURS,
    "small_0_1": replace(
        _OURS, image_encoder=SmallEncoderConfig((8, 16, 16, 18), (1, 1, 1, 1)), keep_clicked=False
    ),
}


def drawn(kind: str) -> Sam:
    """A model of a kind, with drawn weights."""
    torch.manual_seed(0)
    sam = build_model(CONFIGS[kind])
    draw_weights_by_rule(sam)
    return sam.eval()


@pytest.fixture(scope="session", params=list(CONFIGS))
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sam, Exported]:
    """A model of each kind, and what was exported of it."""
    sam = drawn(request.param)
    return sam, export_onnx(sam, tmp_path_factory.mktemp("onnx") / request.param)


@pytest.fixture(scope="session")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sam, Path]:
    """A model with everything that the shipped one has, and the folder of its export."""
    sam = drawn("small")
    return sam, export_onnx(sam, tmp_path_factory.mktemp("onnx") / "model").folder
