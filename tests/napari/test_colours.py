"""Colours of objects: one for each label of a list, whatever the labels are."""

from __future__ import annotations

import numpy as np

from anymask.napari.colours import listed

RED, BLUE, GREY = (1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0), (0.6, 0.6, 0.6, 1.0)


def test_labels_of_any_size_have_their_colour_and_others_are_grey() -> None:
    colours = listed({3: RED, 4_000_000_000: BLUE})
    values = np.array([[0, 3, 4], [4_000_000_000, 4_294_967_295, 3]], np.uint32)
    found = colours._map_without_cache(values)
    expected = [[(0, 0, 0, 0), RED, GREY], [BLUE, GREY, RED]]
    np.testing.assert_array_equal(found, np.array(expected, np.float32))
    np.testing.assert_array_equal(
        colours._map_without_cache(np.arange(5, dtype=np.uint16))[3:],
        np.array([RED, GREY], np.float32),
    )
