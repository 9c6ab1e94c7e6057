"""A model's own masks are added to labels, and only where there were none."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.checkpoints import load
from anymask.errors import ImageError
from anymask.evaluation.metrics import mask_iou
from anymask.masks.mask_set import MaskSet
from anymask.model.config import EverythingConfig
from anymask.training.pretrain.cache import CacheWriter, find_sources
from anymask.training.pretrain.own_masks import add_own_masks, sparse_sets, with_masks
from tests.training.disk_sets import write_disks


def square(top, left, side, size=(40, 60)):
    mask = np.zeros(size, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_only_masks_on_unlabelled_ground_are_added_the_surest_first():
    labels = square(0, 0, 10).astype(np.uint16) * 7
    found = MaskSet.from_masks(
        [
            square(20, 30, 10),  # free, but a surer mask takes most of it
            square(20, 31, 10),
            square(1, 1, 8),  # labelled already
            ~square(0, 0, 11),  # nearly the whole image
            square(9, 9, 10),  # one pixel of a hundred is labelled
        ],
        predicted_iou=[0.8, 0.9, 0.95, 0.99, 0.7],
    )
    grown = with_masks(labels, found)
    assert np.array_equal(grown[labels > 0], labels[labels > 0])
    assert np.array_equal(grown == 8, square(20, 31, 10))
    assert np.array_equal(grown == 9, square(9, 9, 10) & (labels == 0))
    assert grown.max() == 9


def test_a_mask_along_the_rim_of_what_is_labelled_is_no_object():
    labels = square(10, 10, 15).astype(np.uint16)
    rim = square(8, 8, 19) & ~square(10, 10, 15)
    beside = square(10, 25, 15)
    grown = with_masks(labels, MaskSet.from_masks([rim, beside], predicted_iou=[0.9, 0.8]))
    assert np.array_equal(grown == 2, beside)
    assert grown.max() == 2


def test_a_copied_cache_has_the_models_masks_in_sparse_sets_only(tmp_path):
    y, x = np.mgrid[:256, :256]
    disks = ((x % 128 - 64) ** 2 + (y % 128 - 64) ** 2 < 40**2) & (y < 128)
    image = np.stack([np.where(disks, 230, 40)] * 3, -1).astype(np.uint8)
    labels = (disks & (x < 128)).astype(np.uint16)  # one of the two
    writer = CacheWriter(tmp_path / "a", 2)
    for name in ("sparse", "complete"):
        writer.append(image, labels, np.array([0, 1]), name)
    cache = writer.finish()
    lines = []
    loose = EverythingConfig(0.6, 0.6, 0.6, 0.5, 100)
    options = {"sets": {"sparse"}, "thresholds": loose, "points_per_side": 8}
    grown = add_own_masks(
        cache, load(dtype="float32"), tmp_path / "b", report=lines.append, **options
    )
    assert np.array_equal(grown.images, cache.images)
    assert np.array_equal(grown.labels[1], cache.labels[1])
    assert np.array_equal(grown.labels[0] == 1, cache.labels[0] == 1)
    second = disks & (x >= 128)
    new = [grown.labels[0, :256, :256] == i for i in range(2, int(grown.labels[0].max()) + 1)]
    assert max(mask_iou(mask, second) for mask in new) > 0.9
    assert len(grown.parents[0]) == grown.labels[0].max() + 1
    assert "1 images searched" in lines[-1]


def test_sets_say_whether_they_are_labelled_throughout(tmp_path):
    for name, kind in (("a", "instances"), ("b", "partition"), ("c", "semantic")):
        for sub in ("images", "masks"):
            (tmp_path / name / sub).mkdir(parents=True)
        (tmp_path / name / "set.json").write_text(f'{{"kind": "{kind}"}}')
        for path in ("images/x.jpg", "masks/x.png"):
            (tmp_path / name / path).touch()
    assert sparse_sets(find_sources([tmp_path])) == {"a", "c"}


def test_of_two_sets_of_one_name_both_must_be_sparse(tmp_path):
    folders = [write_disks(tmp_path / place / "cells", 1) for place in ("a", "b")]
    for folder, kind in zip(folders, ("instances", "partition"), strict=True):
        (folder / "set.json").write_text(f'{{"kind": "{kind}"}}')
    assert sparse_sets(find_sources(folders[:1])) == {"cells"}
    assert sparse_sets(find_sources(folders)) == set()


@pytest.mark.parametrize("text", ["", '{"kind": '])
def test_a_set_json_that_cannot_be_read_is_named(tmp_path, text):
    folder = write_disks(tmp_path / "cells", 1)
    (folder / "set.json").write_text(text)
    with pytest.raises(ImageError, match=r"cells/set\.json cannot be read"):
        sparse_sets(find_sources([folder]))
