"""Masks found once, compared with the true masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anymask.datasets.types import Example
from anymask.evaluation.candidates import find_candidates, is_judged
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import counts_of
from anymask.model.config import EverythingConfig

LOOSEST = EverythingConfig(0.0, 0.0, 0.5)


@pytest.fixture(scope="module")
def candidates(small_reference_sam, scene):
    half = np.zeros(scene.shape[:2], bool)
    half[:, :120] = True
    example = Example("scene", scene, [half, ~half], "drawn")
    return find_candidates(small_reference_sam, example, LOOSEST, points_per_side=7)


def test_dropping_candidates_that_are_never_kept_changes_nothing(candidates):
    configs = [replace(LOOSEST, box_nms_thresh=t) for t in (0.3, 0.6)]
    used = np.zeros(len(candidates.masks), bool)
    whole = [candidates.kept(config) for config in configs]
    for masks in whole:
        used |= [any(c is counts for counts in masks.counts) for c in candidates.masks.counts]
    assert not used.all()
    fewer = candidates.only(used)
    for config, masks in zip(configs, whole, strict=True):
        assert [c.tolist() for c in fewer.kept(config).counts] == [c.tolist() for c in masks.counts]


def test_with_sparse_labels_only_masks_on_labelled_objects_are_judged():
    true = np.zeros((20, 30), bool)
    true[5:15, 5:15] = True
    fragment, mostly_off, elsewhere = (np.zeros_like(true) for _ in range(3))
    fragment[5:9, 5:9] = True
    mostly_off[10:20, 14:24] = True
    elsewhere[0:4, 20:30] = True
    masks = [true, fragment, mostly_off, elsewhere]
    found = MaskSet.from_counts(true.shape, [counts_of(mask) for mask in masks])
    labelled = (counts_of(true),)
    assert is_judged(found, labelled, "sparse").tolist() == [True, True, False, False]
    assert is_judged(found, labelled, "complete").all()
