"""Low-rank updates: zero at first, few parameters, and fully merged at the end."""

from __future__ import annotations

import pytest
import torch

from anymask.checkpoints import load
from anymask.training.finetune.loop import finetune
from anymask.training.finetune.lora import add_low_rank, merge_low_rank
from tests.training.finetune.conftest import FAST, TINY, tiny_sam

KINDS = list(TINY)


def embedding(sam):
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    with torch.no_grad():
        return sam.encode_image(sam.preprocess(x)).embedding


def stir(sam):
    """Set the updates to values as after training."""
    generator = torch.Generator().manual_seed(1)
    for name, p in sam.named_parameters():
        if ".up." in name:
            p.data = 0.3 * torch.randn(p.shape, generator=generator)


@pytest.mark.parametrize("kind", KINDS)
def test_new_updates_do_not_change_the_model(kind):
    sam = tiny_sam(kind)
    before = embedding(sam)
    assert add_low_rank(sam, 2) > 0
    assert torch.equal(embedding(sam), before)


@pytest.mark.parametrize("kind", KINDS)
def test_merging_keeps_the_updated_model_exactly_under_the_old_names(kind):
    sam = tiny_sam(kind)
    names, before = list(sam.state_dict()), embedding(sam)
    add_low_rank(sam, 2)
    stir(sam)
    updated = embedding(sam)
    assert not torch.allclose(updated, before, atol=1e-3)
    merge_low_rank(sam)
    assert torch.equal(embedding(sam), updated)
    assert sorted(sam.state_dict()) == sorted(names)
    plain = tiny_sam(kind)
    plain.load_state_dict(sam.state_dict())
    assert torch.equal(embedding(plain), updated)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_changes_by_a_matrix_of_the_given_rank(kind):
    sam, plain = tiny_sam(kind), tiny_sam(kind)
    layers = add_low_rank(sam, 2)
    stir(sam)
    merge_low_rank(sam)
    old, changed = plain.state_dict(), 0
    for name, weight in sam.state_dict().items():
        difference = (weight - old[name]).flatten(1) if weight.ndim > 1 else weight - old[name]
        if difference.abs().max() > 1e-6:
            changed += 1
            parts = [difference]
            if "qkv" in name and kind != "tiny_vit":
                q, k, v = difference.chunk(3)
                assert k.abs().max() == 0  # keys stay
                parts = [q, v]
            for part in parts:
                assert torch.linalg.matrix_rank(part, atol=1e-4) == 2
    assert changed == layers


def test_gradients_reach_the_updates_and_not_the_weights():
    sam = tiny_sam("vit")
    sam.image_encoder.requires_grad_(False)
    add_low_rank(sam, 2)
    stir(sam)
    sam.encode_image(sam.preprocess(torch.rand(1, 3, 64, 64))).embedding.square().sum().backward()
    for name, p in sam.image_encoder.named_parameters():
        is_update = ".up." in name or name.endswith(".down")
        assert (p.grad is not None and p.grad.abs().max() > 0) == is_update, name


def test_updates_depend_on_the_seed():
    drawn = []
    for seed in (1, 1, 2):
        sam = tiny_sam()
        add_low_rank(sam, 2, seed)
        drawn.append(torch.cat([p.flatten() for n, p in sam.named_parameters() if "down" in n]))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_fine_tuning_with_updates_gives_an_ordinary_model(tmp_path, examples):
    tuned = finetune(
        tiny_sam("vit"), examples[:6], tmp_path / "out", validation=examples[6:], lora_rank=2,
        device="cpu", dtype="float32", cache_dir=tmp_path / "cache", **{**FAST, "lr": 3e-3},
    )  # fmt: skip
    loaded = load(tmp_path / "out/model.safetensors", device="cpu", dtype="float32")
    assert list(loaded.state_dict()) == list(tiny_sam("vit").state_dict())
    assert torch.equal(embedding(loaded), embedding(tuned.sam))
