"""The functions with which tutorials draw one mask, boxes and points."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anymask import show
from anymask.errors import ImageError
from anymask.palette import colours_of


@pytest.fixture
def ax():
    figure = Figure(figsize=(2, 2), dpi=50)
    FigureCanvasAgg(figure)
    return figure.add_axes((0, 0, 1, 1))


def pixels(ax) -> np.ndarray:
    ax.figure.canvas.draw()
    return np.asarray(ax.figure.canvas.buffer_rgba())[..., :3]


MASK = np.zeros((100, 100), bool)
MASK[20:80, 50:90] = True


@pytest.mark.parametrize(
    "mask", [MASK, MASK[None], MASK.astype(np.uint8) * 255, np.where(MASK, 3.5, -2.0)]
)
def test_a_mask_of_any_kind_is_drawn_where_it_is(ax, mask):
    ax.imshow(np.zeros((100, 100, 3), np.uint8))
    ax = show.display_mask(mask, ax, score=0.934)
    drawn = pixels(ax)
    assert (drawn[50, 70] > 0).any()
    np.testing.assert_array_equal(drawn[50, 30], [0, 0, 0])
    assert ax.get_title() == "IoU 0.93"


def test_a_mask_s_colour_can_be_chosen(ax):
    ax.imshow(np.zeros((100, 100, 3), np.uint8))
    show.display_mask(MASK, ax, color=3)
    light = (colours_of(np.array(3)).astype(int) * 2 + 255) // 3
    np.testing.assert_allclose(pixels(ax)[21, 50], light, atol=1)


def test_several_masks_are_refused(ax):
    with pytest.raises(ImageError, match=r"\(2, 100, 100\); draw several with show_masks"):
        show.display_mask(np.stack([MASK, MASK]), ax)


def test_a_box_is_drawn_at_its_corners(ax):
    rectangle = show.display_box([10, 20, 60, 90], ax).patches[0]
    assert rectangle.get_xy() == (10, 20)
    assert (rectangle.get_width(), rectangle.get_height()) == (50, 70)
    with pytest.raises(ImageError, match="these are 8"):
        show.display_box(np.zeros((2, 4)), ax)


def test_an_image_is_shown_in_grey_with_all_its_boxes(ax):
    image = np.full((100, 100), 90, np.uint8)
    image[0], image[1] = 0, 255
    ax = show.display_boxes_on_image(image, np.array([[10, 20, 60, 90], [5, 5, 9, 9]]), ax)
    assert len(ax.patches) == 2
    assert len(set(pixels(ax)[50, 80])) == 1
    assert len(show.display_boxes_on_image(image, np.empty((0, 4)), ax).patches) == 2


def test_points_on_and_off_the_object_look_different(ax):
    ax = show.display_points([[10, 10], [20, 30], [5, 5]], [1, 0, 1], ax)
    on, off = ax.collections
    assert on.get_offsets().tolist() == [[10, 10], [5, 5]]
    assert off.get_offsets().tolist() == [[20, 30]]
    assert not np.array_equal(on.get_facecolor(), off.get_facecolor())
