"""The same image gives the same masks to the last bit, in float32 and whatever the schedule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from anymask.checkpoints import load
from anymask.predict.everything.generator import SamAutomaticMaskGenerator

ALL = {
    "pred_iou_thresh": 0.05,
    "stability_score_thresh": 0.1,
    "box_nms_thresh": 1.0,
    "min_mask_region_area": 0,
}


@pytest.fixture(scope="module")
def shipped():
    return load(device="cpu", dtype="float32")


@pytest.fixture(params=["small_reference_sam", "shipped"])
def sam(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def threads():
    """Sets how many threads PyTorch has, for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def found_at(sam, points, **options):
    """Every mask with its point, scores and run lengths, as one would compare files."""
    masks = SamAutomaticMaskGenerator(
        sam, points_per_side=None, point_grids=[points], **ALL, **options
    ).generate_masks(data.coffee())
    assert len(masks) > 5
    return [
        (tuple(point), iou, stability, counts.tobytes())
        for point, iou, stability, counts in zip(
            masks.point_coords.tolist(),
            masks.predicted_iou.tolist(),
            masks.stability_score.tolist(),
            masks.counts,
            strict=True,
        )
    ]


def grid(side):
    return (np.stack(np.meshgrid(*[np.arange(side)] * 2), -1).reshape(-1, 2) + 0.5) / side


def test_a_second_run_and_any_points_per_batch_give_the_same(sam):
    first = found_at(sam, grid(5))
    for points_per_batch in (64, 1, 11):
        assert found_at(sam, grid(5), points_per_batch=points_per_batch) == first


def test_any_number_of_threads_gives_the_same(sam, threads):
    threads(1)
    first = found_at(sam, grid(3))
    # With 3 and 5, the parts that threads get of a tensor end within a vector of the processor's.
    for number in (2, 3, 5):
        threads(number)
        assert found_at(sam, grid(3)) == first, number


def test_any_order_and_any_company_of_points_gives_the_same(sam):
    first = found_at(sam, grid(5))
    order = np.random.default_rng(0).permutation(25)
    assert sorted(found_at(sam, grid(5)[order])) == sorted(first)
    some = grid(5)[[3, 12, 13, 24, 7]]
    assert set(found_at(sam, some)) == {
        mask for mask in first if any(np.allclose(mask[0], p * [600, 400]) for p in some)
    }
