"""Run lengths: exact, the same as COCO's, and measured without unpacking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from anymask.errors import AnymaskError
from anymask.masks import coco_text, rle

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
# Few distinct columns: long runs that go on from one column to the next.
striped = st.builds(
    lambda columns, height: np.repeat(np.array(columns, bool)[None], height, 0),
    st.lists(st.booleans(), min_size=1, max_size=12),
    st.integers(1, 40),
)


@given(masks | striped)
def test_decoding_gives_the_encoded_mask_back(mask):
    np.testing.assert_array_equal(rle.decode(rle.encode(mask)), mask)


@given(masks | striped)
def test_counts_alternate_from_background_and_only_the_first_may_be_zero(mask):
    counts = rle.encode(mask)["counts"]
    assert sum(counts) == mask.size
    assert all(n > 0 for n in counts[1:])
    assert (counts[0] == 0) == bool(mask[0, 0])


@given(masks | striped)
def test_the_compressed_form_is_the_one_of_pycocotools(mask):
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    expected = {"size": list(mask.shape), "counts": packed["counts"].decode()}
    assert rle.to_coco(rle.encode(mask)) == expected
    assert rle.from_coco(expected) == rle.encode(mask)
    assert rle.from_coco(packed) == rle.encode(mask)


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=8))
def test_compressed_numbers_of_any_size_are_read(counts):
    size = [1, sum(counts)]
    assume(size[1] < 2**32)
    packed = rle.compress(np.array(counts, np.int64), (1, sum(counts)))
    assert rle.from_coco(packed) == {"size": size, "counts": counts}


# Longer ones would write past pycocotools' memory.
@given(st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=8))
def test_long_runs_are_written_as_pycocotools_writes_short_ones(counts):
    packed = coco_mask.frPyObjects({"size": [1, sum(counts)], "counts": counts}, 1, sum(counts))
    assert coco_text.text_of(np.array(counts, np.int64)) == packed["counts"].decode()


@given(masks | striped)
def test_area_box_and_centroid_are_those_of_the_pixels(mask):
    packed = rle.encode(mask)
    assert rle.area(packed) == mask.sum()
    y, x = np.nonzero(mask)
    expected = [x.min(), y.min(), x.max(), y.max()] if len(x) else [0, 0, 0, 0]
    assert rle.box(packed).tolist() == expected
    centroid = rle.centroid_of(np.array(packed["counts"], np.uint32), mask.shape)
    expected = (x.mean(), y.mean()) if len(x) else (np.nan, np.nan)
    np.testing.assert_allclose(centroid, expected)


@given(masks)
def test_empty_runs_within_change_nothing(mask):
    packed = rle.encode(mask)
    padded = {"size": packed["size"], "counts": [0, 0, *packed["counts"], 0, 0]}
    np.testing.assert_array_equal(rle.decode(padded), mask)
    assert rle.area(padded) == rle.area(packed)
    assert rle.box(padded).tolist() == rle.box(packed).tolist()


@given(masks | striped, st.data())
def test_clipping_keeps_what_lies_in_the_window(mask, data):
    height, width = mask.shape
    x0, x1 = sorted(data.draw(st.tuples(*[st.integers(0, width)] * 2)))
    y0, y1 = sorted(data.draw(st.tuples(*[st.integers(0, height)] * 2)))
    window = np.zeros_like(mask)
    window[y0:y1, x0:x1] = True
    part = rle.clipped(rle.counts_of(mask), mask.shape, (x0, y0, x1, y1))
    np.testing.assert_array_equal(rle.mask_of(part, mask.shape), mask & window)


@given(st.integers(1, 4), masks | striped, st.data())
def test_a_union_has_every_pixel_that_any_mask_has(number, mask, data):
    others = [data.draw(hnp.arrays(np.bool_, mask.shape)) for _ in range(number)]
    joined = rle.union([rle.counts_of(m) for m in (mask, *others)], mask.shape)
    expected = rle.counts_of(np.any([mask, *others], axis=0))
    np.testing.assert_array_equal(joined, expected)


@given(masks | striped)
def test_painting_sets_the_pixels_of_the_mask_and_no_other(mask):
    pixels = np.full(mask.size, 3, np.uint16)
    rle.paint(pixels, rle.counts_of(mask), 70)
    expected = np.where(mask, 70, 3)
    np.testing.assert_array_equal(pixels.reshape(mask.shape[::-1]).T, expected)


def test_long_and_very_many_runs_are_painted_too():
    rng = np.random.default_rng(0)
    mask = np.concatenate([rng.random((600, 400)) < 0.5, rng.random((700, 400)) < 0.001])
    mask[900:1100, 100:300] = True
    pixels = np.zeros(mask.size, np.int32)
    rle.paint(pixels, rle.counts_of(mask), -1)
    np.testing.assert_array_equal(pixels.reshape(mask.shape[::-1]).T, -1 * mask)


def test_a_large_mask_is_measured_without_overflow():
    height, width = 20_000, 30_000
    counts = np.array([0, height * width], np.uint32)
    assert rle.area_of(counts) == 600_000_000
    assert rle.box_of(counts, (height, width)).tolist() == [0, 0, width - 1, height - 1]
    assert rle.centroid_of(counts, (height, width)) == ((width - 1) / 2, (height - 1) / 2)


@pytest.mark.parametrize(
    "bad",
    [
        {"size": [2, 3], "counts": [2, 1]},
        {"size": [2, 3], "counts": [7, -1]},
        {"size": [-2, -3], "counts": [6]},
        {"size": [2**17, 2**17], "counts": [2**34]},
        {"size": [0, 3], "counts": [2**62] * 4},
        {"size": [2, 3], "counts": ["many"]},
        {"size": [2, 3], "counts": None},
        {"size": [2, 3], "counts": ""},
        {"size": [2, 3], "counts": "2111" * 1000},
        {"size": [2, 3], "counts": "211o"},
        {"size": [2, 3], "counts": "\x00é"},
        {"size": [2, 3], "counts": "oooooooooooooooooooo0"},
        {"size": [2, 3]},
        {"counts": [6]},
        {"size": 6, "counts": [6]},
        {},
    ],
)
def test_damaged_run_lengths_are_refused_in_one_sentence(bad):
    with pytest.raises(AnymaskError, match=r"^(The run|Run) lengths .*\.$"):
        rle.read_rle(bad)


@given(st.binary(max_size=30))
def test_no_text_makes_the_reader_fail_otherwise(text):
    try:
        packed = rle.from_coco({"size": [4, 5], "counts": text})
    except AnymaskError:
        return
    assert sum(packed["counts"]) == 20


@pytest.mark.parametrize("bad", [np.zeros((2, 3), np.uint8), np.zeros((1, 2, 3), bool), [[True]]])
def test_only_boolean_masks_are_encoded(bad):
    with pytest.raises(AnymaskError, match="must be a boolean array"):
        rle.encode(bad)
