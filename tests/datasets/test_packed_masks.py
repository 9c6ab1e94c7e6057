"""Masks stored as run lengths and unpacked on access."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image

from anymask.datasets.label_files import joined_by_class
from anymask.datasets.opening import open_dataset
from anymask.datasets.packed_masks import PackedMasks
from anymask.datasets.types import Truth
from anymask.errors import AnymaskError, ImageError
from anymask.evaluation.records import targets_of
from anymask.masks.mask_set import MaskSet


@pytest.fixture
def labels():
    """A label image of blobs and specks, with scattered ids."""
    rng = np.random.default_rng(0)
    blocks = rng.choice([0, 0, 3, 9, 250, 70000], (6, 8)).astype(np.int32)
    image = np.kron(blocks, np.ones((5, 4), np.int32))
    image[rng.random(image.shape) < 0.1] = 3
    return image


def test_a_label_image_gives_one_mask_per_id(labels):
    masks = PackedMasks.of_labels(labels)
    expected = [labels == i for i in (3, 9, 250, 70000)]
    np.testing.assert_array_equal(masks, expected)
    assert masks.areas.tolist() == [mask.sum() for mask in expected]
    for packed, counts in zip(masks.counts, PackedMasks.of(expected).counts, strict=True):
        np.testing.assert_array_equal(packed, counts)


def test_masks_that_are_not_numbered_from_1_are_refused_as_elsewhere(labels):
    for wrong in (labels - 4, np.full((3, 4), 2**64 - 1, np.uint64)):
        with pytest.raises(AnymaskError, match="has the id"):
            PackedMasks.of_labels(wrong)
    np.testing.assert_array_equal(PackedMasks.of_labels(labels == 9), [labels == 9])
    assert len(PackedMasks.of_labels(np.zeros((3, 4), np.uint8))) == 0


def test_they_are_indexed_and_sliced_like_a_list(labels):
    masks, plain = PackedMasks.of_labels(labels), [labels == i for i in (3, 9, 250, 70000)]
    np.testing.assert_array_equal(masks[-1], plain[-1])
    np.testing.assert_array_equal(masks[::-2], plain[::-2])
    np.testing.assert_array_equal(masks.take([2, 0]), [plain[2], plain[0]])
    np.testing.assert_array_equal(list(masks), plain)
    with pytest.raises(IndexError):
        masks[4]
    changed = masks[0]
    changed[:] = False
    np.testing.assert_array_equal(masks[0], plain[0])


def test_a_mask_set_is_packed_unchanged_and_masks_join_in_order(labels):
    plain = [labels == i for i in (3, 9)]
    packed = PackedMasks.of(MaskSet.from_masks(np.stack(plain)))
    np.testing.assert_array_equal(packed, plain)
    np.testing.assert_array_equal(PackedMasks.joined([packed, packed[:1]]), [*plain, plain[0]])
    assert PackedMasks.of(packed) is packed


def test_overlapping_objects_of_one_class_are_joined(labels):
    a, b, c = labels == 3, labels != 0, labels == 9
    joined = joined_by_class(Truth([a, c, b, c], ("leaf", "", "leaf", "stem")))
    assert joined.classes == ("leaf", "stem")
    np.testing.assert_array_equal(joined.masks, [a | b, c])
    with pytest.raises(ImageError, match="class leaf are 31×30 and 32×30 pixels"):
        joined_by_class(Truth([a, a[:, 1:]], ("leaf", "leaf")))


def test_hundreds_of_objects_take_less_memory_than_ten_masks_would(tmp_path):
    side = 1000
    y, x = np.mgrid[:side, :side]
    disc = (y % 50 - 25) ** 2 + (x % 50 - 25) ** 2 < (8 + (x // 50 + y // 50) % 12) ** 2
    ids = np.where(disc, 1 + y // 50 * 20 + x // 50, 0).astype(np.uint16)
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    tifffile.imwrite(tmp_path / "masks" / "a.tif", ids)
    Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    example = open_dataset(tmp_path)[0]  # what is imported on the way does not count
    tracemalloc.start()
    example = open_dataset(tmp_path)[0]
    held = tracemalloc.get_traced_memory()[0] - example.image.nbytes
    areas = [target.mask.sum() for target in targets_of(example, 3)]
    tracemalloc.stop()
    assert len(example.masks) == 400
    assert areas[0] > areas[1] > areas[2] > 30
    assert held < 10 * side * side
    assert sum(mask.sum() for mask in example.masks) == disc.sum()
