"""A cache is complete and matches the request, or it is built again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from anymask.errors import ImageError, OutputError
from recipes.small.bank import draw_bank
from recipes.small.cache import CacheWriter, ImageCache, build_cache, find_sources
from tests.recipes.disk_sets import write_disks, write_mask


def _build(data: Path, folder: Path) -> ImageCache:
    return build_cache(find_sources([data]), folder)


def test_after_a_failed_rebuild_the_old_data_are_cached_again(tmp_path: Path) -> None:
    good, bad = write_disks(tmp_path / "good", 5), write_disks(tmp_path / "bad", 2)
    write_mask(bad / "masks" / "1.png", np.ones((20, 20), np.uint8))
    before = np.array(_build(good, tmp_path / "cache").images)
    with pytest.raises(ImageError, match=r"bad/masks/1\.png is 20×20 .*images/1\.png is 120×90"):
        _build(bad, tmp_path / "cache")
    assert np.array_equal(_build(good, tmp_path / "cache").images, before)


def test_an_interrupted_rebuild_of_equal_size_is_not_mistaken_for_the_old_cache(
    tmp_path: Path,
) -> None:
    data = write_disks(tmp_path / "data", 3)
    _build(data, tmp_path / "cache")
    CacheWriter(tmp_path / "cache", 3)  # as if killed before the first image
    assert _build(data, tmp_path / "cache").images.any()


@pytest.mark.parametrize("damage", ["images.bin", "labels.bin", "index.json"])
def test_a_damaged_cache_is_built_again_and_not_opened(tmp_path: Path, damage: str) -> None:
    data, folder = write_disks(tmp_path / "data", 3), tmp_path / "cache"
    before = np.array(_build(data, folder).labels)
    path = folder / damage
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ImageError, match=r"contains no complete cache .* delete the folder"):
        ImageCache(folder)
    assert np.array_equal(_build(data, folder).labels, before)


def test_a_corrected_mask_updates_the_cache(tmp_path: Path) -> None:
    data = write_disks(tmp_path / "data", 3)
    _build(data, tmp_path / "cache")
    corrected = np.full((90, 120), 7, np.uint8)
    write_mask(data / "masks" / "1.png", corrected)
    cache = _build(data, tmp_path / "cache")
    assert np.array_equal(cache.labels[1, :90, :120], corrected)


def test_a_different_number_or_seed_draws_new_scenes(tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    first = np.array(draw_bank(folder, 1, None).images)
    written = (folder / "images.bin").stat().st_mtime_ns
    draw_bank(folder, 1, None)
    assert (folder / "images.bin").stat().st_mtime_ns == written
    more = draw_bank(folder, 2, None)
    assert len(more) == 2
    assert np.array_equal(more.images[:1], first)
    assert not np.array_equal(draw_bank(folder, 1, None, seed=1).images, first)


def test_different_photographs_draw_new_scenes(tmp_path: Path) -> None:
    for name, folder in (("a", tmp_path / "a"), ("b", tmp_path / "b")):
        _build(write_disks(folder, 2), tmp_path / f"cache_{name}")
    keys = [
        draw_bank(tmp_path / "drawn", 1, tmp_path / f"cache_{name}").key
        for name in ("a", "b", "a", "a")
    ]
    assert keys[0] != keys[1]
    assert keys[0] == keys[2] == keys[3]


def test_ids_above_sixteen_bits_stay_distinct(tmp_path: Path) -> None:
    data = write_disks(tmp_path / "data", 1, mask_suffix=".tif")
    labels = np.zeros((90, 120), np.int32)
    labels[:30], labels[60:] = 65536, 131072
    tifffile.imwrite(data / "masks" / "0.tif", labels)
    cached = _build(data, tmp_path / "cache").labels[0, :90, :120]
    assert [set(np.unique(part)) for part in (cached[:30], cached[30:60], cached[60:])] == [
        {1},
        {0},
        {2},
    ]


def test_large_images_and_their_masks_are_reduced_by_the_same_factor(tmp_path: Path) -> None:
    data = write_disks(tmp_path / "data", 1)
    labels = np.zeros((900, 1200), np.uint16)
    labels[300:600, 400:800] = 300
    Image.fromarray(np.where(labels, 200, 0).astype(np.uint8)).save(data / "images" / "0.png")
    write_mask(data / "masks" / "0.png", labels)
    cache = _build(data, tmp_path / "cache")
    assert cache.sizes.tolist() == [[384, 512]]
    bright = cache.images[0, :384, :512, 0] > 100
    assert np.mean(bright == (cache.labels[0, :384, :512] == 300)) > 0.99


def test_a_colour_image_is_not_a_label_image(tmp_path: Path) -> None:
    data = write_disks(tmp_path / "data", 2)
    colours = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    write_mask(data / "masks" / "0.png", colours)
    with pytest.raises(ImageError, match=r"masks/0\.png .* one channel"):
        _build(data, tmp_path / "cache")


@pytest.mark.parametrize("part", ["images", "masks"])
def test_the_error_names_a_damaged_image(tmp_path: Path, part: str) -> None:
    data = write_disks(tmp_path / "data", 2)
    path = data / part / "1.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ImageError, match=rf"{part}/1\.png"):
        _build(data, tmp_path / "cache")


def test_masks_without_any_label_raise_an_error(tmp_path: Path) -> None:
    data = write_disks(tmp_path / "data", 2)
    for i in range(2):
        write_mask(data / "masks" / f"{i}.png", np.zeros((90, 120), np.uint8))
    with pytest.raises(
        ImageError, match=r"None of the masks of the 2 training images labels anything"
    ):
        _build(data, tmp_path / "cache")


def test_caches_without_a_key_can_still_be_opened(tmp_path: Path) -> None:
    _build(write_disks(tmp_path / "data", 2), tmp_path / "cache")
    path = tmp_path / "cache" / "index.json"
    index = json.loads(path.read_text())
    del index["key"]
    path.write_text(json.dumps(index))
    assert len(ImageCache(tmp_path / "cache")) == 2


@pytest.mark.parametrize("limit", [1_000_000, 2_500_000])
def test_too_little_disk_space_is_reported_before_anything_is_read(
    tmp_path: Path, limit: int
) -> None:
    resource = pytest.importorskip("resource", reason="limits of file sizes need Unix")
    # Labels alone would fit into the larger limit.
    sources = find_sources([write_disks(tmp_path / "data", 4)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OutputError, match=r"need 0\.01 GB in .*cache.* free some space"):
            build_cache(sources, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((tmp_path / "cache").iterdir())
    assert len(build_cache(sources, tmp_path / "cache")) == 4
