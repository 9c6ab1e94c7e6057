"""Painting masks over images: what is painted, in which colour, at which cost."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from anymask.errors import ImageError
from anymask.masks.mask_set import MaskSet
from anymask.painting import draw_prompts, draw_scale_bar, overlay
from anymask.palette import PALETTE_SIZE, colours_of, palette, rgb_to_lab


def disc(shape: tuple[int, int], centre: tuple[int, int], radius: int) -> np.ndarray:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


@pytest.fixture
def stack() -> np.ndarray:
    shape = (60, 80)
    return np.stack([disc(shape, (20, 20), 6), disc(shape, (50, 30), 20), disc(shape, (55, 30), 5)])


def test_pixels_of_no_mask_are_those_of_the_image(picture, stack):
    painted = overlay(picture, stack)
    outside = ~stack.any(0)
    np.testing.assert_array_equal(painted[outside], picture[outside])
    assert (painted[~outside] != picture[~outside]).any(-1).mean() > 0.99


def test_the_image_given_is_not_changed(picture, stack):
    before = picture.copy()
    overlay(picture, stack)
    np.testing.assert_array_equal(picture, before)


def test_a_fill_is_the_blend_of_image_and_colour(picture, stack):
    painted = overlay(picture, stack, alpha=0.25, outline=False)
    inside = stack[0]
    expected = 0.75 * picture[inside] + 0.25 * colours_of(np.array(1)).astype(float)
    assert np.abs(painted[inside] - expected).max() <= 1


@pytest.mark.parametrize("alpha", [0.0, 0.45, 1.0])
def test_an_outline_is_drawn_inside_each_mask_and_differs_from_its_fill(picture, alpha):
    mask = disc((60, 80), (40, 30), 12)
    filled = overlay(picture, mask, alpha=alpha, outline=False)
    outlined = overlay(picture, mask, alpha=alpha)
    changed = (filled != outlined).any(-1)
    inner = mask[1:-1, 1:-1]
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        inner = inner & mask[dy : dy + 58, dx : dx + 78]
    core = np.zeros_like(mask)
    core[1:-1, 1:-1] = inner
    np.testing.assert_array_equal(changed, mask & ~core)


def test_an_outline_of_no_width_is_none_and_a_wider_one_covers_more(picture, stack):
    bare = overlay(picture, stack, outline=False)
    np.testing.assert_array_equal(overlay(picture, stack, outline_width=0), bare)
    covered = [
        (overlay(picture, stack, outline_width=width) != bare).any(-1).sum() for width in (1, 3)
    ]
    assert 0 < covered[0] < covered[1]


def test_a_mask_that_fills_the_image_has_no_outline(picture):
    everything = np.ones((60, 80), bool)
    np.testing.assert_array_equal(
        overlay(picture, everything), overlay(picture, everything, outline=False)
    )


def test_the_smaller_of_two_overlapping_masks_is_on_top(picture, stack):
    painted = overlay(picture, stack, alpha=1, outline=False)
    np.testing.assert_array_equal(painted[30, 55], colours_of(np.array(3)))
    np.testing.assert_array_equal(painted[30, 40], colours_of(np.array(2)))


def test_records_a_mask_set_and_its_label_image_look_the_same(picture, stack):
    records = [{"segmentation": mask, "predicted_iou": 0.9} for mask in stack]
    masks = MaskSet.from_records(records)
    expected = overlay(picture, masks)
    np.testing.assert_array_equal(overlay(picture, records), expected)
    np.testing.assert_array_equal(overlay(picture, masks.to_labels()), expected)
    compressed = masks.to_records("coco_rle")
    np.testing.assert_array_equal(overlay(picture, compressed), expected)


def test_a_mask_keeps_its_colour_when_others_are_added(picture, stack):
    alone = overlay(picture, stack[:1])
    together = overlay(picture, stack)
    np.testing.assert_array_equal(alone[stack[0]], together[stack[0]])


def test_no_masks_leave_the_image_as_it_is(picture):
    np.testing.assert_array_equal(overlay(picture, []), picture)
    np.testing.assert_array_equal(overlay(picture, np.zeros((60, 80), np.uint16)), picture)
    np.testing.assert_array_equal(overlay(picture, np.zeros((0, 60, 80), bool)), picture)


def test_a_grey_image_is_painted_as_its_rgb_copy(picture, stack):
    grey = picture[..., 0]
    expected = overlay(np.repeat(grey[..., None], 3, 2), stack)
    np.testing.assert_array_equal(overlay(grey, stack), expected)
    np.testing.assert_array_equal(overlay(grey[..., None], stack), expected)


def test_an_image_that_is_not_8_bit_is_refused_with_the_function_to_convert_with(stack):
    with pytest.raises(ImageError, match=r"float64 of shape \(60, 80, 3\).*anymask\.to_rgb"):
        overlay(np.zeros((60, 80, 3)), stack)
    with pytest.raises(ImageError, match="to_rgb"):
        overlay(np.zeros((60, 80, 4), np.uint8), stack)


def test_masks_of_another_size_are_refused_with_both_sizes(picture):
    with pytest.raises(ImageError, match="70×60 pixels and the image is 80×60"):
        overlay(picture, np.ones((60, 70), bool))


def test_logits_in_place_of_masks_are_refused(picture):
    with pytest.raises(ImageError, match="'> 0'"):
        overlay(picture, np.zeros((3, 60, 80), np.float32))


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2000, 4)])
def test_images_of_odd_shapes_are_painted(shape):
    picture = np.full((*shape, 3), 7, np.uint8)
    labels = np.ones(shape, np.uint8)
    labels[-1, -1] = 2
    painted = overlay(picture, labels)
    assert painted.shape == picture.shape
    assert (painted != 7).any(-1).all()


def test_the_first_colours_are_far_apart_and_none_comes_twice():
    lab = rgb_to_lab(palette())
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    # 2.3 is what an eye just notices.
    assert distance[:20, :20].min() > 35
    assert distance[:100, :100].min() > 15
    assert distance.min() > 10


def test_ids_beyond_the_palette_take_its_colours_again():
    ids = np.array([1, PALETTE_SIZE + 1, 65536 * PALETTE_SIZE + 1], np.uint32)
    assert len(np.unique(colours_of(ids), axis=0)) == 1


def test_lab_of_red_is_the_published_one():
    np.testing.assert_allclose(rgb_to_lab(np.array([255, 0, 0])), [53.24, 80.09, 67.20], atol=0.02)


def test_500_masks_of_a_large_image_cost_no_more_than_a_few_copies_of_it():
    height, width = 1200, 1800
    rng = np.random.default_rng(1)
    labels = np.zeros((height, width), np.uint16)
    for number in range(1, 501):
        y, x = rng.integers(0, height - 60), rng.integers(0, width - 60)
        labels[y : y + 60, x : x + 60] = number
    masks = MaskSet.from_labels(labels)
    picture = np.zeros((height, width, 3), np.uint8)
    tracemalloc.start()
    overlay(picture, masks)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # As a stack the masks would take 1,080 MB.
    assert peak < 120e6


def test_prompts_are_drawn_where_they_are_on_a_copy(picture):
    before = picture.copy()
    drawn = draw_prompts(
        picture, point_coords=[[20, 10], [60, 50]], point_labels=[1, 0], boxes=[5, 4, 70, 55]
    )
    np.testing.assert_array_equal(picture, before)
    assert drawn[10, 20].tolist() == drawn[4, 40].tolist() == [46, 204, 64]
    assert drawn[50, 60].tolist() == [255, 65, 54]
    np.testing.assert_array_equal(drawn[25:35, 15:60], picture[25:35, 15:60])


def test_larger_images_get_larger_marks():
    def marked(side: int) -> int:
        blank = np.zeros((side, side), np.uint8)
        return int(draw_prompts(blank, point_coords=[[side / 2, side / 2]]).any(-1).sum())

    assert marked(3000) > 4 * marked(300) > 0


def test_a_box_with_its_corners_swapped_is_drawn_all_the_same(picture):
    np.testing.assert_array_equal(
        draw_prompts(picture, boxes=[70, 55, 5, 4]), draw_prompts(picture, boxes=[[5, 4, 70, 55]])
    )


def test_an_overlay_is_enlarged_without_blurring_and_its_outlines_stay_thin() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 5:20] = 9
    painted = overlay(image, labels, scale=3)
    colour = overlay(image, labels, outline=False)[10, 10]
    assert painted.shape == (60, 90, 3)
    filled = (painted == colour).all(2)
    # One pixel of the enlarged image is outline on each side.
    assert filled.sum() == (30 - 2) * (45 - 2)
    assert filled[16:44, 16:59].all()


def test_ids_are_written_inside_their_masks() -> None:
    labels = np.zeros((200, 300), np.uint8)
    labels[20:180, 20:40] = 12  # an L: its centroid is outside
    labels[160:180, 20:280] = 12
    image = np.full((200, 300, 3), 90, np.uint8)
    changed = (overlay(image, labels, ids=True) != overlay(image, labels)).any(2)
    assert changed.sum() > 20
    rows, columns = np.nonzero(changed)
    assert labels[int(rows.mean()), int(columns.mean())] == 12


def test_a_scale_bar_has_the_longest_round_length_of_at_most_a_quarter() -> None:
    image = np.full((100, 400, 3), 128, np.uint8)

    def bar(pixel: float, scale: int = 1) -> int:
        white = (draw_scale_bar(image, (pixel, pixel), "m", scale=scale) == 255).all(2).sum(1)
        return int(white[white > 0][-1])  # below the text

    for pixel, length in ((0.65, 50), (0.02, 2), (30, 2000)):
        assert bar(pixel) == round(length / pixel)
    assert bar(0.65, scale=2) == round(20 / 0.325)
