"""The EfficientNet-Lite encoder: any size in steps of 32, one image like many."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from anymask.model.config import SamConfig
from anymask.model.efficientnet_encoder import BiasedConv2d
from anymask.model.sam import Sam
from tests.recipes.tiny import TINY


@pytest.fixture
def sam() -> Sam:
    torch.manual_seed(0)
    return Sam(TINY).eval()


@pytest.mark.parametrize("size", [32, 96, 160])
@torch.inference_mode()
def test_it_takes_any_multiple_of_32(sam: Sam, size: int) -> None:
    embedding, eighth, quarter = sam.image_encoder(torch.rand(1, 3, size, size))
    assert embedding.shape == (1, 32, size // 16, size // 16)
    assert eighth.shape == (1, 8, size // 8, size // 8)
    assert quarter.shape == (1, 4, size // 4, size // 4)


@torch.inference_mode()
def test_an_image_is_encoded_the_same_alone_and_among_others(sam: Sam) -> None:
    images = torch.rand(3, 3, 64, 64)
    together = sam.image_encoder(images)
    alone = sam.image_encoder(images[1:2])
    for whole, one in zip(together, alone, strict=True):
        torch.testing.assert_close(whole[1:2], one, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_features_lie_where_the_image_is(sam: Sam) -> None:
    """With even filters a spot moves the features about its own place, at each resolution."""
    for conv in (m for m in sam.image_encoder.modules() if isinstance(m, BiasedConv2d)):
        if conv.kernel_size[0] > 1:
            torch.nn.init.constant_(conv.weight, 0.1)
    plain = torch.zeros(1, 3, 256, 256)
    spotted = plain.clone()
    spotted[:, :, 128:144, 160:176] = 3.0
    for i, stride in ((0, 4), (1, 8), (2, 16)):
        before, after = (sam.image_encoder.backbone(x)[i] for x in (plain, spotted))
        change = (after - before).abs().sum(1)[0]
        rows, cols = change.sum(1), change.sum(0)
        cells = torch.arange(len(rows)) * stride + (stride - 1) / 2
        centre = (rows @ cells / rows.sum()).item(), (cols @ cells / cols.sum()).item()
        assert centre == pytest.approx((135.5, 167.5), abs=0.35 * stride)


def test_its_geometry_survives_the_trip_through_a_file(sam: Sam) -> None:
    assert SamConfig.from_dict(TINY.to_dict()) == TINY
    assert SamConfig.from_dict(replace(TINY, image_size=96).to_dict()).image_size == 96
