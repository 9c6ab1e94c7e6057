"""What is computed for use, by the fastest way, is what is computed in training."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from anymask.checkpoints import load
from anymask.model.config import VARIANTS, ViTConfig
from anymask.model.pieces import cut
from anymask.model.sam import ImageEmbedding, Sam
from anymask.model.transformer import Attention
from tests.conftest import draw_weights_by_rule, relative_l2


@pytest.fixture(scope="module")
def shipped():
    return load(device="cpu", dtype="float32")


@pytest.fixture(params=["small_reference_sam", "shipped"])
def sam(request):
    return copy.deepcopy(request.getfixturevalue(request.param)).requires_grad_(True)


def answer(sam, embedding=None, images=2, prompts=3, **options):
    torch.manual_seed(0)
    size, count = sam.config.image_size, images * prompts
    if embedding is None:
        embedding = sam.encode_image(torch.randn(images, 3, size, size))
    return embedding, *sam.decode(
        embedding,
        point_coords=torch.rand(count, 2, 2) * size,
        point_labels=torch.tensor([[1, 0]]).expand(count, 2),
        boxes=torch.tensor([[0.1, 0.2, 0.8, 0.7]]).expand(count, 4) * size,
        **options,
    )


def test_masks_and_scores_are_the_same_with_and_without_gradients(sam):
    embedding, masks, scores = answer(sam)
    with torch.no_grad():
        embedding_in_use, masks_in_use, scores_in_use = answer(sam)
    pairs = (
        *zip(
            (embedding_in_use.embedding, *embedding_in_use.skips),
            (embedding.embedding, *embedding.skips),
            strict=True,
        ),
        (masks_in_use, masks),
        (scores_in_use, scores),
    )
    for in_use, in_training in pairs:
        # Products in use and in training may be of two libraries, which add up in another order.
        assert relative_l2(in_use, in_training.detach()) < 1e-4


def test_training_gives_a_gradient_to_every_parameter_of_what_was_asked(sam):
    embedding, masks, scores = answer(sam)
    _, single, single_score = answer(sam, embedding, multimask_output=False)
    (masks.mean() + scores.mean() + single.mean() + single_score.mean()).backward()
    without = {name for name, p in sam.named_parameters() if p.grad is None}
    # Nothing was asked with a mask, nor without a box.
    assert all("mask_downscaling" in name or "not_a_point" in name for name in without), without


def test_the_gradient_of_a_mask_is_its_slope(sam):
    # A step along the gradient changes the loss by the gradient's square times the step.
    sam = sam.double()
    torch.manual_seed(1)
    size = sam.config.embedding_size
    dim = sam.config.prompt_dim
    skips = (
        torch.randn(1, dim // 4, 2 * size, 2 * size),
        torch.randn(1, dim // 8, 4 * size, 4 * size),
    )
    image = ImageEmbedding(torch.randn(1, dim, size, size), skips if sam.config.use_skips else ())
    prompt = {
        "point_coords": torch.tensor([[[40.0, 60.0]], [[90.0, 20.0]]]),
        "point_labels": torch.ones(2, 1, dtype=torch.int64),
    }
    weights = torch.randn(2, 3, 4 * size, 4 * size).double()

    def loss():
        sparse, dense = sam.prompt_encoder(
            (prompt["point_coords"], prompt["point_labels"]), None, None
        )
        masks, _ = sam.mask_decoder(
            image.embedding.double(),
            sam.prompt_encoder.get_dense_pe(),
            sparse,
            dense,
            True,
            tuple(s.double() for s in image.skips),
        )
        return (masks * weights).mean()

    parameters = list(sam.mask_decoder.transformer.parameters())
    slopes = torch.autograd.grad(loss(), parameters, allow_unused=True)
    square = float(sum(s.square().sum() for s in slopes if s is not None))
    step = 1e-6 / square**0.5
    values = []
    with torch.no_grad():
        for sign in (1, -2):
            for p, s in zip(parameters, slopes, strict=True):
                if s is not None:
                    p += sign * step * s
            values.append(float(loss()))
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(square, rel=1e-4)


@pytest.mark.parametrize("few", [5, 20])  # less and more than the width of a head
@torch.no_grad()
def test_projecting_the_few_is_projecting_the_many(few):
    torch.manual_seed(0)
    attention = Attention(64, 4)
    for p in attention.parameters():
        p.normal_(std=0.2)
    few_tokens, few_values = torch.randn(2, 6, few, 64).unbind(0)
    many, placed = torch.randn(2, 2, 50, 64).unbind(0)
    read = attention.read(few_tokens, placed, many)
    assert relative_l2(read, attention(few_tokens, placed, many)) < 1e-5
    written = attention.write(placed, few_tokens, few_values, plus=many)
    expected = attention(placed, few_tokens, few_values) + many.repeat_interleave(3, 0)
    assert relative_l2(written, expected) < 1e-5


@pytest.mark.parametrize(
    ("prompts", "images", "most"), [(7, 1, 3), (12, 4, 5), (12, 4, 100), (6, 2, 1)]
)
def test_pieces_hold_every_prompt_once_beside_its_image(prompts, images, most):
    each = prompts // images
    seen = []
    for piece in cut(prompts, images, most):
        these = list(range(prompts)[piece.prompts])
        assert len(these) <= most
        assert [n // each for n in these][:: each if len(these) >= each else len(these)] == list(
            range(images)[piece.images]
        )
        seen += these
    assert seen == list(range(prompts))


@torch.no_grad()
def test_a_decoder_stays_in_float32_beside_an_encoder_in_bfloat16(small_reference_sam):
    mixed = copy.deepcopy(small_reference_sam)
    mixed.image_encoder.to(torch.bfloat16)
    assert mixed.dtype == torch.bfloat16
    embedding, masks, scores = answer(mixed)
    assert embedding.embedding.dtype == torch.bfloat16
    assert masks.dtype == scores.dtype == torch.float32
    whole = ImageEmbedding(embedding.embedding.float())
    _, expected, _ = answer(small_reference_sam)
    assert relative_l2(masks, expected) < 0.05
    coords, labels = torch.tensor([[[30.0, 40.0]]]), torch.ones(1, 1, dtype=torch.int64)
    mine, _ = mixed.decode(embedding.image(0), point_coords=coords, point_labels=labels)
    theirs, _ = small_reference_sam.decode(whole.image(0), point_coords=coords, point_labels=labels)
    assert torch.equal(mine, theirs)


@torch.no_grad()
def test_bfloat16_keeps_the_masks_of_a_published_geometry():
    # The embedding is drawn, so the encoder may be any.
    sam = Sam(replace(VARIANTS["vit_b"], image_encoder=ViTConfig(16, 1, 2, (0,)))).eval()
    draw_weights_by_rule(sam)
    torch.manual_seed(0)
    image = torch.randn(1, 256, 8, 8)
    image = torch.nn.functional.interpolate(image, (64, 64), mode="bicubic")
    prompt = {
        "point_coords": torch.tensor([[[300.0, 200.0]], [[700.0, 900.0]]]),
        "point_labels": torch.ones(2, 1, dtype=torch.int64),
    }
    expected, scores = sam.decode(ImageEmbedding(image), **prompt)
    masks, scores_in_half = sam.to(torch.bfloat16).decode(
        ImageEmbedding(image.bfloat16()), **prompt
    )
    same = ((masks > 0) == (expected > 0)).float().mean()
    assert same > 0.98
    assert relative_l2(scores_in_half, scores) < 0.05
