"""Drawing on a matplotlib axis."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anymask.masks.mask_set import MaskSet
from anymask.palette import colours_of
from anymask.show import show_box, show_masks, show_points


@pytest.fixture
def ax() -> Axes:
    figure = Figure(figsize=(2, 2), dpi=50)
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(np.zeros((100, 100, 3), np.uint8))
    return axis


def pixels(ax: Axes) -> np.ndarray:
    ax.figure.canvas.draw()
    return np.asarray(ax.figure.canvas.buffer_rgba())[..., :3]


def test_masks_are_drawn_where_they_are_in_their_colour(ax):
    mask = np.zeros((100, 100), bool)
    mask[20:80, 50:90] = True
    show_masks(mask[None], ax, alpha=1, outline=False)
    drawn = pixels(ax)  # 100×100 pixels for 100×100
    np.testing.assert_array_equal(drawn[50, 70], colours_of(np.array(1)))
    np.testing.assert_array_equal(drawn[50, 30], [0, 0, 0])
    np.testing.assert_array_equal(drawn[10, 70], [0, 0, 0])


def test_the_title_of_one_mask_is_its_iou(ax):
    mask = np.eye(100, dtype=bool)
    assert show_masks(mask[None], ax, scores=[0.934]).get_title() == "IoU 0.93"
    assert show_masks(mask[None], ax, scores=np.float32(0.5)).get_title() == "IoU 0.50"


def test_the_title_of_several_masks_is_their_number_and_range(ax):
    masks = np.stack([np.eye(100, dtype=bool)] * 3)
    title = show_masks(masks, ax, scores=np.array([0.7, 0.9, 0.8])).get_title()
    assert title == "3 masks, IoU 0.70–0.90"


def test_scores_are_taken_from_records_and_mask_sets(ax):
    records = [
        {"segmentation": np.eye(100, dtype=bool), "predicted_iou": 0.61},
        {"segmentation": np.eye(100, dtype=bool)[::-1], "predicted_iou": 0.83},
    ]
    expected = "2 masks, IoU 0.61–0.83"
    assert show_masks(records, ax).get_title() == expected
    assert show_masks(MaskSet.from_records(records), ax).get_title() == expected


def test_masks_without_scores_have_no_title(ax):
    assert show_masks(np.eye(100, dtype=bool), ax).get_title() == ""


def test_points_on_and_off_the_object_differ_in_colour_and_shape(ax):
    show_points(np.array([[20, 30], [70, 60]]), np.array([1, 0]), ax)
    positive, negative = ax.collections
    np.testing.assert_array_equal(positive.get_offsets(), [[20, 30]])
    np.testing.assert_array_equal(negative.get_offsets(), [[70, 60]])
    assert positive.get_facecolor().tolist() != negative.get_facecolor().tolist()
    assert len(positive.get_paths()[0].vertices) != len(negative.get_paths()[0].vertices)


def test_boxes_are_drawn_from_corner_to_corner(ax):
    show_box(np.array([[10, 20, 30, 60], [1, 2, 3, 4]]), ax)
    assert [patch.get_bbox().extents.tolist() for patch in ax.patches] == [
        [10, 20, 30, 60],
        [1, 2, 3, 4],
    ]
    show_box([5, 6, 7, 8], ax)
    assert ax.patches[-1].get_bbox().extents.tolist() == [5, 6, 7, 8]


def test_without_an_axis_the_current_one_is_drawn_on():
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    figure, axis = plt.subplots()
    try:
        assert show_box([5, 6, 7, 8]) is axis
        assert len(axis.patches) == 1
    finally:
        plt.close(figure)
