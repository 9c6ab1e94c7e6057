"""MaskSet: what goes in comes out, and every view of it agrees with the pixels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

import anymask
from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet

stacks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=8))
MODES = ("binary_mask", "uncompressed_rle", "coco_rle")


@pytest.fixture
def stack() -> np.ndarray:
    masks = np.zeros((4, 30, 40), bool)
    masks[0, 2:10, 3:30] = True
    masks[1, 5, 7] = True
    masks[2, 20:30, 30:40] = True
    masks[3, 0:10, 0:10] = True
    return masks


@pytest.fixture
def records(stack) -> list[dict]:
    boxes = [[3, 2, 26, 7], [7, 5, 0, 0], [30, 20, 9, 9], [0, 0, 9, 9]]
    return [
        {
            "segmentation": mask,
            "area": int(mask.sum()),
            "bbox": box,
            "predicted_iou": iou,
            "point_coords": [[x, y]],
            "stability_score": stability,
            "crop_box": [0, 0, 40, 30],
        }
        for mask, box, iou, stability, x, y in zip(
            stack,
            boxes,
            (0.9, 0.6, 0.7, 0.8),
            (0.95, 0.5, 0.9, 0.99),
            (4.5, 7, 35, 1),
            (3, 5, 25.25, 2),
            strict=True,
        )
    ]


@pytest.fixture
def masks(records) -> MaskSet:
    return MaskSet.from_records(records)


def same(a: dict, b: dict) -> bool:
    return all(np.array_equal(a[k], b[k]) for k in a) and a.keys() == b.keys()


@pytest.mark.parametrize("mode", MODES)
def test_records_of_any_output_mode_come_back_as_they_went_in(records, mode):
    once = MaskSet.from_records(records).to_records(mode)
    again = MaskSet.from_records(once).to_records("binary_mask")
    assert all(same(a, b) for a, b in zip(again, records, strict=True))


def test_records_hold_plain_python_numbers(masks):
    text = json.dumps(masks.to_records("coco_rle"))
    assert json.loads(text) == masks.to_records("coco_rle")


@given(stacks)
def test_length_iteration_and_indexing_give_the_masks(stack):
    masks = MaskSet.from_records([{"segmentation": m} for m in stack])
    assert len(masks) == len(stack)
    for i, mask in enumerate(masks):
        np.testing.assert_array_equal(mask, stack[i])
        np.testing.assert_array_equal(masks[i], stack[i])
    np.testing.assert_array_equal(masks[-1], stack[-1])
    with pytest.raises(IndexError):
        masks[len(stack)]


def test_limits_are_inclusive_and_joined(masks):
    assert masks.filter(min_area=100).areas.tolist() == [216, 100, 100]
    assert masks.filter(max_area=100).areas.tolist() == [1, 100, 100]
    assert masks.filter(min_predicted_iou=0.8).predicted_iou.tolist() == [0.9, 0.8]
    assert masks.filter(min_stability_score=0.95, max_area=150).areas.tolist() == [100]
    assert len(masks.filter()) == 4


def test_an_unknown_score_passes_no_limit_on_it(stack):
    masks = MaskSet.from_records([{"segmentation": m} for m in stack])
    assert len(masks.filter(min_predicted_iou=0.0)) == 0


def test_select_takes_indices_in_their_order(masks):
    assert masks.select([2, 0]).predicted_iou.tolist() == [0.7, 0.9]
    assert masks.select(np.array([False, True, False, False])).areas.tolist() == [1]
    assert len(masks.select([])) == 0


def test_ids_go_by_area_and_the_better_of_two_equal_masks_is_on_top(masks, stack):
    assert masks.ids.tolist() == [1, 4, 2, 3]
    labels = masks.to_labels()
    assert labels.dtype == np.uint8
    expected = np.zeros((30, 40))
    for index in (0, 2, 3, 1):
        expected[stack[index]] = masks.ids[index]
    np.testing.assert_array_equal(labels, expected)


def test_table_rows_are_in_order_of_ids_and_measure_pixels(masks):
    rows = masks.to_table()
    assert [row["id"] for row in rows] == [1, 2, 3, 4]
    assert rows[3] == {
        "id": 4,
        "area": 1,
        "bbox": [7, 5, 1, 1],
        "centroid": (7.0, 5.0),
        "predicted_iou": 0.6,
        "stability_score": 0.5,
    }
    assert rows[1]["bbox"] == [30, 20, 10, 10]
    assert rows[1]["centroid"] == (34.5, 24.5)


@given(stacks)
def test_pycocotools_reads_the_same_pixels_from_the_coco_data_set(stack):
    masks = MaskSet.from_records([{"segmentation": m} for m in stack])
    dataset = json.loads(json.dumps(masks.to_coco("a.png"), allow_nan=False))
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    assert coco.loadImgs(1)[0]["file_name"] == "a.png"
    order = np.argsort(masks.ids)
    for index, annotation in zip(order, coco.loadAnns(coco.getAnnIds(1)), strict=True):
        np.testing.assert_array_equal(coco.annToMask(annotation), stack[index])
        assert annotation["area"] == stack[index].sum()
        assert annotation["bbox"] == coco_mask.toBbox(annotation["segmentation"]).tolist()


def test_a_coco_data_set_comes_back_with_its_scores_in_order_of_ids(masks):
    dataset = json.loads(json.dumps(masks.to_coco("a.png")))
    again = MaskSet.from_coco(dataset)
    expected = masks.with_ids(masks.ids).select(np.argsort(masks.ids)).to_records()
    assert all(same(a, b) for a, b in zip(again.to_records(), expected, strict=True))


def test_polygons_of_other_tools_are_read_from_coco():
    dataset = {
        "images": [{"id": 5, "height": 20, "width": 30}, {"id": 6, "height": 9, "width": 9}],
        "annotations": [
            {"id": 1, "image_id": 5, "segmentation": [[2, 3, 12, 3, 12, 10, 2, 10]]},
            {"id": 2, "image_id": 6, "segmentation": {"size": [9, 9], "counts": [80, 1]}},
        ],
    }
    masks = MaskSet.from_coco(dataset, 5)
    expected = np.zeros((20, 30), bool)
    expected[3:10, 2:12] = True
    np.testing.assert_array_equal(masks[0], expected)
    assert MaskSet.from_coco(dataset, 6).areas.tolist() == [1]
    assert MaskSet.from_coco(dataset).image_size == (20, 30)


def coco_of(segmentation):
    return {
        "images": [{"id": 1, "height": 5, "width": 6}],
        "annotations": [{"image_id": 1, "segmentation": segmentation}],
    }


@pytest.mark.parametrize(
    "polygons",
    [
        [[1, 2, 3, 4, 5, 6, 7]],
        [None],
        ["abcdef"],
        [[1, 1, 4, 1, 4, float("nan")]],
        [[1e12, 0, 1, 1, 2, 2]],
    ],
)
def test_polygons_that_are_none_are_refused_in_one_sentence(polygons):
    with pytest.raises(AnymaskError, match="at least three points near the image") as error:
        MaskSet.from_coco(coco_of(polygons))
    assert "\n" not in str(error.value)


def test_an_annotation_without_polygons_is_an_empty_mask():
    assert MaskSet.from_coco(coco_of([])).areas.tolist() == [0]


def test_a_polygon_may_reach_beyond_the_image():
    beyond = coco_of([[-5, -4, 8, -4, 8, 9, -5, 9]])
    assert MaskSet.from_coco(beyond).areas.tolist() == [30]


def test_a_label_image_gives_its_objects_in_order_of_their_ids():
    labels = np.array([[0, 9, 9], [4, 4, 9]])
    masks = MaskSet.from_labels(labels)
    np.testing.assert_array_equal(np.array(list(masks)), [labels == 4, labels == 9])
    np.testing.assert_array_equal(masks.to_labels() > 0, labels > 0)


def test_an_empty_set_has_empty_views():
    masks = MaskSet.from_records([], (5, 7))
    assert masks.to_records() == masks.to_table() == masks.rles == []
    assert masks.to_coco("a.png")["annotations"] == []
    assert masks.boxes.shape == (0, 4)
    np.testing.assert_array_equal(masks.to_labels(), np.zeros((5, 7), np.uint8))
    assert len(masks.filter(min_area=1)) == 0


def test_joining_sets_keeps_their_order(masks):
    joined = MaskSet.concatenate([masks.select([3]), masks.select([]), masks.select([0])], (30, 40))
    assert joined.predicted_iou.tolist() == [0.8, 0.9]
    assert len(MaskSet.concatenate([], (30, 40))) == 0


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: MaskSet.from_records([]), "image size cannot be found"),
        (
            lambda: MaskSet.from_records([{"segmentation": np.zeros((2, 2), bool)}], (3, 3)),
            "Mask 0 is 2×2 pixels and the image is 3×3",
        ),
        (lambda: MaskSet.from_records([{"area": 3}]), "Run lengths must be a dictionary"),
        (
            lambda: MaskSet.from_records([{"segmentation": np.zeros((2, 2))}]),
            "must be a boolean array",
        ),
        (lambda: MaskSet.from_coco({"images": [], "annotations": []}), "it has none at all"),
        (lambda: MaskSet.from_coco({"annotations": []}), "not in COCO format"),
        (
            lambda: MaskSet.from_coco(
                {"images": [{"id": 1, "height": 2, "width": 2}], "annotations": [{"id": 1}]}
            ),
            "'image_id' is missing",
        ),
    ],
)
def test_what_is_no_set_of_masks_is_refused_in_one_sentence(make, what):
    with pytest.raises(AnymaskError, match=what) as caught:
        make()
    assert str(caught.value).endswith(".")


def test_masks_are_handled_without_importing_torch():
    modules = "rle", "boxes", "nms", "regions", "labels", "coco", "mask_set"
    code = "; ".join(f"import anymask.masks.{name}" for name in modules)
    code += "; import sys; print('torch' in sys.modules)"
    env = {"PYTHONPATH": str(Path(anymask.__file__).parents[1])}
    answer = subprocess.check_output([sys.executable, "-c", code], env=env, text=True)
    assert answer.strip() == "False"
