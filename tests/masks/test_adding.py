"""Masks that are found later are added to earlier ones, which stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anymask.errors import AnymaskError
from anymask.masks.adding import add_to
from anymask.masks.mask_set import MaskSet

labels = hnp.arrays(np.uint8, (7, 9), elements=st.integers(0, 4))


@given(labels, labels, st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_earlier_masks_stay_and_the_rest_is_what_they_do_not_cover(
    before: np.ndarray, after: np.ndarray, most: float
) -> None:
    earlier = MaskSet.from_labels(before).with_ids(np.unique(before[before > 0]) + 10)
    both = add_to(earlier, MaskSet.from_labels(after), most_covered=most)
    n = len(earlier)
    assert both.ids[:n].tolist() == earlier.ids.tolist()
    assert all(np.array_equal(both[i], earlier[i]) for i in range(n))
    expected = []
    for label in np.unique(after[after > 0]):
        mask = after == label
        covered = (mask & (before > 0)).sum() / mask.sum()
        if covered <= most and covered < 1:
            expected.append(mask & (before == 0))
    assert len(both) == n + len(expected)
    for i, mask in enumerate(expected):
        assert np.array_equal(both[n + i], mask)
    assert (both.ids[n:] > earlier.ids.max(initial=0)).all()
    assert len(set(both.ids.tolist())) == len(both)


def test_classes_of_earlier_masks_stay() -> None:
    earlier = MaskSet.from_labels(np.array([[3, 0, 0]])).with_class_names(["leaf"])
    both = add_to(earlier, MaskSet.from_labels(np.array([[0, 0, 1]])))
    assert (both.class_names, both.ids.tolist()) == (("leaf", ""), [3, 4])


def test_masks_of_another_image_are_refused_with_both_sizes() -> None:
    one, other = (MaskSet.from_labels(np.zeros(shape, np.uint8)) for shape in ((3, 4), (5, 6)))
    with pytest.raises(AnymaskError, match="add to are 4×3 pixels and the image is 6×5"):
        add_to(one, other)
