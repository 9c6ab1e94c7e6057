"""Ids and classes of a MaskSet: kept through everything that is done to it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import counts_of


@pytest.fixture
def stack() -> np.ndarray:
    masks = np.zeros((3, 6, 8), bool)
    masks[0, 1:3, 1:3] = True
    masks[1] = True
    masks[2, 2:5, 2:5] = True
    return masks


@pytest.fixture
def masks(stack) -> MaskSet:
    return MaskSet.from_masks(
        stack,
        object_ids=[70_000, 4, 9],
        class_names=["nucleus", "", "cell"],
        predicted_iou=[0.5, 0.6, 0.7],
    )


@given(hnp.arrays(np.int64, (5, 6)).map(lambda a: np.abs(np.maximum(a, -(2**62)))))
def test_a_label_image_comes_back_as_it_was(labels):
    masks = MaskSet.from_labels(labels)
    again = masks.to_labels()
    np.testing.assert_array_equal(again, labels)
    assert again.dtype.itemsize == np.min_scalar_type(labels.max()).itemsize
    np.testing.assert_array_equal(masks.ids, np.unique(labels[labels > 0]))


def test_smaller_masks_are_on_top_whatever_their_ids(masks, stack):
    labels = masks.to_labels()
    assert labels.dtype == np.uint32
    assert labels[1, 1] == labels[2, 2] == 70_000
    assert labels[4, 4] == 9
    assert labels[0, 0] == 4


def test_select_and_filter_keep_ids_and_classes(masks):
    chosen = masks.select([2, 0])
    assert chosen.ids.tolist() == [9, 70_000]
    assert chosen.class_names == ("cell", "nucleus")
    large = masks.filter(min_area=9)
    assert large.ids.tolist() == [4, 9]
    assert large.class_names == ("", "cell")
    assert masks.select([]).class_names == ()


def test_other_pixels_keep_ids_classes_and_scores(masks, stack):
    changed = masks.with_counts([counts_of(~mask) for mask in stack])
    np.testing.assert_array_equal(changed.areas, 48 - masks.areas)
    assert changed.ids.tolist() == masks.ids.tolist()
    assert changed.class_names == masks.class_names
    assert changed.predicted_iou.tolist() == [0.5, 0.6, 0.7]


def test_other_pixels_keep_the_ids_that_follow_from_the_areas(stack):
    masks = MaskSet.from_masks(stack)
    changed = masks.with_counts([counts_of(~mask) for mask in stack])
    assert changed.ids.tolist() == masks.ids.tolist() == [3, 1, 2]


def test_joining_keeps_ids_and_numbers_masks_without_from_there(masks, stack):
    joined = MaskSet.concatenate([MaskSet.from_masks(stack[:2]), masks], (6, 8))
    assert joined.ids.tolist() == [70_001, 70_002, 70_000, 4, 9]
    assert joined.class_names == ("", "", "nucleus", "", "cell")
    assert MaskSet.concatenate([MaskSet.from_masks(stack)] * 2, (6, 8)).object_ids is None


def test_joining_sets_with_an_id_in_common_is_refused(masks):
    with pytest.raises(AnymaskError, match="2 masks have the id 9"):
        MaskSet.concatenate([masks.select([2]), masks.select([1, 2])], (6, 8))


def test_tables_records_and_coco_have_ids_and_classes(masks):
    assert [(row["id"], row["class_name"]) for row in masks.to_table()] == [
        (4, ""),
        (9, "cell"),
        (70_000, "nucleus"),
    ]
    again = MaskSet.from_records(masks.to_records("coco_rle"))
    assert again.ids.tolist() == masks.ids.tolist()
    assert again.class_names == masks.class_names
    dataset = json.loads(json.dumps(masks.to_coco("a.png")))
    assert [c["name"] for c in dataset["categories"]] == ["cell", "nucleus", "object"]
    again = MaskSet.from_coco(dataset)
    assert again.ids.tolist() == [4, 9, 70_000]
    assert again.class_names == ("", "cell", "nucleus")


def test_a_class_called_object_is_told_from_no_class(stack):
    masks = MaskSet.from_masks(stack[:2], class_names=["object", ""])
    again = MaskSet.from_coco(masks.to_coco("a.png"))
    assert sorted(again.class_names or ()) == ["", "object"]
    assert MaskSet.from_coco(MaskSet.from_masks(stack).to_coco("a.png")).class_names is None


@pytest.mark.parametrize("ids", [[0, 1], [3, 3], ["a", "b"], [None, 2], [1.5, 2], [-1, 4]])
def test_ids_of_coco_files_that_no_mask_can_have_become_numbers_in_order(ids):
    dataset = {
        "images": [{"id": 1, "height": 2, "width": 3}],
        "categories": [{"id": 7, "name": "leaf"}],
        "annotations": [
            {
                "id": id_,
                "image_id": 1,
                "category_id": 7,
                "segmentation": {"size": [2, 3], "counts": c},
            }
            for id_, c in zip(ids, ([6], [0, 6]), strict=True)
        ],
    }
    masks = MaskSet.from_coco(dataset)
    assert masks.ids.tolist() == [1, 2]
    assert masks.areas.tolist() == [0, 6]
    assert masks.class_names == ("leaf", "leaf")


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"object_ids": [1, 2, 2]}, "2 masks have the id 2"),
        ({"object_ids": [0, 1, 2]}, "An id is 0; ids go from 1"),
        ({"object_ids": [1, 2]}, "3 masks and 2 object_ids"),
        ({"object_ids": [1.0, 2.0, 3.0]}, "whole numbers"),
        ({"object_ids": np.array([1, 2, 2**63], np.uint64)}, "from 1 to 2⁶³−1"),
        ({"class_names": ["a"]}, "3 masks and 1 class_names"),
    ],
)
def test_ids_and_classes_that_cannot_be_are_refused_in_one_sentence(stack, columns, what):
    with pytest.raises(AnymaskError, match=what):
        MaskSet.from_masks(stack, **columns)


def test_label_images_with_ids_beyond_64_bits_are_refused():
    with pytest.raises(AnymaskError, match="ids end at 2⁶³−1"):
        MaskSet.from_labels(np.array([[2**63]], np.uint64))


def test_only_boolean_stacks_are_masks():
    with pytest.raises(AnymaskError, match="boolean array"):
        MaskSet.from_masks(np.zeros((3, 4), bool))
    with pytest.raises(AnymaskError, match="boolean array"):
        MaskSet.from_masks(np.zeros((1, 3, 4)))
