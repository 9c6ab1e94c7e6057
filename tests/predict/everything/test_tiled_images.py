"""Images larger than memory or than what the model sees at once: tiles, and lazy arrays."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from anymask.errors import ImageError
from anymask.predict.everything.generator import SamAutomaticMaskGenerator

LOOSE = {"points_per_side": 4, "pred_iou_thresh": 0.3, "stability_score_thresh": 0.5}


class Lazy:
    """Gives pixels only when it is sliced, and remembers how many at a time."""

    def __init__(self, pixels):
        self._pixels = pixels
        self.shape, self.dtype = pixels.shape, pixels.dtype
        self.largest = 0

    def __getitem__(self, index):
        part = self._pixels[index]
        self.largest = max(self.largest, part.size)
        return part


def assert_same_masks(actual, expected):
    assert len(actual) == len(expected)
    for one, other in zip(actual.counts, expected.counts, strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("predicted_iou", "stability_score", "point_coords", "crop_box"):
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name))


@pytest.fixture(scope="module")
def tiled(small_reference_sam):
    return SamAutomaticMaskGenerator(
        small_reference_sam, **LOOSE, tile_size=128, tile_overlap=32, crop_nms_thresh=0.9
    )


@pytest.fixture(scope="module")
def in_tiles(tiled, tall):
    """What is found in the tall image."""
    return tiled.generate_masks(tall)


def test_an_image_no_larger_than_a_tile_is_segmented_as_without_tiles(small_reference_sam, scene):
    as_one = SamAutomaticMaskGenerator(small_reference_sam, **LOOSE, tile_size=240)
    plain = SamAutomaticMaskGenerator(small_reference_sam, **LOOSE)
    assert_same_masks(as_one.generate_masks(scene), plain.generate_masks(scene))


def test_masks_of_tiles_lie_where_each_tile_has_them_by_itself(small_reference_sam, in_tiles, tall):
    found = in_tiles
    assert found.image_size == (300, 201)
    boxes = np.unique(found.crop_box, axis=0)
    assert len(boxes) > 4
    alone = SamAutomaticMaskGenerator(small_reference_sam, **LOOSE)
    compared = 0
    for x, y, width, height in boxes[(boxes[:, 2:] == 128).all(1)]:
        own = alone.generate_masks(tall[y : y + height, x : x + width])
        expected = {mask.tobytes() for mask in own}
        for mask in found.select((found.crop_box == (x, y, width, height)).all(1)):
            window = mask[y : y + height, x : x + width]
            assert window.sum() == mask.sum()
            assert window.tobytes() in expected
            compared += 1
    assert compared > 5


def test_masks_cut_by_a_tile_are_merged_or_dropped(in_tiles):
    found = in_tiles
    single = (found.crop_box[:, 2:] == 128).all(1)
    x0, y0, x1, y1 = found.boxes[single].T
    tile_x, tile_y, width, height = found.crop_box[single].T
    near = 2 * 128 / 64  # two low-resolution logits
    assert ((x0 - tile_x > near) | (tile_x == 0)).all()
    assert ((y0 - tile_y > near) | (tile_y == 0)).all()
    assert ((tile_x + width - 1 - x1 > near) | (tile_x + width == 201)).all()
    assert ((tile_y + height - 1 - y1 > near) | (tile_y + height == 300)).all()
    # Merged ones span several tiles, and lie within them.
    merged = found.select(~single)
    assert len(merged) > 0
    assert (merged.crop_box[:, 2:].max(1) > 128).all()
    assert (merged.boxes[:, :2] >= merged.crop_box[:, :2]).all()
    ends = merged.crop_box[:, :2] + merged.crop_box[:, 2:]
    assert (merged.boxes[:, 2:] < ends).all()


def test_crops_divide_each_tile(small_reference_sam, tall):
    found = SamAutomaticMaskGenerator(
        small_reference_sam, **LOOSE, tile_size=160, crop_n_layers=1
    ).generate_masks(tall)
    sizes = {tuple(size) for size in found.crop_box[:, 2:].tolist()}
    assert any(max(size) < 160 for size in sizes)
    assert any(max(size) >= 160 for size in sizes)


def test_an_image_is_read_tile_by_tile(tiled, in_tiles, tall, tmp_path):
    lazy = Lazy(tall)
    assert_same_masks(tiled.generate_masks(lazy), in_tiles)
    assert lazy.largest == 128 * 128 * 3
    np.save(tmp_path / "tall.npy", tall)
    mapped = np.load(tmp_path / "tall.npy", mmap_mode="r")
    assert_same_masks(tiled.generate_masks(mapped), in_tiles)


def test_a_lazy_image_needs_no_tiles(small_reference_sam, scene):
    generator = SamAutomaticMaskGenerator(small_reference_sam, **LOOSE, crop_n_layers=1)
    assert_same_masks(generator.generate_masks(Lazy(scene)), generator.generate_masks(scene))


def test_tiles_of_a_single_colour_are_left_out(tiled):
    image = np.zeros((128, 600, 3), np.uint8)
    image[:, :120] = data.chelsea()[:128, :120]
    calls = []
    found = tiled.generate_masks(image, progress=lambda done, total: calls.append((done, total)))
    assert len(found) > 0
    assert found.boxes[:, 2].max() < 128
    done, total = calls[-1]
    assert done == total == 16 * 6
    assert [d for d, _ in calls] == sorted({d for d, _ in calls})


@pytest.mark.parametrize(
    "image",
    [
        Lazy(np.zeros((40, 50), np.uint8)),
        Lazy(np.zeros((40, 50, 3), np.uint16)),
        Lazy(np.zeros((40, 0, 3), np.uint8)),
        Lazy(np.broadcast_to(np.uint8(0), (70_000, 70_000, 3))),
        [[1, 2], [3, 4]],
        None,
    ],
    ids=["gray", "16 bits", "empty", "too large", "list", "nothing"],
)
def test_lazy_images_that_are_no_rgb_are_refused_before_they_are_read(tiled, image):
    with pytest.raises(ImageError, match=r"^The image .*\.$"):
        tiled.generate_masks(image)
    assert getattr(image, "largest", 0) == 0
