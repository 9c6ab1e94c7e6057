"""Cached images are returned unchanged, and views keep images and labels aligned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.errors import ImageError
from recipes.small import batches
from recipes.small.augment import random_views
from recipes.small.batches import BatchMaker
from recipes.small.cache import ImageCache, build_cache, find_sources, split

GREY = torch.full((3, 1, 1), 120.0)


def _write_set(folder: Path, name: str, count: int) -> Path:
    """Images with a red value of ten times the label, so that pixels show their label."""
    rng = np.random.default_rng(0)
    for sub in ("images", "masks"):
        (folder / name / sub).mkdir(parents=True)
    (folder / name / "set.json").write_text(json.dumps({"name": name}))
    for i in range(count):
        h, w = rng.integers(120, 300, 2)
        labels = np.zeros((h, w), np.uint16)
        labels[h // 4 : h // 2, w // 4 : w // 2] = 5
        labels[h // 2 : -h // 8, w // 3 : -w // 8] = 20
        image = np.full((h, w, 3), 40, np.uint8)
        image[..., 0] = labels * 10
        Image.fromarray(image).save(folder / name / "images" / f"{i:03d}.png")
        Image.fromarray(labels).save(folder / name / "masks" / f"{i:03d}.png")
    return folder / name


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    _write_set(tmp_path / "data", "wbc", 6)
    return build_cache(find_sources([tmp_path / "data"]), tmp_path / "cache")


def test_a_cache_returns_the_images_and_labels(tmp_path: Path, cache: ImageCache) -> None:
    for i, source in enumerate(find_sources([tmp_path / "data"])):
        h, w = cache.sizes[i]
        assert np.array_equal(cache.images[i, :h, :w], np.asarray(Image.open(source.image)))
        assert np.array_equal(cache.labels[i, :h, :w], np.asarray(Image.open(source.labels)))


def test_a_cache_is_built_once(tmp_path: Path, cache: ImageCache) -> None:
    written = (tmp_path / "cache" / "images.bin").stat().st_mtime_ns
    build_cache(find_sources([tmp_path / "data"]), tmp_path / "cache")
    assert (tmp_path / "cache" / "images.bin").stat().st_mtime_ns == written


def test_a_folder_without_sets_raises_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"contains no training set"):
        find_sources([tmp_path])


def test_sets_that_must_not_be_trained_on_are_validation_only(tmp_path: Path) -> None:
    _write_set(tmp_path, "crackforest", 3)
    _write_set(tmp_path, "wbc", 3)
    train, validation = split(find_sources([tmp_path]))
    assert {s.set_name for s in train} == {"wbc"}
    assert "crackforest" in {s.set_name for s in validation}


def _view_parts(cache: ImageCache, side: int) -> tuple[torch.Tensor, ...]:
    images = torch.from_numpy(np.array(cache.images))
    labels = torch.from_numpy(cache.labels.astype(np.int32))
    return images, labels, torch.from_numpy(cache.sizes)


def test_labels_stay_on_their_pixels_in_every_view(cache: ImageCache) -> None:
    generator = torch.Generator().manual_seed(3)
    agreements = []
    for _ in range(8):
        pixels, seen = random_views(*_view_parts(cache, 96), 96, GREY, generator)
        for image, ids in zip(pixels, seen, strict=True):
            # Photometric changes shift and scale colours, but the red channel still varies less
            # within one region than between regions.
            spread = [image[:, ids == k].var(1).sum() for k in (0, 5, 20) if (ids == k).sum() > 50]
            if len(spread) > 1:
                total = image[:, ids >= 0].var(1).sum()
                agreements.append(float(torch.stack(spread).mean() < 0.7 * total))
    assert len(agreements) > 20
    assert np.mean(agreements) > 0.8


def test_outside_the_image_there_is_padding_without_labels(cache: ImageCache) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels, seen = random_views(*_view_parts(cache, 96), 96, GREY, generator)
    beyond = seen == -1
    assert beyond.any()
    assert (pixels.permute(0, 2, 3, 1)[beyond] == 120).all()


def test_target_masks_are_regions_of_the_view(cache: ImageCache) -> None:
    maker = BatchMaker([(cache, 1.0)], 96, 4, 4, GREY, 0, torch.device("cpu"))
    asked_for_pasted = 0
    for _ in range(12):
        batch = maker.batch()
        assert batch.images.shape == (4, 3, 96, 96)
        assert batch.masks.shape == (4, 4, 96, 96)
        assert batch.masks.flatten(2).any(2).all()
        for ids, masks in zip(batch.labels, batch.masks, strict=True):
            for mask in masks:
                # One region, possibly a pasted one, or the union of all: a whole cell.
                inside = set(ids[mask].tolist())
                assert inside in ({5}, {20}, {21}, {22}, {23}, {5, 20})
                asked_for_pasted += bool(inside & {21, 22})
    assert asked_for_pasted


def test_the_same_seed_gives_the_same_batches(cache: ImageCache) -> None:
    first, second = (
        BatchMaker([(cache, 1.0)], 96, 4, 4, GREY, 7, torch.device("cpu")).batch() for _ in range(2)
    )
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.masks, second.masks)


def test_labels_that_no_view_can_show_raise_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_MOST_IN_VAIN", 60)  # to save time
    data = _write_set(tmp_path / "data", "specks", 2)
    for path in (data / "masks").iterdir():
        speck = np.zeros(Image.open(path).size[::-1], np.uint8)
        speck[0, 0] = 1
        Image.fromarray(speck).save(path)
    cache = build_cache(find_sources([data]), tmp_path / "cache")
    maker = BatchMaker([(cache, 1.0)], 64, 8, 2, GREY, 0, torch.device("cpu"))
    with pytest.raises(ImageError, match=r"None of 60 views shows a labelled region"):
        maker.batch()
