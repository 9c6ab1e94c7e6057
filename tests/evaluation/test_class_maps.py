"""Maps of classes: how they are measured, numbered and compared."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.errors import AnymaskError
from anymask.evaluation.class_maps import (
    ClassMapRecord,
    called,
    class_numbers,
    compare_classes,
    most_common_class,
)

CLASSES = ("leaf", "soil")


def record(overlap, answered, true, image="a", set_name="s"):
    """A record with the given fractions of two classes."""
    shares = [np.array(values, float) for values in (overlap, answered, true)]
    return ClassMapRecord(set_name, image, *shares, np.full(2, 0.5), np.zeros((4, 6), np.uint8))


def test_classes_are_matched_by_name_and_unknown_ones_raise_an_error():
    class Named(list):
        classes = ("soil", "leaf")

    assert class_numbers(Named(), CLASSES) == {-1: -1, 0: 1, 1: 0}
    assert class_numbers([], CLASSES) == {-1: -1, 0: 0, 1: 1}
    Named.classes = ("soil", "stone")
    with pytest.raises(AnymaskError, match="the class 'stone', but the model was trained for"):
        class_numbers(Named(), CLASSES)


def test_a_constant_map_is_correct_where_its_class_is():
    given = record([0.1, 0.0], [0.2, 0.3], [0.4, 0.5])
    assert given.ious == pytest.approx([0.2, 0.0])
    assert given.mean_iou == pytest.approx(0.1)
    constant = called(given, 1)
    assert constant.ious == pytest.approx([0, 0.5])
    assert (constant.labels == 2).all()
    assert record([0, 0], [0, 0], [0, 0]).mean_iou == 1  # no class present, none predicted


def test_the_most_common_class_weighs_sets_equally_not_images():
    many = [record([0, 0], [0, 0], [0.6, 0.4], str(i)) for i in range(5)]
    assert most_common_class(many) == 0
    assert most_common_class([*many, record([0, 0], [0, 0], [0.1, 0.9], "b", "other")]) == 1


def test_figures_are_computed_over_all_pixels_of_all_images_together():
    before = [record([0.1, 0.1], [0.2, 0.3], [0.4, 0.5], str(i)) for i in range(4)]
    after = [record([0.4, 0.0], [0.4, 0.1 * i], [0.4, 0.5 - 0.1 * i], str(i)) for i in range(4)]
    leaf = compare_classes(before, after, [0])
    assert (leaf.before, leaf.after) == pytest.approx((0.2, 1.0))
    assert leaf.word == "better"
    soil = compare_classes(after, after, [1], "Dice")
    assert soil.after == 0
    dice = compare_classes(before, before, [0], "Dice")
    assert dice.after == pytest.approx(2 * 0.1 / 0.6)
    both = compare_classes(before, after, [0, 1])
    assert both.after == pytest.approx(0.5)


def test_images_of_a_group_are_drawn_together_and_absent_classes_do_not_count():
    records = [record([0.2, 0], [0.3, 0], [0.3, 0], str(i)) for i in range(6)]
    assert compare_classes(records, records, [0, 1]).after == pytest.approx(0.2 / 0.4)
    pairs = compare_classes(records, records, [0], group=lambda _, image: str(int(image) // 2))
    assert (pairs.units, compare_classes(records, records, [0]).units) == (3, 6)
    one = compare_classes(records, records, [0], group=lambda *_: "all")
    assert one.word == "untested"
