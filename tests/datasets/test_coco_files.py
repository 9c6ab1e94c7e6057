"""COCO files as annotation programs write them, read as data sets and by `load_masks`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from anymask.datasets.opening import open_dataset
from anymask.errors import AnymaskError
from anymask.io import load_masks

BOX = [10, 10, 30, 10, 30, 20, 10, 20]
"""The outline of columns 10 to 29, rows 10 to 19."""
PIXELS = np.zeros((48, 64), bool)
PIXELS[10:20, 10:30] = True
TURNED = 6


def run_lengths(*boxes):
    """Uncompressed run lengths of boxes (x0, y0, x1, y1), as brushes of CVAT write them."""
    mask = np.zeros((48, 64), bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    flat = mask.T.reshape(-1)
    borders = np.flatnonzero(np.diff(flat, prepend=False)).tolist()
    return {"size": [48, 64], "counts": np.diff([0, *borders, flat.size]).tolist()}


@pytest.fixture
def coco(tmp_path):
    """A function that writes a picture and a COCO file with these segmentations."""

    def write(*shapes, said=(64, 48), size=(64, 48), orientation=1, name="a.png", **fields):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", size).save(tmp_path / "a.png", exif=exif)
        image = {"id": 1, "file_name": name} | dict(zip(("width", "height"), said, strict=False))
        annotations = [
            {"id": i, "image_id": 1, "category_id": 1, "segmentation": shape, **fields}
            for i, shape in enumerate(shapes, 1)
        ]
        whole = {"images": [image], "annotations": annotations}
        path = tmp_path / "x.json"
        path.write_text(json.dumps(whole | {"categories": [{"id": 1, "name": "cell"}]}))
        return path

    return write


def masks_of(path, telling):
    """The masks of the only image, which are opened with a notice of this pattern."""
    with pytest.warns(UserWarning, match=telling):
        (example,) = open_dataset(path, min_area=1)
    return list(example.masks)


def test_polygons_for_a_larger_copy_of_the_image_are_scaled_and_it_is_said(coco):
    path = coco([[2 * value for value in BOX]], said=(128, 96))
    (mask,) = masks_of(path, "scaled from 128×96 to 64×48")
    np.testing.assert_array_equal(mask, PIXELS)
    with pytest.warns(UserWarning, match="scaled from 128×96 to 64×48"):
        read = load_masks(path, image=path.with_name("a.png"))
    np.testing.assert_array_equal(read[0], PIXELS)
    coco([[2 * value for value in BOX]], said=(127, 97))  # half of it, rounded
    assert len(masks_of(path, "scaled from 127×97 to 64×48")) == 1


@pytest.mark.parametrize("said", [(127, 98), (128, 90), (64, 50), (48, 64), (32, 24)])
def test_polygons_for_an_image_of_another_shape_are_refused_with_both_sizes(coco, said):
    path = coco([[60, 2, 63, 2, 63, 9]], said=said)  # 63 columns do not fit 32
    sizes = f"{said[0]}×{said[1]} and the image is 64×48"
    with pytest.raises(AnymaskError, match=sizes):
        open_dataset(path, min_area=1)
    with pytest.raises(AnymaskError, match=sizes):
        load_masks(path, image=path.with_name("a.png"))


def test_a_turned_photograph_may_have_the_size_it_has_before_it_is_turned(coco):
    path = coco([BOX], orientation=TURNED)
    (mask,) = masks_of(path, "taken as drawn on the upright image")
    assert mask.shape == (64, 48)
    assert mask[10:20, 10:30].all()
    assert mask.sum() == 200
    coco([[10, 50, 30, 50, 30, 60, 10, 60]], orientation=TURNED)  # only the upright one is so high
    assert open_dataset(path, min_area=1)[0].masks[0][50:60, 10:30].all()
    coco([[50, 10, 60, 10, 60, 20]], orientation=TURNED)  # only the turned one is so wide
    with pytest.raises(AnymaskError, match="before it is turned"):
        open_dataset(path, min_area=1)


def test_an_image_without_a_size_has_the_size_of_its_file(coco):
    for said in ((), (None, None)):
        path = coco([BOX], said=said)
        np.testing.assert_array_equal(open_dataset(path)[0].masks, [PIXELS])
        np.testing.assert_array_equal(load_masks(path, (48, 64))[0], PIXELS)


def test_a_mask_painted_with_a_brush_is_an_object_though_it_is_marked_as_a_crowd(coco):
    path = coco(run_lengths((10, 10, 30, 20)), iscrowd=1)
    (mask,) = masks_of(path, "Annotation 1 .* taken as an object")
    np.testing.assert_array_equal(mask, PIXELS)


def test_a_group_of_objects_is_left_out_by_name(coco):
    group = run_lengths((10, 10, 30, 20), (40, 30, 50, 40))
    path = coco([BOX], group, iscrowd=1)
    assert len(masks_of(path, "Annotation 2 .* 2 pieces, so it is left out")) == 1
    coco(group, iscrowd=1)
    with pytest.warns(UserWarning, match="left out as a group"), pytest.raises(AnymaskError):
        open_dataset(path)


def test_lists_of_run_lengths_single_polygons_and_parts_that_are_lines_are_read(coco):
    listed = [run_lengths((10, 10, 20, 20)), run_lengths((20, 10, 30, 20))]
    path = coco(listed, BOX, [BOX, [3, 3, 9, 9]], [[3, 3]])
    masks = masks_of(path, "fewer than three points")
    np.testing.assert_array_equal(masks, [PIXELS] * 3)
    with pytest.warns(UserWarning, match="fewer than three points"):
        read = load_masks(path)
    np.testing.assert_array_equal(read, [PIXELS] * 3 + [np.zeros_like(PIXELS)])


def test_annotations_that_are_only_boxes_are_counted(coco):
    path = coco([BOX], [], None)
    assert len(masks_of(path, "2 annotations have a box but no pixels")) == 1


def test_ids_may_be_text_in_one_place_and_numbers_in_another(coco):
    path = coco([BOX], image_id="1")
    np.testing.assert_array_equal(open_dataset(path)[0].masks, [PIXELS])
    np.testing.assert_array_equal(load_masks(path), [PIXELS])


@pytest.mark.parametrize("name", [r"sub\a b.png", "sub/a%20b.png"])
def test_names_of_images_may_be_written_as_on_windows_or_in_a_url(coco, name):
    path = coco([BOX], name=name)
    (path.parent / "sub").mkdir()
    path.with_name("a.png").rename(path.parent / "sub" / "a b.png")
    np.testing.assert_array_equal(open_dataset(path)[0].masks, [PIXELS])
