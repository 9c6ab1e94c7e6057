"""Judging masks block by block, held to enlarging them as a whole."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from anymask.images.resize import ResizeLongestSide
from anymask.masks.boxes import boxes_of_masks, touches_inner_edge
from anymask.masks.rle import mask_of
from anymask.predict.everything.enlarging import TOLERANCE, axis_of, exact_logits
from anymask.predict.everything.filtering import Criteria, Frame, judge_masks

FUSED = torch.backends.cpu.get_cpu_capability() != "DEFAULT"
ALL = Criteria(mask=0.0, stability_offset=1.0, min_stability=0.0)


def frame_of(encoder_size, image_size, crop_box=None):
    height, width = image_size
    crop_box = crop_box or (0, 0, width, height)
    x0, y0, x1, y1 = crop_box
    resized = ResizeLongestSide.get_preprocess_shape(y1 - y0, x1 - x0, encoder_size)
    return Frame(encoder_size, resized, crop_box, image_size)


def random_logits(n, side, smoothness, seed=0):
    noise = np.random.default_rng(seed).standard_normal((n, side, side))
    smooth = gaussian_filter(noise, (0, smoothness, smoothness))
    return (4 * smooth / smooth.std((1, 2), keepdims=True)).astype(np.float32)


def enlarged(low_res, frame, candidates=1):
    """The logits of the crop, by the two interpolations that define them."""
    x0, y0, x1, y1 = frame.crop_box
    square = (frame.encoder_size,) * 2
    logits = torch.from_numpy(low_res)[:, None].expand(-1, candidates, -1, -1).contiguous()
    logits = F.interpolate(logits, square, mode="bilinear")
    logits = logits[..., : frame.input_size[0], : frame.input_size[1]]
    return F.interpolate(logits, (y1 - y0, x1 - x0), mode="bilinear")[:, 0].numpy()


def in_image(crop, frame):
    x0, y0, x1, y1 = frame.crop_box
    image = np.zeros(frame.image_size, crop.dtype)
    image[y0:y1, x0:x1] = crop
    return image


FRAMES = {
    "enlarged": frame_of(256, (300, 201)),
    "much enlarged": frame_of(256, (900, 1300)),
    "shrunk": frame_of(512, (40, 61)),
    "one pixel": frame_of(256, (1, 1)),
    "one row": frame_of(256, (1, 700)),
    "long and thin": frame_of(256, (2000, 3)),
    "crop within": frame_of(256, (300, 400), (50, 60, 250, 260)),
    "crop of full height": frame_of(256, (150, 400), (100, 0, 300, 150)),
    "crop at the end": frame_of(256, (300, 400), (180, 120, 400, 300)),
}


@pytest.mark.parametrize("smoothness", [0, 2, 8], ids=["noise", "fine", "coarse"])
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_masks_and_stability_are_those_of_whole_enlarged_logits(frame, smoothness):
    low_res = random_logits(11, frame.encoder_size // 4, smoothness)
    # Some that nowhere cross a threshold, as single blocks and whole masks of one value do.
    low_res[3], low_res[4], low_res[5] = -9.0, 9.0, 0.5
    logits = enlarged(low_res, frame)
    lower, upper = (logits > -1).sum((1, 2)), (logits > 1).sum((1, 2))
    x0, y0 = frame.crop_box[:2]
    boxes = boxes_of_masks(logits > 0) + np.array([x0, y0, x0, y0])
    expected = np.flatnonzero(~touches_inner_edge(boxes, frame.crop_box, frame.image_size))

    found = list(judge_masks(low_res, frame, ALL))
    assert [s.index for s in found] == expected.tolist()
    for survivor in found:
        i = survivor.index
        expected_mask = in_image(logits[i] > 0, frame)
        np.testing.assert_array_equal(mask_of(survivor.counts, frame.image_size), expected_mask)
        if lower[i] == 0:
            assert np.isnan(survivor.stability_score)
        else:
            assert abs(survivor.stability_score - upper[i] / lower[i]) <= 2 / lower[i] + 1e-7


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("candidates", [1, 3])
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_single_logits_are_those_of_pytorch_within_rounding(frame, candidates, threads):
    low_res = random_logits(1, frame.encoder_size // 4, 1)
    logits = enlarged(low_res, frame, candidates)[0]
    height, width = logits.shape
    rows, cols = (
        axis_of(frame.encoder_size // 4, frame.encoder_size, *lengths, repeat_last)
        for *lengths, repeat_last in (
            (frame.input_size[0], height, True),
            (frame.input_size[1], width, False),
        )
    )
    y, x = np.mgrid[:height, :width].reshape(2, -1)
    found = exact_logits(low_res[0], y, x, rows, cols).reshape(height, width)
    # One thread takes another way through three masks, and no fused multiply-add rounds twice.
    to_the_last_bit = FUSED and (candidates == 1 or threads > 1)
    allowed = 0 if to_the_last_bit else TOLERANCE * np.abs(low_res).max()
    assert np.abs(found - logits).max() <= allowed


def test_pixels_whose_logit_is_the_threshold_itself_are_not_mask():
    frame = frame_of(256, (333, 250))
    low_res = random_logits(1, 64, 2)
    rows, cols = axis_of(64, 256, 256, 333, True), axis_of(64, 256, 192, 250, False)
    y, x = np.mgrid[:333, :250].reshape(2, -1)
    logits = exact_logits(low_res[0], y, x, rows, cols).reshape(333, 250)
    rng = np.random.default_rng(4)
    for y, x in zip(rng.integers(0, 333, 30), rng.integers(0, 250, 30), strict=True):
        at_pixel = Criteria(float(logits[y, x]), 0.0, 0.0)
        (survivor,) = judge_masks(low_res, frame, at_pixel)
        expected = logits > logits[y, x]
        np.testing.assert_array_equal(mask_of(survivor.counts, (333, 250)), expected)


def test_masks_that_a_crop_cuts_off_are_dropped_and_others_kept():
    frame = frame_of(256, (300, 400), (50, 60, 250, 260))
    low_res = np.full((3, 64, 64), -5, np.float32)
    low_res[0, 20:40, 20:40] = 5  # well inside
    low_res[1, 20:40, 50:64] = 5  # at the crop's right edge
    low_res[2, 0:10, 20:40] = 5  # at its top edge
    assert [s.index for s in judge_masks(low_res, frame, ALL)] == [0]
    whole = frame_of(256, (200, 200))
    assert [s.index for s in judge_masks(low_res, whole, ALL)] == [0, 1, 2]


def test_edges_of_a_tile_cut_nothing_off_and_those_of_crops_in_it_do():
    low_res = np.full((2, 64, 64), -5, np.float32)
    low_res[0, 20:40, 30:64] = 5  # at the right edge
    low_res[1, 20:40, 0:9] = 5  # at the left edge
    tile = (100, 60, 300, 260)
    as_tile = replace(frame_of(256, (400, 500), tile), whole=tile)
    assert [s.index for s in judge_masks(low_res, as_tile, ALL)] == [0, 1]
    # The crop's right edge lies within the tile, its left edge is the tile's.
    crop = replace(frame_of(256, (400, 500), (100, 60, 220, 260)), whole=tile)
    assert [s.index for s in judge_masks(low_res, crop, ALL)] == [1]


def test_the_stability_limit_is_inclusive_and_drops_scores_that_are_not_a_number():
    frame = frame_of(256, (256, 256))
    low_res = random_logits(20, 64, 4)
    low_res[7] = -9
    scores = np.array([s.stability_score for s in judge_masks(low_res, frame, ALL)])
    assert np.isnan(scores[7])
    limit = np.sort(scores)[9]
    kept = [s.index for s in judge_masks(low_res, frame, Criteria(0.0, 1.0, limit))]
    assert kept == np.flatnonzero(scores >= limit).tolist()
    assert len(kept) == 10


def test_another_mask_threshold_moves_mask_and_stability():
    frame = frame_of(256, (120, 160))
    low_res = random_logits(5, 64, 4)
    logits = enlarged(low_res, frame)
    for survivor in judge_masks(low_res, frame, Criteria(0.75, 0.5, 0.0)):
        one = logits[survivor.index]
        np.testing.assert_array_equal(mask_of(survivor.counts, (120, 160)), one > 0.75)
        expected = (one > 1.25).sum() / (one > 0.25).sum()
        np.testing.assert_allclose(survivor.stability_score, expected, rtol=1e-6)


def test_masks_that_cannot_be_stable_enough_are_the_ones_that_are_not():
    frame = frame_of(256, (222, 200))
    # From steep to flat: of flat ones little lies above the upper threshold.
    low_res = random_logits(24, 64, 5) * np.geomspace(0.1, 10, 24, dtype=np.float32)[:, None, None]
    every = {s.index: s.stability_score for s in judge_masks(low_res, frame, ALL)}
    for limit in (0.05, 0.5, 0.9):
        stable = list(judge_masks(low_res, frame, Criteria(0.0, 1.0, limit)))
        scores = {s.index: s.stability_score for s in stable}
        assert scores == {i: score for i, score in every.items() if score >= np.float32(limit)}
        assert 0 < len(scores) < 24


def test_a_mask_is_judged_the_same_to_the_bit_alone_and_among_others():
    frame = frame_of(256, (333, 250))
    low_res = random_logits(30, 64, 3)
    together = list(judge_masks(low_res, frame, ALL))
    alone = [next(judge_masks(mask[None], frame, ALL)) for mask in low_res]
    assert [s.stability_score for s in together] == [s.stability_score for s in alone]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a.counts, b.counts)


def test_memory_does_not_grow_with_masks_that_are_dropped():
    frame = frame_of(1024, (1200, 1800))
    few = random_logits(8, 256, 12)
    strict = Criteria(0.0, 1.0, 0.999)
    assert list(judge_masks(few, frame, strict)) == []  # fills the cache of weights
    peaks = []
    for part in (few, np.tile(few, (6, 1, 1))):
        tracemalloc.start()
        list(judge_masks(part, frame, strict))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    one_mask_as_floats = 4 * 1200 * 1800
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 2 * one_mask_as_floats


def test_no_masks_are_no_survivors():
    assert list(judge_masks(np.zeros((0, 64, 64), np.float32), frame_of(256, (9, 9)), ALL)) == []
