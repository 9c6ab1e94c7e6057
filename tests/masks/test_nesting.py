"""Which mask lies in which."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.nesting import nesting
from tests.masks.drawn import label_images, mask_sets


def squares(*sides: tuple[int, int], **columns: object) -> MaskSet:
    """Squares from a corner to another along the diagonal."""
    stack = np.zeros((len(sides), 20, 20), bool)
    for mask, (first, end) in zip(stack, sides, strict=True):
        mask[first:end, first:end] = True
    return MaskSet.from_masks(stack, **columns)


@given(mask_sets(max_masks=7), st.sampled_from([0.0, 0.2, 0.6]))
def test_a_parent_is_the_smallest_mask_that_holds_its_child(masks, tolerance):
    tree = nesting(masks, tolerance=tolerance)
    place = {int(i): n for n, i in enumerate(masks.ids)}
    for index, parent in enumerate(tree.parents):
        inside = [(masks[index] & other).sum() for other in masks]
        holds = [
            j
            for j in range(len(masks))
            if inside[j] >= (1 - tolerance) * masks.areas[index]
            and inside[j] > 0
            and masks.areas[j] > masks.areas[index]
        ]
        if parent == 0:
            assert not holds
        elif masks.areas[place[int(parent)]] > masks.areas[index]:
            assert place[int(parent)] in holds
            assert masks.areas[place[int(parent)]] == min(masks.areas[j] for j in holds)
        else:  # an equal mask
            assert inside[place[int(parent)]] >= (1 - tolerance) * masks.areas[index]


@given(mask_sets(max_masks=7), st.sampled_from([0.0, 0.5]))
def test_a_depth_is_the_number_of_ancestors_and_no_mask_is_its_own(masks, tolerance):
    tree = nesting(masks, tolerance=tolerance)
    for number, depth in zip(tree.ids.tolist(), tree.depths, strict=True):
        ancestors = tree.ancestors(number)
        assert len(ancestors) == depth
        assert number not in ancestors


def test_three_in_each_other_and_one_beside():
    tree = nesting(squares((0, 10), (2, 8), (3, 5), (12, 18), object_ids=[8, 6, 4, 2]))
    assert tree.parents.tolist() == [0, 8, 6, 0]
    assert tree.depths.tolist() == [0, 1, 2, 0]
    assert tree.roots.tolist() == [8, 2]
    assert tree.children(8).tolist() == [6]
    assert tree.ancestors(4) == [6, 8]
    assert tree.columns()["children"].tolist() == [1, 1, 0, 0]


def test_the_tolerance_is_the_share_that_may_lie_outside():
    masks = squares((0, 10), (6, 11), object_ids=[1, 2])  # 16 of 25 pixels lie inside
    assert nesting(masks, tolerance=0.35).parents.tolist() == [0, 0]
    assert nesting(masks, tolerance=0.37).parents.tolist() == [0, 1]


def test_of_two_equal_masks_the_one_on_top_lies_in_the_other():
    masks = squares((0, 5), (0, 5), predicted_iou=[0.9, 0.8], object_ids=[1, 2])
    assert nesting(masks).parents.tolist() == [2, 0]
    assert masks.to_labels()[2, 2] == 1


def test_in_a_label_image_an_object_in_a_hole_is_inside():
    labels = np.zeros((9, 9), np.uint8)
    labels[1:8, 1:8], labels[3:6, 3:6] = 4, 9
    assert nesting(labels).parents.tolist() == [0, 4]
    assert nesting(labels, filled=False).parents.tolist() == [0, 0]
    masks = MaskSet.from_labels(labels)
    assert nesting(masks).parents.tolist() == [0, 0]
    assert nesting(masks, filled=True).parents.tolist() == [0, 4]


@given(label_images(), st.integers(1, 3))
def test_a_rotated_image_has_the_same_tree(labels, turns):
    one, other = nesting(labels), nesting(np.rot90(labels, turns))
    np.testing.assert_array_equal(one.parents, other.parents)


def test_an_unknown_id_and_a_wrong_tolerance_are_errors():
    tree = nesting(squares((0, 5)))
    with pytest.raises(AnymaskError, match="no mask with id 3"):
        tree.ancestors(3)
    with pytest.raises(AnymaskError, match="tolerance is 1"):
        nesting(squares((0, 5)), tolerance=1)
