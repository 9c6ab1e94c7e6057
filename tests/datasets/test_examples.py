"""Reading images and masks from disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from anymask.datasets import open_dataset
from anymask.datasets.label_files import masks_of_labels
from anymask.datasets.sampling import choose_objects, spread
from anymask.errors import AnymaskError, ImageError

LABELS = np.zeros((20, 30), np.uint16)
LABELS[2:12, 3:13] = 7
LABELS[14:19, 20:28] = 300


def write_image(path, seed: int = 0, size: tuple[int, int] = (20, 30)) -> np.ndarray:
    """Write random colours as PNG and return them."""
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return image


def write_labels(path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, labels)
    else:
        Image.fromarray(labels).save(path)


@pytest.fixture
def many(tmp_path):
    """A set of seven images with label images."""
    for i in range(7):
        write_image(tmp_path / "many" / "images" / f"{i}.png", i)
        write_labels(tmp_path / "many" / "masks" / f"{i}.png", LABELS)
    return tmp_path / "many"


def test_label_images_become_one_mask_per_id(tmp_path):
    image = write_image(tmp_path / "cells" / "images" / "a.png")
    write_labels(tmp_path / "cells" / "masks" / "a.tif", LABELS)
    (example,) = open_dataset(tmp_path / "cells")
    assert (example.name, example.set_name) == ("a", "cells")
    np.testing.assert_array_equal(example.image, image)
    np.testing.assert_array_equal(example.masks, [LABELS == 7, LABELS == 300])


def test_a_binary_mask_becomes_one_mask_per_component(tmp_path):
    write_image(tmp_path / "img" / "a.png")
    write_labels(tmp_path / "gt" / "a_mask.png", ((LABELS > 0) * 255).astype(np.uint8))
    (example,) = open_dataset(tmp_path)
    np.testing.assert_array_equal(example.masks, [LABELS == 7, LABELS == 300])


def test_objects_selects_ids_or_components():
    split = np.array([[1, 0, 1], [0, 0, 0], [0, 2, 2]], np.uint8)
    assert [int(m.sum()) for m in masks_of_labels(split, "ids")] == [2, 2]
    assert [int(m.sum()) for m in masks_of_labels(split, "components")] == [1, 1, 2]
    assert [int(m.sum()) for m in masks_of_labels(split * 255, "ids")] == [2, 2]


def test_a_folder_of_binary_masks_may_have_overlapping_objects(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    masks = [LABELS == 7, LABELS > 0]
    for i, mask in enumerate(masks):
        write_labels(tmp_path / "masks" / "a" / f"{i}.png", (mask * 255).astype(np.uint8))
    (example,) = open_dataset(tmp_path)
    np.testing.assert_array_equal(example.masks, masks)


def test_masks_may_be_beside_the_images(tmp_path):
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "without.png")
    write_labels(tmp_path / "a_masks.png", LABELS)
    with pytest.warns(UserWarning, match=r"1 image without masks is left out: without\.png"):
        examples = open_dataset(tmp_path)
    assert [example.name for example in examples] == ["a"]


def test_coco_polygons_and_run_lengths_are_read_without_groups(tmp_path):
    write_image(tmp_path / "val2017" / "a.png")
    from pycocotools import mask as coco_mask

    packed = coco_mask.encode(np.asfortranarray((LABELS == 300).astype(np.uint8)))
    packed["counts"] = packed["counts"].decode()
    group = coco_mask.encode(np.asfortranarray((LABELS > 0).astype(np.uint8)))
    group["counts"] = group["counts"].decode()
    square = [[3, 2, 13, 2, 13, 12, 3, 12]]
    annotations = [
        {"id": 1, "image_id": 5, "segmentation": square},
        {"id": 2, "image_id": 5, "segmentation": packed},
        {"id": 3, "image_id": 5, "segmentation": group, "iscrowd": 1},
    ]
    images = [{"id": 5, "file_name": "a.png"}, {"id": 6, "file_name": "without.png"}]
    data = {"images": images, "annotations": annotations}
    path = tmp_path / "annotations" / "instances.json"
    path.parent.mkdir()
    path.write_text(json.dumps(data))
    for place in (tmp_path, path):
        (example,) = open_dataset(place)
        assert example.name == "a"
        np.testing.assert_array_equal(example.masks, [LABELS == 7, LABELS == 300])


@pytest.fixture
def coco(tmp_path):
    """A COCO file of four images: one with a mask, one missing, and two without masks."""
    for name in ("a.png", "blank.png", "boxes.png"):
        write_image(tmp_path / name)
    names = ("a.png", "gone.png", "blank.png", "boxes.png")
    square = [[3, 2, 13, 2, 13, 12, 3, 12]]
    annotations = [{"id": i, "image_id": i, "segmentation": square} for i in (0, 1)]
    annotations.append({"id": 3, "image_id": 3, "bbox": [3, 2, 10, 10]})
    images = [{"id": i, "file_name": name} for i, name in enumerate(names)]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def test_missing_images_and_missing_masks_of_a_coco_file_are_reported(coco):
    for place in (coco, coco.parent):
        with pytest.warns(UserWarning, match="left out") as told:
            dataset = open_dataset(place)
        assert [str(warning.message) for warning in told] == [
            f"{coco}: 1 annotation has a box but no pixels, and cannot be used.",
            "2 images without masks are left out: blank.png, boxes.png.",
            "1 file without its image is left out: gone.png.",
        ]
        assert [example.name for example in dataset] == ["a"]
        assert dataset.left_out.without_image == (coco.parent / "gone.png",)
        assert dataset.left_out.without_masks == (
            coco.parent / "blank.png",
            coco.parent / "boxes.png",
        )


def test_a_coco_file_without_its_images_is_refused_and_names_the_first(coco):
    (coco.parent / "a.png").unlink()
    with pytest.raises(ImageError, match=r"names the image a\.png, which is not in"):
        open_dataset(coco)


def test_images_without_masks_and_masks_without_images_are_reported(many):
    write_image(many / "images" / "alone.png")
    write_labels(many / "masks" / "orphan.png", LABELS.astype(np.uint8))
    with pytest.warns(UserWarning, match="without"):
        left_out = open_dataset(many, limit=2).left_out
    assert left_out.without_masks == (many / "images" / "alone.png",)
    assert left_out.without_image == (many / "masks" / "orphan.png",)


def test_a_folder_of_sets_is_read_set_by_set_with_their_names(tmp_path, many):
    write_image(tmp_path / "b" / "images" / "x.png")
    write_labels(tmp_path / "b" / "masks" / "x.png", LABELS)
    (tmp_path / "b" / "set.json").write_text('{"name": "second"}')
    assert open_dataset(tmp_path).set_names == ["second", "many"]


def test_sets_with_the_same_name_in_two_places_stay_separate(many):
    assert open_dataset(many, many).set_names == ["many", "many (2)"]


def test_a_limit_takes_images_spread_over_the_set(many):
    assert [e.name for e in open_dataset(many, limit=3)] == ["1", "3", "5"]
    assert len(open_dataset(many, limit=50)) == 7


def test_small_objects_are_left_out(many):
    example = open_dataset(many, min_area=41)[0]
    np.testing.assert_array_equal(example.masks, [LABELS == 7])


def test_an_example_is_found_by_name(many):
    examples = open_dataset(many)
    np.testing.assert_array_equal(examples.find("many", "4").image, examples[4].image)
    with pytest.raises(KeyError):
        examples.find("many", "9")


def test_spread_takes_the_middle_of_even_shares():
    assert spread(10, 2) == [2, 7]
    assert spread(7, 7) == list(range(7))
    for total in range(1, 30):
        for count in range(1, total + 1):
            chosen = spread(total, count)
            assert len(set(chosen)) == count
            assert chosen == sorted(chosen)


def test_objects_are_chosen_across_sizes_from_large_to_small():
    areas = [5, 900, 40, 30, 20, 10]
    assert choose_objects(areas, None) == [1, 2, 3, 4, 5, 0]
    assert choose_objects(areas, 2) == [2, 5]


def test_a_missing_place_a_bad_limit_and_json_that_is_not_coco_are_refused(tmp_path, many):
    with pytest.raises(ImageError, match=r"no file or folder .*nowhere"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(ImageError, match=r"0\.png is not a data set; give a folder"):
        open_dataset(many / "images" / "0.png")
    with pytest.raises(AnymaskError, match="at least 1"):
        open_dataset(many, limit=0)
    (tmp_path / "x.json").write_text('{"images": []}')
    with pytest.raises(ImageError, match=r"x\.json is not COCO"):
        open_dataset(tmp_path / "x.json")


def test_grey_masks_saved_as_colours_are_read(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    grey = np.repeat((LABELS > 0)[..., None] * np.uint8(255), 3, axis=2)
    write_labels(tmp_path / "masks" / "a.png", grey)
    assert len(open_dataset(tmp_path)[0].masks) == 2
