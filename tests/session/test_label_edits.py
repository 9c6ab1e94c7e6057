"""Masks placed among labels: what is edited is compared, whatever the size of the image."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.masks.objects import ObjectCrop
from anymask.session import LayerKey
from anymask.session.label_edits import edited, edited_part, placed, window_around
from anymask.session.store.deltas import Delta
from anymask.session.store.object_boxes import boxes_of


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("label", [3, 9])
def test_a_mask_placed_in_its_window_is_the_mask_placed_in_the_whole_image(label, overwrite):
    rng = np.random.default_rng(5)
    labels = np.zeros((300, 400), np.uint16)
    labels[20:60, 300:390], labels[90:130, 60:120], labels[120:170, 100:160] = 3, 4, 5
    crop = ObjectCrop(rng.random((50, 70)) < 0.7, 100, 90)
    boxes = [box for i, box in boxes_of(labels).items() if i == label]
    window = window_around(labels.shape, [crop], boxes)
    part = placed(labels[window], crop.within(window), label, overwrite=overwrite)
    whole = placed(labels, crop, label, overwrite=overwrite)
    found, expected = Delta.between(labels, part, window), Delta.between(labels, whole)
    assert found.start == expected.start
    np.testing.assert_array_equal(found.before, expected.before)
    np.testing.assert_array_equal(found.after, expected.after)
    if label == 9:
        assert part.size < labels.size / 8


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("erase", {"ids": [3, 5], "plane": None}),
        ("merge", {"ids": [5, 3]}),
        ("split", {"ids": [3], "plane": None, "how": "components"}),
        ("clean", {"ids": [3], "fill_holes": True, "min_piece": 9, "largest": False,
                   "smooth": 2, "min_area": None, "clear_border": False, "plane": None}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("planes", [(), (2,)])
def test_an_edit_of_the_part_with_its_objects_is_the_edit_of_the_whole_image(kind, args, planes):
    labels = np.zeros((*planes, 200, 300), np.uint16)
    labels[..., 20:60, 30:90], labels[..., 50:100, 80:150], labels[..., 190:, 290:] = 3, 5, 900
    labels[..., 40:44, 30:90] = 0  # in two pieces
    labels[..., 100:110, 120:125] = 3
    boxes = [boxes_of(labels)[label] for label in args["ids"]]
    window, part = edited_part(kind, labels, args, boxes, 900)
    found = np.array(labels)
    found[window or ...] = part
    np.testing.assert_array_equal(found, edited(kind, labels, args))
    if kind != "clean":
        assert part.size < labels.size / 2


def test_the_box_of_an_object_is_right_after_any_edit_and_undo(session):
    key, rng = LayerKey("i1", "rgb"), np.random.default_rng(3)
    many = np.zeros((90, 120), np.uint16)
    many[::20, ::20] = np.arange(1, 31).reshape(5, 6)
    session.edits.import_masks(key, many)
    for _ in range(40):
        there = session.layers.objects(key).ids.tolist()
        kind = rng.choice(["place", "place", "erase", "merge", "undo", "redo"])
        if kind == "place":
            (height, width), top, left = rng.integers(1, 30, 2), *rng.integers(0, 60, 2)
            crop = ObjectCrop(np.ones((height, width), bool), int(top), int(left))
            session.edits.place(key, crop, overwrite=True)
        elif kind == "erase" and there:
            session.edits.erase(key, [rng.choice(there)])
        elif kind == "merge" and len(there) > 1:
            session.edits.merge(key, rng.choice(there, 2, replace=False))
        elif kind in ("undo", "redo"):
            getattr(session.edits, kind)(key)
        labels = session.layers.labels(key)
        for label in session.layers.objects(key).ids.tolist():
            rows, columns = np.nonzero(labels == label)
            box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
            assert session.layers.box(key, label) == box


def test_boxes_of_many_objects_and_of_large_ids_are_found():
    labels = np.arange(1, 101, dtype=np.uint32).reshape(10, 10)
    labels[3, 4] = 4_000_000_000
    boxes = boxes_of(labels)
    assert boxes[100] == (slice(9, 10), slice(9, 10))
    assert boxes[4_000_000_000] == (slice(3, 4), slice(4, 5))
    assert 35 not in boxes


def test_an_edit_tells_the_window_it_changed(session):
    key = LayerKey("i1", "rgb")
    session.edits.place(key, ObjectCrop(np.ones((4, 6), bool), 10, 20))
    change = session.edits.place(key, ObjectCrop(np.ones((2, 2), bool), 60, 90), 1)
    assert change.window == (slice(10, 62), slice(20, 92))
    labels = session.layers.labels(key)
    assert np.argwhere(labels).tolist() == [[60, 90], [60, 91], [61, 90], [61, 91]]
