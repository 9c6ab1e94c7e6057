"""Comparison of two lists of masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.masks.rle import encode
from benchmarks.side_by_side.agreement import compare_masks, iou


def write(path, masks):
    """A file of (point, mask) pairs."""
    counts = [np.asarray(encode(mask)["counts"], int) for _, mask in masks]
    np.savez(
        path,
        points=np.array([point for point, _ in masks], float).reshape(-1, 2),
        lengths=np.array([len(each) for each in counts], int),
        counts=np.concatenate([np.zeros(0, int), *counts]),
    )
    return path


def square(side, size=20):
    mask = np.zeros((size, size), bool)
    mask[:side, :side] = True
    return mask


@given(st.lists(st.booleans(), min_size=12, max_size=12), st.data())
def test_the_iou_of_run_lengths_equals_the_iou_of_pixels(bits, data):
    one = np.array(bits).reshape(3, 4)
    other = np.array(data.draw(st.lists(st.booleans(), min_size=12, max_size=12))).reshape(3, 4)
    either = (one | other).sum()
    expected = (one & other).sum() / either if either else 1.0
    found = iou(*(np.asarray(encode(mask)["counts"]) for mask in (one, other)))
    assert found == pytest.approx(expected)


def test_identical_similar_and_different_masks_are_distinguished(tmp_path):
    ours = [((1, 1), square(10)), ((2, 2), square(20)), ((3, 3), square(5))]
    nearly = square(20)
    nearly[0, 0] = False
    theirs = [((1, 1), square(10)), ((2, 2), nearly), ((3, 3), square(10))]
    found = compare_masks(write(tmp_path / "a.npz", ours), write(tmp_path / "b.npz", theirs))
    assert found == {
        "ours": 3,
        "theirs": 3,
        "identical": 1,
        "similar": 1,
        "same_order": True,
        "lowest_iou": 0.25,
    }


def test_a_mask_is_compared_with_those_of_its_own_point(tmp_path):
    ours, theirs = [((1, 1), square(10))], [((2, 2), square(10))]
    found = compare_masks(write(tmp_path / "a.npz", ours), write(tmp_path / "b.npz", theirs))
    assert (found["identical"], found["lowest_iou"], found["same_order"]) == (0, 0.0, False)


def test_two_empty_lists_agree(tmp_path):
    found = compare_masks(write(tmp_path / "a.npz", []), write(tmp_path / "b.npz", []))
    assert (found["identical"], found["lowest_iou"], found["same_order"]) == (0, None, True)
