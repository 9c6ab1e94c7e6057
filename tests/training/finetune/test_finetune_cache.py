"""Embeddings on disk: encoded once, never stale, and equal to computed ones."""

from __future__ import annotations

import pytest
import torch

from anymask.training.finetune import memory_need, setup
from anymask.training.finetune.cache import EmbeddingCache, embedding_bytes, encode, encoder_hash
from anymask.training.finetune.loop import finetune
from anymask.training.finetune.training_images import describe, turned
from tests.training.finetune.conftest import FAST, TINY, draw_example, tiny_sam


@pytest.fixture
def image():
    return describe(draw_example(1), 0, 64)


@pytest.fixture
def encoded(monkeypatch):
    """The views that were encoded, counted."""
    counted = []
    real = EmbeddingCache.encode

    def encode_and_count(self, image, pixels, view):
        counted.append((image.name, view))
        real(self, image, pixels, view)

    monkeypatch.setattr(EmbeddingCache, "encode", encode_and_count)
    return counted


def cache_for(folder, sam, pixels, dtype=torch.float32):
    return EmbeddingCache(folder, sam, dtype, lambda image: pixels)


@pytest.mark.parametrize("kind", ["small", "efficientnet_lite", "vit", "tiny_vit"])
@pytest.mark.parametrize("view", [0, 5])
def test_a_read_embedding_equals_that_of_the_encoder(tmp_path, image, kind, view):
    (image, pixels), sam = image, tiny_sam(kind)
    found = cache_for(tmp_path, sam, pixels).read([(image, view), (image, 0)])
    with torch.no_grad():
        made = encode([turned(pixels, view), pixels], sam, torch.float32)
    assert len(found.skips) == len(made.skips)
    for a, b in zip((found.embedding, *found.skips), (made.embedding, *made.skips), strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=1e-3)  # kept in float16


def test_a_later_run_reuses_embeddings(tmp_path, sam, examples, encoded):
    def tune(out, **options):
        finetune(
            sam, examples[:6], tmp_path / out, validation=examples[6:], device="cpu",
            dtype="float32", cache_dir=tmp_path / "cache",
            **{**FAST, "epochs": 1, "augment": 0, **options},
        )  # fmt: skip

    tune("a")
    assert len(encoded) == 8
    tune("b", lr=1e-4)
    assert len(encoded) == 8
    tune("c", augment=1)
    assert sorted(view for _, view in encoded[8:]) == [1] * 6  # held-out images are not turned


def test_the_announced_size_covers_all_views_to_encode(
    tmp_path, sam, examples, encoded, monkeypatch
):
    told = []

    def need_of(*arguments, **options):
        told.append(memory_need.need_of(*arguments, **options))
        return told[-1]

    monkeypatch.setattr(setup, "need_of", need_of)
    finetune(
        sam, examples[:6], tmp_path / "a", validation=examples[6:], device="cpu",
        dtype="float32", cache_dir=tmp_path / "cache", **{**FAST, "epochs": 1, "augment": 3},
    )  # fmt: skip
    assert told[0].disk == len(encoded) * embedding_bytes(sam) == 26 * embedding_bytes(sam)


def test_a_changed_image_or_encoder_is_encoded_again_but_not_a_changed_decoder(
    tmp_path, image, sam
):
    described, pixels = image
    here = cache_for(tmp_path, sam, pixels).path(described, 0)
    other, _ = describe(draw_example(2), 0, 64)
    assert cache_for(tmp_path, sam, pixels).path(other, 0) != here
    with torch.no_grad():
        sam.mask_decoder.iou_token.weight.add_(1)
    assert cache_for(tmp_path, sam, pixels).path(described, 0) == here
    with torch.no_grad():
        next(sam.image_encoder.parameters()).add_(1e-6)
    assert cache_for(tmp_path, sam, pixels).path(described, 0) != here


def test_the_dtype_is_part_of_the_folder(tmp_path, image, sam):
    described, pixels = image
    places = {
        cache_for(tmp_path, sam, pixels, d).path(described, 0)
        for d in (torch.float32, torch.bfloat16)
    }
    assert len(places) == 2


@pytest.mark.parametrize("content", [b"", b"damaged", None])
def test_a_damaged_or_missing_file_is_written_again(tmp_path, image, sam, content):
    described, pixels = image
    cache = cache_for(tmp_path, sam, pixels)
    whole = cache.read([(described, 0)])
    path = cache.path(described, 0)
    path.unlink() if content is None else path.write_bytes(content)
    assert torch.equal(cache.read([(described, 0)]).embedding, whole.embedding)


@pytest.mark.parametrize("kind", list(TINY))
def test_the_announced_size_is_that_of_the_files(tmp_path, image, kind):
    (described, pixels), sam = image, tiny_sam(kind)
    cache = cache_for(tmp_path, sam, pixels)
    cache.read([(described, 0)])
    size = cache.path(described, 0).stat().st_size
    assert embedding_bytes(sam) <= size <= embedding_bytes(sam) + 1000


def test_nothing_is_cached_if_the_encoder_trains(tmp_path, sam, examples, encoded):
    finetune(
        sam, examples[:2], tmp_path / "out", validation=examples[6:7], device="cpu",
        dtype="float32", cache_dir=tmp_path / "cache", freeze=(), **{**FAST, "epochs": 1},
    )  # fmt: skip
    assert not encoded
    assert not (tmp_path / "cache").exists()


def test_the_hash_of_an_encoder_depends_on_its_numbers(sam):
    assert encoder_hash(sam) == encoder_hash(tiny_sam())
    assert encoder_hash(sam) != encoder_hash(tiny_sam("vit"))
