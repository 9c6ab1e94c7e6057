"""Layouts of images and masks on disk, beyond one label image per image."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image
from spectral import envi

from anymask.datasets.label_files import masks_of_labels, read_labels
from anymask.datasets.layouts import find
from anymask.datasets.opening import open_dataset
from anymask.errors import AnymaskError, ImageError
from anymask.files import sha256
from anymask.io import load_masks
from anymask.io.results import LABELS as LABELS_SUFFIX
from anymask.io.results import result_path, write_results
from anymask.masks.mask_set import MaskSet

LABELS = np.zeros((40, 50), np.uint8)
LABELS[4:20, 5:22] = 1
LABELS[24:38, 28:44] = 2
BIG, SMALL = LABELS == 1, LABELS == 2


def write(path, array: np.ndarray):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*LABELS.shape, 3)).astype(np.uint8)


@pytest.fixture
def results(tmp_path):
    """An image and its anymask results with classes, in one folder."""
    write(tmp_path / "photos" / "a.jpg", picture())
    masks = MaskSet.from_labels(LABELS).with_class_names(["leaf", "stem"])
    write_results(tmp_path / "photos" / "a", picture(), masks, image_name="a.jpg")
    return tmp_path / "photos"


def test_an_envi_pair_is_one_image_in_a_set(tmp_path):
    (tmp_path / "images").mkdir()
    envi.save_image(str(tmp_path / "images" / "cube.hdr"), picture(), ext=".dat")
    write(tmp_path / "masks" / "cube.png", LABELS)
    (example,) = open_dataset(tmp_path)
    assert example.name == "cube"
    np.testing.assert_array_equal(example.masks, [BIG, SMALL])


def test_numbered_mask_files_beside_an_image_are_its_objects(tmp_path):
    for name, mask in (("_mask", BIG), ("_mask_1", SMALL)):
        write(tmp_path / f"benign (1){name}.png", mask)
    write(tmp_path / "benign (1).png", picture())
    write(tmp_path / "benign (10).png", picture(1))
    found = find(tmp_path)
    (source,) = found.sources
    np.testing.assert_array_equal(source.read()[1].masks, [BIG, SMALL])
    assert found.without_masks == [tmp_path / "benign (10).png"]
    assert found.without_image == []


def test_folders_within_images_and_masks_are_paired_with_each_other(tmp_path):
    for patient in ("p1", "p2"):
        write(tmp_path / "images" / patient / "x.png", picture())
        write(tmp_path / "masks" / patient / "x.png", LABELS)
    write(tmp_path / "images" / "y.png", picture())
    write(tmp_path / "masks" / "y.png", LABELS)
    assert [example.name for example in open_dataset(tmp_path)] == ["p1/x", "p2/x", "y"]


def test_a_nested_set_is_found_beside_notes(tmp_path):
    write(tmp_path / "Data" / "v1" / "cells" / "images" / "x.png", picture())
    write(tmp_path / "Data" / "v1" / "cells" / "masks" / "x.png", LABELS)
    (tmp_path / "Data" / "README.md").write_text("Cells.")
    assert open_dataset(tmp_path).set_names == ["cells"]


def test_jpeg_masks_are_binary_and_lossless_ones_are_preferred(tmp_path):
    binary = (LABELS > 0) * np.uint8(255)
    write(tmp_path / "images" / "a.png", picture())
    write(tmp_path / "masks" / "a.jpg", binary)
    assert set(np.unique(np.asarray(Image.open(tmp_path / "masks" / "a.jpg")))) > {0, 255}
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].masks, [BIG, SMALL])
    write(tmp_path / "masks" / "a.png", (BIG * 255).astype(np.uint8))
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].masks, [BIG])


def test_a_binary_mask_with_smoothed_edges_is_binary_and_many_ids_are_not():
    large = Image.fromarray((LABELS > 0) * np.uint8(255)).resize((200, 160), 0)
    smooth = np.asarray(large.resize((50, 40), Image.Resampling.LANCZOS))
    soft = np.asarray(large.rotate(1, Image.Resampling.BICUBIC))
    assert len(np.unique(soft)) > 8
    assert len(masks_of_labels(soft)) == 2
    assert len(masks_of_labels(smooth)) == 2
    ids = np.arange(1, 256, dtype=np.uint8).repeat(4).reshape(30, 34)
    assert len(masks_of_labels(ids)) == 255
    around = np.where(LABELS > 0, LABELS, 255).astype(np.uint8)
    around[20:24] = np.arange(3, 53)  # ids with white about them
    assert len(masks_of_labels(around)) == 53


def test_masks_with_alpha_are_read_by_their_colours(tmp_path):
    opaque = np.full(LABELS.shape, 255, np.uint8)
    path = write(tmp_path / "a.png", np.dstack([LABELS, LABELS, LABELS, opaque]))
    np.testing.assert_array_equal(read_labels(path), LABELS)
    np.testing.assert_array_equal(read_labels(write(path, np.dstack([LABELS, opaque]))), LABELS)


def test_annotation_files_can_replace_masks(tmp_path):
    write(tmp_path / "labelme" / "a.png", picture())
    shapes = [
        {"label": "leaf", "shape_type": "polygon", "points": [[5, 4], [22, 4], [22, 20], [5, 20]]}
    ]
    data = {"shapes": shapes, "imageHeight": 40, "imageWidth": 50, "imagePath": "a.png"}
    (tmp_path / "labelme" / "a.json").write_text(json.dumps(data))
    write(tmp_path / "yolo" / "images" / "b.png", picture())
    (tmp_path / "yolo" / "labels").mkdir()
    (tmp_path / "yolo" / "labels" / "b.txt").write_text("0 .1 .1 .44 .1 .44 .5 .1 .5\n")
    by_set = {source.set_name: source.read()[1] for source in find(tmp_path).sources}
    np.testing.assert_array_equal(by_set["labelme"].masks, [BIG])
    assert by_set["labelme"].classes == ("leaf",)
    np.testing.assert_array_equal(by_set["yolo"].masks, [BIG])


def test_results_of_anymask_beside_their_images_are_masks_with_classes(results):
    write(results / "b.jpg", picture(1))
    masks = MaskSet.from_labels(LABELS)
    write_results(results / "b", picture(), masks, image_name="b.jpg")
    first, second = find(results).sources
    np.testing.assert_array_equal(first.read()[1].masks, [BIG, SMALL])
    assert (first.read()[1].classes, second.read()[1].classes) == (("leaf", "stem"), ())
    assert [example.name for example in open_dataset(results)] == ["a", "b"]


WHERE = ["above", "beside", "in the folder above", "in a folder beside", "elsewhere"]


@pytest.mark.parametrize("where", WHERE)
def test_results_find_their_images_in_nearby_or_given_folders(results, tmp_path, where):
    out = {"above": results / "out", "elsewhere": tmp_path / "x" / "y"}.get(where, tmp_path / "out")
    out.mkdir(parents=True)
    for path in results.glob("a.*.*"):
        shutil.move(path, out / path.name)
    if where == "in the folder above":
        results.rename(tmp_path / "images")
    elif where == "beside":
        shutil.move(results / "a.jpg", tmp_path / "a.jpg")
    places = [results] if where == "elsewhere" else []
    (source,) = find(out, images=places).sources
    assert source.image.name == "a.jpg"
    np.testing.assert_array_equal(source.read()[1].masks, [BIG, SMALL])
    if places:
        assert not find(out).sources


def test_results_find_the_right_one_of_two_images_with_the_same_name(tmp_path):
    for i, folder in enumerate(("x", "y", "z")):
        write(tmp_path / folder / "a.png", picture(i))
    content = {"sha256": sha256(tmp_path / "y" / "a.png")}
    masks = MaskSet.from_labels(LABELS)
    write_results(tmp_path / "out" / "a", picture(1), masks, image_name="a.png", info=content)
    assert find(tmp_path / "out").sources[0].image == tmp_path / "y" / "a.png"
    write_results(tmp_path / "out" / "a", picture(1), masks, image_name="a.png")
    assert not find(tmp_path / "out").sources


def test_results_in_the_masks_folder_of_a_set_get_its_name(tmp_path):
    write(tmp_path / "field" / "images" / "sub" / "a.png", picture())
    masks = MaskSet.from_labels(LABELS)
    stem = tmp_path / "field" / "masks" / "sub" / "a"
    write_results(stem, picture(), masks, image_name="a.png")
    write(tmp_path / "field" / "images" / "b.png", picture(1))
    write_results(tmp_path / "field" / "masks" / "b", picture(1), masks, image_name="b.png")
    assert [(e.set_name, e.name) for e in open_dataset(tmp_path / "field")] == [
        ("field", "b"),
        ("field", "sub/a"),
    ]


def test_overlapping_masks_are_kept_unless_the_labels_were_corrected(tmp_path):
    both = np.stack([LABELS > 0, SMALL])
    whole = MaskSet.from_masks(both)
    write(tmp_path / "a.png", picture())
    write_results(tmp_path / "a", picture(), whole, image_name="a.png")
    (example,) = open_dataset(tmp_path)
    np.testing.assert_array_equal(example.masks, both)
    corrected = np.zeros_like(LABELS)
    corrected[2:9, 3:9] = 7
    label_file = result_path(tmp_path / "a", LABELS_SUFFIX)
    tifffile.imwrite(label_file, corrected)
    (example,) = open_dataset(tmp_path)
    np.testing.assert_array_equal(example.masks, [corrected == 7])
    os.utime(label_file, (0, 0))  # a copy may have any time
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].masks, [corrected == 7])


def test_a_corrected_label_image_keeps_the_classes_of_its_ids(results):
    corrected = LABELS.copy()
    corrected[24:38, 28:34] = 0
    corrected[0:3, 40:48] = 3
    tifffile.imwrite(result_path(results / "a", LABELS_SUFFIX), corrected)
    truth = find(results).sources[0].read()[1]
    assert truth.classes == ("leaf", "stem", "")
    np.testing.assert_array_equal(truth.masks[1], corrected == 2)


def test_label_images_of_results_need_no_json(results):
    for path in results.glob("*.masks.*"):
        path.unlink()
    (example,) = open_dataset(results)
    np.testing.assert_array_equal(example.masks, [BIG, SMALL])


def test_several_coco_files_in_a_folder_are_read_without_repeats(tmp_path):
    box = [[5, 4, 22, 4, 22, 20, 5, 20]]
    for file, names in (("a_train.json", "pq"), ("b_val.json", "qr")):
        images = [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate(names)]
        annotations = [{"id": i, "image_id": i, "segmentation": box} for i in range(2)]
        (tmp_path / "annotations").mkdir(exist_ok=True)
        data = {"images": images, "annotations": annotations}
        (tmp_path / "annotations" / file).write_text(json.dumps(data))
    for i, name in enumerate("pqr"):
        write(tmp_path / "all" / f"{name}.png", picture(i))
    assert [example.name for example in open_dataset(tmp_path)] == ["p", "q", "r"]


def test_a_mask_file_larger_than_the_memory_is_refused(tmp_path):
    write(tmp_path / "images" / "a.png", picture())
    path = write(tmp_path / "masks" / "a.tif", LABELS)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        for tag in ("ImageLength", "ImageWidth"):
            place = tiff.pages.first.tags[tag].valueoffset
            data[place : place + 4] = (4_000_000).to_bytes(4, tiff.byteorder.replace("<", "little"))
    path.write_bytes(bytes(data))
    with pytest.raises(ImageError, match=r"a\.tif"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("place", ["", "masks/"])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_masks_of_cellpose_belong_to_their_image(tmp_path, place, ending):
    images = tmp_path / "images" if place else tmp_path
    write(images / "a.png", picture())
    write(images / "b_cp.png", picture(1))
    for name in ("a", "b"):
        write(tmp_path / f"{place}{name}_cp_masks{ending}", LABELS)
    examples = open_dataset(tmp_path)
    assert [example.name for example in examples] == ["a", "b_cp"]
    np.testing.assert_array_equal(examples[0].masks, [BIG, SMALL])


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_ids_are_the_same_through_every_door(tmp_path, suffix):
    path = tmp_path / "masks" / f"a{suffix}"
    write(tmp_path / "images" / "a.png", picture())
    path.parent.mkdir()

    def save(labels):
        np.save(path, labels) if suffix == ".npy" else tifffile.imwrite(path, labels)

    save(LABELS.astype(np.float32))
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].masks, [BIG, SMALL])
    np.testing.assert_array_equal(load_masks(path), [BIG, SMALL])
    for wrong, part in ((LABELS.astype(int) - 1, "has the id -1"), (LABELS / 3, "fractions")):
        save(wrong)
        for door in (open_dataset, load_masks):
            with pytest.raises(AnymaskError, match=f"a{suffix}.*{part}"):
                door(tmp_path if door is open_dataset else path)


def test_a_label_image_with_a_second_page_is_refused_unless_that_is_its_overview(tmp_path):
    path = tmp_path / "masks" / "a.tif"
    write(tmp_path / "images" / "a.png", picture())
    path.parent.mkdir()
    for kind, pages in ((1, "read"), (0, "refused")):
        with tifffile.TiffWriter(path) as file:
            file.write(LABELS, metadata=None)
            file.write(LABELS[::2, ::2], subfiletype=kind, metadata=None)
        if pages == "read":
            np.testing.assert_array_equal(load_masks(path), [BIG, SMALL])
            np.testing.assert_array_equal(open_dataset(tmp_path)[0].masks, [BIG, SMALL])
            continue
        for door in (open_dataset, load_masks):
            with pytest.raises(AnymaskError, match="has 2 pages, but a label image has one"):
                door(tmp_path if door is open_dataset else path)
