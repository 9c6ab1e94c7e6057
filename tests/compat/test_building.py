"""Models of the published names, with and without a checkpoint, and MobileSAM's encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anymask.checkpoints import load, save
from anymask.compat.mobile_sam import build_sam_vit_t
from anymask.compat.mobile_sam.modeling import TinyViT
from anymask.compat.segment_anything import sam_model_registry
from anymask.compat.segment_anything.build_sam import _build_sam
from anymask.compat.segment_anything.modeling import Sam
from anymask.compat.segment_anything.modeling.sam import joined
from anymask.errors import CheckpointError
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam as OwnSam


@pytest.fixture(scope="module")
def mobile(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "mobile_sam.pt"
    sam = OwnSam(VARIANTS["vit_t"])
    torch.save(sam.state_dict(), path)
    return path, sam


def test_a_checkpoint_is_loaded_as_by_anymask(mobile):
    path, sam = mobile
    loaded = build_sam_vit_t(checkpoint=str(path))
    assert isinstance(loaded, Sam)
    assert not loaded.training
    assert loaded.config.name == "vit_t"
    assert all(torch.equal(a, sam.state_dict()[n]) for n, a in loaded.state_dict().items())
    assert build_sam_vit_t().config == loaded.config


def test_a_checkpoint_of_another_model_is_refused(mobile):
    with pytest.raises(CheckpointError, match=r"mobile_sam\.pt"):
        sam_model_registry["vit_b"](checkpoint=mobile[0])


@pytest.mark.parametrize("kind", [CheckpointError, FileNotFoundError])
def test_a_missing_checkpoint_is_told_and_can_be_caught_as_from_metas_code(tmp_path, kind):
    with pytest.raises(kind, match=r"There is no .*nowhere\.pth"):
        sam_model_registry["vit_b"](checkpoint=str(tmp_path / "nowhere.pth"))


def test_models_of_own_dimensions_are_built():
    small = _build_sam(24, 2, 3, [1])
    encoder = small.image_encoder
    assert [block.window_size for block in encoder.blocks] == [14, 0]
    assert encoder.blocks[0].norm1.eps == 1e-6
    assert small.config.image_encoder.width == 24
    assert small.config.name == "custom"


def test_tiny_vit_has_the_published_parameters(mobile):
    encoder = TinyViT(
        img_size=1024,
        in_chans=3,
        num_classes=1000,
        embed_dims=[64, 128, 160, 320],
        depths=[2, 2, 6, 2],
        num_heads=[2, 4, 5, 10],
        window_sizes=[7, 7, 14, 7],
        mlp_ratio=4.0,
        drop_path_rate=0.0,
        layer_lr_decay=0.8,
    ).eval()
    own = mobile[1].image_encoder.eval()
    encoder.load_state_dict(own.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(encoder(x), own(x))
    with pytest.raises(ValueError, match="in_chans=3"):
        TinyViT(in_chans=4)


def test_a_model_can_be_saved_and_loaded_by_anymask(ours, tmp_path):
    made = Sam(ours.image_encoder, ours.prompt_encoder, ours.mask_decoder).eval()
    save(made, tmp_path / "own.safetensors")
    again = joined(load(tmp_path / "own.safetensors", device="cpu", dtype="float32"))
    records = [
        {
            "image": torch.rand(3, 256, 200) * 255,
            "original_size": (64, 50),
            "boxes": torch.tensor([[20.0, 20.0, 90.0, 100.0]]),
        }
    ]
    ours_found, found = (m(records, True)[0]["low_res_logits"].numpy() for m in (ours, again))
    assert np.array_equal(ours_found, found)


def test_an_encoder_of_another_program_is_taken(ours):
    class Own(torch.nn.Module):
        img_size = 256

        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 32, 16, 16)

        def forward(self, x):
            return self.conv(x)

    sam = Sam(Own(), ours.prompt_encoder, ours.mask_decoder)
    assert (sam.config.image_size, sam.config.embedding_size) == (256, 16)
    records = [{"image": torch.rand(3, 256, 256), "original_size": (30, 30)}]
    assert sam(records, False)[0]["masks"].shape == (1, 1, 30, 30)
