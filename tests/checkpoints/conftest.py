"""Tiny models and their files, in the formats that people have."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anymask.model.config import SamConfig, ViTConfig
from anymask.model.sam import Sam

TINY = SamConfig(
    "custom",
    ViTConfig(width=24, depth=3, num_heads=3, global_attn_indexes=(2,), window_size=3),
    image_size=128,
    decoder_mlp_dim=64,
    iou_head_hidden_dim=48,
)


def draw(model: torch.nn.Module) -> None:
    """Give every tensor values of its own, drawn from its name."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            values = rng.standard_normal(tuple(tensor.shape)) / max(1, tensor.shape[-1]) ** 0.5
            tensor.copy_(torch.from_numpy(values))


@pytest.fixture(scope="session")
def tiny_config() -> SamConfig:
    """The geometry of `tiny_sam`."""
    return TINY


@pytest.fixture(scope="session")
def tiny_sam() -> Sam:
    """A SAM with the published decoder's width behind a tiny ViT."""
    sam = Sam(TINY).eval()
    draw(sam)
    return sam


@pytest.fixture
def state(tiny_sam: Sam) -> dict[str, torch.Tensor]:
    """The state of `tiny_sam` in Meta's layout."""
    return dict(tiny_sam.state_dict())


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Save anything as a .pth file."""

    def save(content: Any, name: str = "model.pth", **options: Any) -> Path:
        path = tmp_path / name
        torch.save(content, path, **options)
        return path

    return save


@torch.no_grad()
def outputs(sam: Sam) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks and IoU of a point and a box on noise."""
    size = sam.config.image_size
    noise = np.random.default_rng(5).standard_normal((1, 3, size, size)).astype(np.float32)
    return sam.decode(
        sam.encode_image(torch.from_numpy(noise)),
        point_coords=torch.tensor([[[0.6 * size, 0.3 * size]]]),
        point_labels=torch.tensor([[1]]),
        boxes=torch.tensor([[0.2, 0.1, 0.7, 0.8]]) * size,
        multimask_output=True,
    )


def assert_same_model(actual: Sam, expected: Sam) -> None:
    """Hold two models to the same geometry but for its name, weights and outputs."""
    assert actual.config.to_dict() | {"name": ""} == expected.config.to_dict() | {"name": ""}
    ours, theirs = actual.state_dict(), expected.state_dict()
    assert list(ours) == list(theirs)
    assert [n for n in ours if not torch.equal(ours[n], theirs[n])] == []
    for a, b in zip(outputs(actual), outputs(expected), strict=True):
        assert torch.equal(a, b)
