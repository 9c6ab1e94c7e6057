"""Which masks overlap, and making one of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import AnymaskError
from anymask.masks import overlap
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import union_of
from anymask.masks.overlap import merge_overlapping, overlaps
from tests.masks.drawn import label_images, mask_sets, same


def bars(*spans: tuple[int, int], **columns: object) -> MaskSet:
    stack = np.zeros((len(spans), 1, 30), bool)
    for mask, (first, end) in zip(stack, spans, strict=True):
        mask[0, first:end] = True
    return MaskSet.from_masks(stack, **columns)


@pytest.mark.parametrize("at_once", [1, 7, 2**22])
@given(masks=mask_sets(max_masks=7))
def test_shared_pixels_are_counted_for_each_pair(at_once, masks):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlap, "_PAIRS_AT_ONCE", at_once)
        pairs = overlaps(masks)
    found = dict(zip(zip(pairs.first, pairs.second, strict=True), pairs.shared, strict=True))
    for i in range(len(masks)):
        for j in range(i + 1, len(masks)):
            shared = int((masks[i] & masks[j]).sum())
            assert found.get((i, j), 0) == shared
            assert ((i, j) in found) == (shared > 0)


@pytest.mark.parametrize("by", ["iou", "containment"])
@pytest.mark.parametrize("keep", ["union", "largest", "best"])
@given(masks=mask_sets(max_masks=7), threshold=st.sampled_from([0.1, 0.5, 1.0]))
def test_merged_masks_overlap_less_than_the_threshold(by, keep, masks, threshold):
    merged = merge_overlapping(masks, threshold, by=by, keep=keep)
    pairs = overlaps(merged)
    assert (pairs.measured(merged.areas, by) < threshold).all()
    assert set(merged.ids) <= set(masks.ids)
    assert same(merge_overlapping(merged, threshold, by=by, keep=keep), merged)


@given(mask_sets(max_masks=7), st.sampled_from([0.1, 0.5, 1.0]))
def test_unions_cover_what_the_masks_covered(masks, threshold):
    merged = merge_overlapping(masks, threshold)
    np.testing.assert_array_equal(union_of(merged), union_of(masks))


@given(mask_sets(max_masks=7))
def test_what_is_kept_in_place_of_a_union_is_one_of_the_masks(masks):
    place = {int(i): n for n, i in enumerate(masks.ids)}
    for keep in ("largest", "best"):
        for number, mask in zip(
            (merged := merge_overlapping(masks, 0.3, keep=keep)).ids, merged, strict=True
        ):
            np.testing.assert_array_equal(mask, masks[place[int(number)]])


def test_a_chain_is_one_group_and_the_largest_names_it():
    merged = merge_overlapping(bars((0, 10), (5, 16), (12, 20), object_ids=[7, 3, 5]), 0.2)
    assert merged.ids.tolist() == [3]
    assert merged.areas.tolist() == [20]


def test_a_union_that_reaches_the_threshold_is_merged_further():
    # Neither half overlaps the third mask by half of the union; together they do.
    masks = bars((0, 8), (5, 13), (0, 16), object_ids=[1, 2, 3])
    assert overlaps(masks).measured(masks.areas, "iou").max() == 0.5
    halves = bars((0, 8), (3, 12), (0, 17))
    assert merge_overlapping(halves, 0.55).areas.tolist() == [8, 9, 17]
    assert merge_overlapping(halves, 0.41).areas.tolist() == [17]


def test_the_best_is_kept_or_the_largest():
    masks = bars((0, 10), (0, 9), predicted_iou=[0.6, 0.9], object_ids=[4, 2])
    assert merge_overlapping(masks, 0.5, keep="best").ids.tolist() == [2]
    assert merge_overlapping(masks, 0.5, keep="largest").ids.tolist() == [4]
    unknown = bars((0, 9), (0, 10), predicted_iou=[np.nan, np.nan], object_ids=[4, 2])
    assert merge_overlapping(unknown, 0.5, keep="best").ids.tolist() == [2]


def test_containment_joins_a_part_and_its_whole_and_iou_does_not():
    masks = bars((0, 20), (2, 5), object_ids=[1, 2])
    assert merge_overlapping(masks, 0.9, by="containment").ids.tolist() == [1]
    assert merge_overlapping(masks, 0.9, by="iou").ids.tolist() == [1, 2]


@given(label_images())
def test_a_label_image_has_nothing_to_merge(labels):
    np.testing.assert_array_equal(merge_overlapping(labels, 0.1), labels)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0}, "threshold is 0"),
        ({"threshold": 1.1}, "threshold is 1.1"),
        ({"by": "dice"}, "by is 'dice'; choose from iou, containment"),
        ({"keep": "all"}, "keep is 'all'"),
    ],
)
def test_wrong_options_are_errors(options, words):
    with pytest.raises(AnymaskError, match=words):
        merge_overlapping(bars((0, 3)), **options)
