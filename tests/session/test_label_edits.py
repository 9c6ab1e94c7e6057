"""Masks placed among labels: what is edited is compared, whatever the size of the image."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.masks.objects import Crop
from anymask.session import LayerKey
from anymask.session.label_edits import placed, window_around
from anymask.session.store.deltas import Delta


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("label", [3, 9])
def test_a_mask_placed_in_its_window_is_the_mask_placed_in_the_whole_image(label, overwrite):
    rng = np.random.default_rng(5)
    labels = np.zeros((300, 400), np.uint16)
    labels[20:60, 300:390], labels[90:130, 60:120], labels[120:170, 100:160] = 3, 4, 5
    crop = Crop(rng.random((50, 70)) < 0.7, 100, 90)
    window = window_around(labels, [crop], [label])
    part = placed(labels[window], crop.within(window), label, overwrite=overwrite)
    whole = placed(labels, crop, label, overwrite=overwrite)
    found, expected = Delta.between(labels, part, window), Delta.between(labels, whole)
    assert found.start == expected.start
    np.testing.assert_array_equal(found.before, expected.before)
    np.testing.assert_array_equal(found.after, expected.after)
    if label == 9:
        assert part.size < labels.size / 8


def test_an_edit_tells_the_window_it_changed(session):
    key = LayerKey("i1", "rgb")
    session.edits.place(key, Crop(np.ones((4, 6), bool), 10, 20))
    change = session.edits.place(key, Crop(np.ones((2, 2), bool), 60, 90), 1)
    assert change.window == (slice(10, 62), slice(20, 92))
    labels = session.layers.labels(key)
    assert np.argwhere(labels).tolist() == [[60, 90], [60, 91], [61, 90], [61, 91]]
