"""A deeper model can begin with the weights of a shallower one, and computes the same at first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anymask.checkpoints import load
from anymask.model.config import VARIANTS, SmallEncoderConfig
from anymask.model.sam import Sam
from anymask.training.pretrain.averaging import export_weights
from anymask.training.pretrain.growing import fits, grow_from
from anymask.training.pretrain.recipe import Recipe
from anymask.training.pretrain.run import pretrain
from tests.training.disk_sets import write_disks

DEEP = replace(
    VARIANTS["small"],
    image_encoder=SmallEncoderConfig((16, 16, 32, 32), (2, 3, 1, 2), num_heads=2),
    image_size=64,
    prompt_dim=32,
    decoder_mlp_dim=32,
    iou_head_hidden_dim=16,
)


def _of_depths(*depths: int) -> Sam:
    return Sam(replace(DEEP, image_encoder=replace(DEEP.image_encoder, depths=depths))).eval()


@pytest.mark.parametrize("depths", [(1, 1, 1, 1), (2, 3, 1, 1), (1, 3, 1, 2), (2, 3, 1, 2)])
def test_added_blocks_change_no_feature_and_can_learn(depths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    shallow, deep = _of_depths(*depths), Sam(DEEP).eval()
    assert fits(shallow.state_dict(), deep)
    grow_from(shallow.state_dict(), deep)
    image = torch.randn(2, 3, 64, 96)
    features = zip(shallow.image_encoder(image), deep.image_encoder(image), strict=True)
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in features)

    optimizer = torch.optim.SGD(deep.image_encoder.parameters(), lr=0.1)
    wanted = [torch.randn_like(f) for f in deep.image_encoder(image)]
    for _ in range(2):
        before = {k: v.clone() for k, v in deep.image_encoder.state_dict().items()}
        optimizer.zero_grad()
        found = deep.image_encoder(image)
        sum((f - w).square().mean() for f, w in zip(found, wanted, strict=True)).backward()
        optimizer.step()
    after = deep.image_encoder.state_dict()
    inner = [k for k in after if k.endswith(("conv1.weight", "qkv.weight", "lin1.weight"))]
    assert all(not torch.equal(before[k], after[k]) for k in inner)


def test_what_is_deeper_or_wider_or_not_whole_does_not_fit() -> None:
    deep = Sam(DEEP)
    assert not fits(_of_depths(3, 3, 1, 2).state_dict(), deep)
    wider = replace(DEEP.image_encoder, widths=(16, 24, 32, 32))
    assert not fits(Sam(replace(DEEP, image_encoder=wider)).state_dict(), deep)
    half_a_block = deep.state_dict()
    del half_a_block["image_encoder.stage2.2.conv2.weight"]
    assert not fits(half_a_block, deep)
    no_decoder = {k: v for k, v in deep.state_dict().items() if "mask_decoder" not in k}
    assert not fits(no_decoder, deep)


def test_a_training_begins_with_the_weights_of_a_shallower_model(tmp_path: Path) -> None:
    data = write_disks(tmp_path / "data" / "disks", 6)
    shipped = VARIANTS["small"]
    shallower = replace(shipped, image_encoder=replace(shipped.image_encoder, depths=(1, 1, 1, 1)))
    torch.manual_seed(0)
    before = Sam(shallower)
    export_weights(before, tmp_path / "shallow.safetensors", {})
    weights = pretrain(
        [data],
        tmp_path / "run",
        # With a warm-up this long, an update moves the weights by next to nothing.
        recipe=Recipe(side=64, batch_size=2, prompts=2, warmup_images=10**9),
        minutes=0.01,
        drawn=0,
        start_from=tmp_path / "shallow.safetensors",
        report=lambda _: None,
    )
    after = load(weights, dtype="float32")
    assert after.config.image_encoder == shipped.image_encoder
    grown = after.state_dict()
    for name, tensor in before.state_dict().items():
        assert torch.allclose(grown[name], tensor, atol=2e-3), name
