"""Drawn images and tiny models, for which fine-tuning takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from anymask.datasets.types import Example
from anymask.model.building import build_model
from anymask.model.config import (
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
from anymask.training.finetune.finetune_results import FineTuned
from anymask.training.finetune.loop import finetune


def draw_example(seed: int, objects: int = 2, classes: bool = False) -> Example:
    """A 64×48 noise image with separate bright discs; with classes, every other disc is green."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :64]
    image = rng.integers(0, 60, (48, 64, 3)).astype(np.uint8)
    masks: list[NDArray[np.bool_]] = []
    for number in range(objects):
        cx, cy = 16 + 32 * number + rng.integers(-4, 5), 24 + rng.integers(-8, 9)
        mask = (x - cx) ** 2 + (y - cy) ** 2 <= rng.integers(7, 12) ** 2
        image[mask] = (40, 220, 60) if classes and number % 2 else (230, 200, 190)
        masks.append(mask)
    ids = tuple(number % 2 for number in range(objects)) if classes else ()
    return Example(f"image{seed}", image, masks, "drawn", class_ids=ids)


@pytest.fixture
def examples() -> list[Example]:
    """Eight images with two objects each."""
    return [draw_example(seed) for seed in range(8)]


@pytest.fixture
def folder_of_examples(tmp_path: Path, examples) -> Path:
    """The same eight images as files, with label images."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for example in examples:
        labels = sum((i + 1) * m.astype(np.uint8) for i, m in enumerate(example.masks))
        Image.fromarray(example.image).save(tmp_path / "data/images" / f"{example.name}.png")
        Image.fromarray(labels).save(tmp_path / "data/masks" / f"{example.name}.png")
    return tmp_path / "data"


_DECODER = {
    "image_size": 64,
    "prompt_dim": 32,
    "decoder_heads": 2,
    "decoder_mlp_dim": 32,
    "iou_head_hidden_dim": 16,
}
TINY = {
    "vit": SamConfig("tiny_vit", ViTConfig(32, 2, 2, (1,), 2), **_DECODER),
    "tiny_vit": SamConfig(
        "tiny_tiny_vit", TinyViTConfig((16, 16, 32, 32), (1, 1, 1, 1), (1, 1, 2, 2)), **_DECODER
    ),
    "small": SamConfig(
        "tiny_small",
        SmallEncoderConfig((8, 16, 24, 32), (1, 1, 1, 1), 2),
        use_skips=True,
        dense_prompts=True,
        iou_from_masks=True,
        box_margin=0.05,
        **_DECODER,
    ),
    "efficientnet_lite": SamConfig(
        "tiny_efficientnet_lite",
        EfficientNetLiteConfig(
            8, (8, 8, 16, 16, 16, 32, 32), (1, 1, 1, 1, 1, 1, 1), 32, 1, 2, neck_widths=(16, 8)
        ),
        use_skips=True,
        dense_prompts=True,
        iou_from_masks=True,
        box_margin=0.05,
        **_DECODER,
    ),
    "hiera": Sam2Config(
        "tiny_hiera",
        HieraConfig(16, 1, (1, 1, 1, 1), (2,), (8, 4, 2, 2), (2, 2)),
        memory=MemoryConfig(channels=16, attention_depth=1, attention_mlp_dim=16, fuser_depth=1),
        **_DECODER,
    ),
}


def tiny_sam(kind: str = "small") -> Sam:
    """A model with random weights, the same at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        sam = build_model(TINY[kind])
        for name, p in sam.named_parameters():
            if "rel_pos" in name or "pos_embed" in name:
                torch.nn.init.normal_(p, std=0.02)
    return sam.eval()


@pytest.fixture
def sam() -> Sam:
    """A tiny model of the kind that 0.1 shipped, which learns from random weights in seconds."""
    return tiny_sam()


FAST = {"epochs": 2, "batch_size": 2, "objects_per_image": 1, "lr": 1e-3, "average": 0.5}
"""Options that make fine-tuning of a tiny model take about a second."""


@pytest.fixture(scope="session")
def of_classes() -> list[Example]:
    """Eight images with a disk of each of two classes."""
    return [draw_example(seed, classes=True) for seed in range(8)]


@pytest.fixture(scope="session")
def tuned_to_classes(of_classes, tmp_path_factory: pytest.TempPathFactory) -> FineTuned:
    """A model trained for the classes of six of them; copy its folder before you change it."""
    options = {**FAST, "semantic": True, "epochs": 25, "lr": 3e-3, "freeze": ()}
    return finetune(
        tiny_sam(), of_classes[:6], tmp_path_factory.mktemp("classes") / "out",
        validation=of_classes[6:], device="cpu", dtype="float32", **options,
    )  # fmt: skip
