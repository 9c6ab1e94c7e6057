"""The helpers give the wheel's numbers."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

from anymask.compat.segment_anything.modeling import image_encoder as encoder_helpers
from anymask.compat.segment_anything.utils import amg
from tests.conftest import relative_l2


@pytest.fixture(scope="module")
def theirs(metas_package):
    return importlib.import_module("segment_anything.utils.amg")


@pytest.fixture(scope="module")
def masks():
    rng = np.random.default_rng(5)
    drawn = rng.random((6, 23, 31)) > 0.9
    drawn[0] = False
    drawn[1] = True
    drawn[2, :, :] = False
    drawn[2, 22, 30] = True
    return torch.from_numpy(drawn)


def test_run_lengths_boxes_and_areas_of_masks(theirs, masks):
    assert amg.mask_to_rle_pytorch(masks) == theirs.mask_to_rle_pytorch(masks)
    assert torch.equal(amg.batched_mask_to_box(masks), theirs.batched_mask_to_box(masks))
    nested = masks.view(2, 3, 23, 31)
    assert torch.equal(amg.batched_mask_to_box(nested), theirs.batched_mask_to_box(nested))
    nothing = masks[:0]
    assert torch.equal(amg.batched_mask_to_box(nothing), theirs.batched_mask_to_box(nothing))
    for counts, mask in zip(theirs.mask_to_rle_pytorch(masks), masks, strict=True):
        assert np.array_equal(amg.rle_to_mask(counts), mask.numpy())
        assert amg.area_from_rle(counts) == theirs.area_from_rle(counts)
        assert amg.coco_encode_rle(counts) == theirs.coco_encode_rle(counts)


def test_stability_scores(theirs):
    torch.manual_seed(0)
    logits = torch.randn(5, 20, 30) * 2
    logits[0] = -9
    ours, expected = (m.calculate_stability_score(logits, 0.0, 1.0) for m in (amg, theirs))
    assert ours.dtype == expected.dtype
    assert torch.equal(ours[1:], expected[1:])
    assert ours[0].isnan()
    assert expected[0].isnan()


@pytest.mark.parametrize("mode", ["holes", "islands"])
def test_small_regions(theirs, mode):
    rng = np.random.default_rng(1)
    for share in (0.1, 0.5, 0.9):
        mask = rng.random((40, 50)) < share
        ours, changed = amg.remove_small_regions(mask, 6, mode)
        expected, expected_change = theirs.remove_small_regions(mask, 6, mode)
        assert np.array_equal(ours, expected)
        assert changed == expected_change


def test_grids_and_crops(theirs):
    for mine, other in zip(
        amg.build_all_layer_point_grids(9, 2, 2),
        theirs.build_all_layer_point_grids(9, 2, 2),
        strict=True,
    ):
        assert np.allclose(mine, other, atol=1e-15)
    assert np.array_equal(amg.build_point_grid(4), theirs.build_point_grid(4))
    for size in ((180, 240), (333, 101)):
        assert amg.generate_crop_boxes(size, 2, 0.34) == theirs.generate_crop_boxes(size, 2, 0.34)


def test_places_in_crops(theirs, masks):
    crop, image = [10, 5, 41, 28], [0, 0, 60, 50]
    boxes = torch.tensor([[0, 0, 30, 22], [12, 8, 14, 9], [1, 0, 5, 5]])
    points = torch.tensor([[1.0, 2.0], [3.5, 4.5]])
    for name, given in (
        ("uncrop_boxes_xyxy", (boxes, crop)),
        ("uncrop_points", (points, crop)),
        ("uncrop_points", (points[None], crop)),
        ("uncrop_masks", (masks, crop, 50, 60)),
        ("uncrop_masks", (masks, [0, 0, 31, 23], 23, 31)),
        ("is_box_near_crop_edge", (boxes, crop, image, 3.0)),
        ("box_xyxy_to_xywh", (boxes[0],)),
    ):
        assert torch.equal(getattr(amg, name)(*given), getattr(theirs, name)(*given)), name


@pytest.mark.parametrize("keep", [[True, False, True], [2, 0]])
def test_mask_data_is_filtered_and_joined(theirs, keep):
    columns = {
        "boxes": torch.arange(12).view(3, 4),
        "area": np.arange(3.0),
        "rles": [{"counts": [i]} for i in range(3)],
    }
    results = []
    for module in (amg, theirs):
        data = module.MaskData(**columns)
        data.filter(torch.tensor(keep))
        data.cat(module.MaskData(**columns, score=torch.ones(3)))
        del data["score"]
        data.to_numpy()
        results.append(dict(data.items()))
    ours, expected = results
    assert list(ours) == list(expected)
    assert ours["rles"] == expected["rles"]
    assert all(np.array_equal(ours[n], expected[n]) for n in ("boxes", "area"))


def test_mask_data_refuses_what_has_no_rows():
    with pytest.raises(TypeError, match="area is a int"):
        amg.MaskData(area=3)


def test_batches(theirs):
    given = (2, [1, 2, 3, 4, 5], np.arange(5))
    ours, expected = (list(m.batch_iterator(*given)) for m in (amg, theirs))
    assert str(ours) == str(expected)
    with pytest.raises(ValueError, match="one length"):
        list(amg.batch_iterator(2, [1], [1, 2]))


def test_windows_and_relative_positions(metas_package):
    other = importlib.import_module("segment_anything.modeling.image_encoder")
    torch.manual_seed(0)
    x = torch.randn(2, 10, 13, 4)
    windows, padded = encoder_helpers.window_partition(x, 6)
    expected, expected_padded = other.window_partition(x, 6)
    assert padded == expected_padded
    assert torch.equal(windows, expected)
    assert torch.equal(encoder_helpers.window_unpartition(windows, 6, padded, (10, 13)), x)
    table = torch.randn(11, 4)
    for q, k in ((6, 6), (9, 9), (4, 8), (8, 4)):
        ours, expected = (m.get_rel_pos(q, k, table) for m in (encoder_helpers, other))
        assert relative_l2(ours, expected) < 1e-6, (q, k)
    scores, queries = torch.randn(3, 30, 30), torch.randn(3, 30, 4)
    given = (scores, queries, table, table, (5, 6), (5, 6))
    ours, expected = (m.add_decomposed_rel_pos(*given) for m in (encoder_helpers, other))
    assert relative_l2(ours, expected) < 1e-6
