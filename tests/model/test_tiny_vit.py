"""TinyViT held to MobileSAM's own outputs, and to what its parts must do."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from anymask.model.config import VARIANTS, TinyViTConfig
from anymask.model.sam import Sam
from anymask.model.tiny_vit import TinyViT, TinyViTBlock, WindowAttention
from tests.conftest import draw_weights_by_rule, relative_l2


@pytest.fixture(scope="module")
def sam() -> Sam:
    """MobileSAM with the weights of the reference outputs."""
    model = Sam(VARIANTS["vit_t"]).eval()
    draw_weights_by_rule(model)
    return model


@pytest.fixture(scope="module")
def encoder(sam: Sam) -> TinyViT:
    assert isinstance(sam.image_encoder, TinyViT)
    return sam.image_encoder


@pytest.fixture(scope="module")
def published_shapes(reference: Path) -> dict[str, list[int]]:
    """Name and shape of every tensor in MobileSAM's file."""
    return json.loads((reference / "geometry" / "vit_t.keys.json").read_text())


def test_mobile_sams_file_loads_strictly_and_saves_back_unchanged(published_shapes):
    numbers = torch.Generator().manual_seed(0)
    published = {k: torch.randn(s, generator=numbers) for k, s in published_shapes.items()}
    sam = Sam(VARIANTS["vit_t"])
    sam.load_state_dict(published, strict=True)
    saved = sam.state_dict()
    assert saved.keys() == published.keys()
    for key, tensor in published.items():
        assert torch.equal(saved[key], tensor.to(saved[key].dtype)), key


def test_a_1024_image_gives_mobile_sams_embedding_masks_and_scores(sam, reference):
    wanted = np.load(reference / "geometry" / "vit_t.outputs.npz")
    x = np.random.default_rng(11).standard_normal((1, 3, 1024, 1024)).astype(np.float32)
    with torch.inference_mode():
        image = sam.encode_image(torch.from_numpy(x))
        low_res, iou = sam.decode(
            image,
            point_coords=torch.tensor([[[500.0, 375.0], [100.0, 900.0]]]),
            point_labels=torch.tensor([[1, 0]]),
            boxes=torch.tensor([[200.0, 150.0, 800.0, 700.0]]),
            multimask_output=True,
        )
    assert image.embedding.shape == (1, 256, 64, 64)
    assert relative_l2(image.embedding[0, ::8], wanted["embedding"]) <= 1e-5
    norm = float(image.embedding.double().norm())
    assert norm == pytest.approx(float(wanted["embedding_norm"]), rel=1e-5)
    assert relative_l2(low_res[0], wanted["low_res"]) <= 1e-5
    assert relative_l2(iou[0], wanted["iou"]) <= 1e-5


def test_the_unused_classifier_is_neither_counted_nor_trained(encoder, published_shapes):
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    names = (k for k in published_shapes if not k.endswith(statistics))
    names = (k.removeprefix("image_encoder.") for k in names if k.startswith("image_encoder."))
    parameters = dict(encoder.named_parameters())
    assert parameters.keys() == {k for k in names if not k.startswith(("head.", "norm_head."))}
    assert sum(p.numel() for p in parameters.values()) == 5_743_892


def test_the_classifier_has_no_say_in_the_embedding(encoder):
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    other = copy.deepcopy(encoder)
    for tensor in (*other.head.buffers(), *other.norm_head.buffers()):
        tensor.fill_(7.0)
    with torch.inference_mode():
        assert torch.equal(other(x), encoder(x))


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    model = TinyViT(TinyViTConfig(depths=(1, 1, 1, 1)), image_size=64, out_chans=32)
    x = torch.randn(2, 3, 64, 64)
    (model(x) * torch.randn(2, 32, 4, 4)).sum().backward()
    without = [
        name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert without == []


def test_the_images_of_a_batch_do_not_influence_each_other(encoder):
    x = torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together = encoder(x)
        alone = torch.cat([encoder(image[None]) for image in x])
    assert relative_l2(together, alone) <= 1e-5


def test_an_oblong_input_gives_the_embedding_of_its_shape(encoder):
    x = torch.randn(1, 3, 96, 160, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        wide = encoder(x)
        doubled = encoder(torch.cat([x, x]))
    assert wide.shape == (1, 256, 6, 10)
    assert relative_l2(doubled[1], wide[0]) <= 1e-5


def test_a_change_of_the_biases_shows_at_the_next_call_in_eval_mode(encoder):
    model = copy.deepcopy(encoder)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        before = model(x)
    with torch.no_grad():
        model.layers[1].blocks[0].attn.attention_biases += torch.linspace(-3, 3, 49)
    with torch.inference_mode():
        after = model(x)
    assert relative_l2(after, before) > 1e-4


def test_bfloat16_stays_near_float32(encoder):
    x = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(4))
    half = copy.deepcopy(encoder).to(torch.bfloat16)
    with torch.inference_mode():
        exact = encoder(x).numpy()
        rounded = half(x.to(torch.bfloat16))
    assert rounded.dtype == torch.bfloat16
    assert relative_l2(rounded.float(), exact) < 0.1


def attention_by_hand(attention: WindowAttention, x: torch.Tensor, size: int) -> torch.Tensor:
    """The published formula, one head and one pair of tokens at a time, in float64."""
    attention = copy.deepcopy(attention).double()
    tokens, width = x.shape
    head_width = width // attention.num_heads
    qkv = attention.qkv(attention.norm(x.double())).view(tokens, attention.num_heads, 3, head_width)
    out = torch.zeros(tokens, attention.num_heads, head_width, dtype=torch.float64)
    for head in range(attention.num_heads):
        q, k, v = qkv[:, head].unbind(1)
        logits = q @ k.T / head_width**0.5
        for i in range(tokens):
            for j in range(tokens):
                dy, dx = abs(i // size - j // size), abs(i % size - j % size)
                logits[i, j] += attention.attention_biases[head, dy * size + dx]
        out[:, head] = logits.softmax(-1) @ v
    return attention.proj(out.view(tokens, width))


def test_attention_adds_the_bias_of_each_absolute_offset():
    torch.manual_seed(5)
    size = 3
    attention = WindowAttention(width=8, num_heads=2, window_size=size)
    with torch.no_grad():
        attention.attention_biases.normal_()
        x = torch.randn(4, size * size, 8)
        got = attention(x)
        wanted = torch.stack([attention_by_hand(attention, window, size) for window in x])
    assert relative_l2(got, wanted) <= 1e-5


def test_tokens_of_different_windows_do_not_attend_to_each_other():
    torch.manual_seed(6)
    block = TinyViTBlock(width=8, num_heads=2, window_size=4, mlp_ratio=2.0).eval()
    x = torch.randn(1, 6, 9, 8)  # (B, H, W, C): windows 4×4, the last ones filled up with zeros
    changed = x.clone()
    changed[0, 1, 2, 0] += 3.0
    with torch.no_grad():
        moved = (block._attend_in_windows(changed) - block._attend_in_windows(x)).abs().sum(-1)[0]
    assert (moved[:4, :4] > 1e-6).all()
    moved[:4, :4] = 0
    assert (moved == 0).all()


@pytest.mark.parametrize(
    ("config", "image_size", "named"),
    [
        (TinyViTConfig(), 1000, "1000"),
        (TinyViTConfig(num_heads=(2, 3, 5, 10)), 64, "128"),
    ],
)
def test_an_impossible_geometry_is_refused_by_name(config, image_size, named):
    with pytest.raises(ValueError, match=named):
        TinyViT(config, image_size, out_chans=256)
