"""The four files of an image: what other programs read out of them."""

from __future__ import annotations

import csv
import json
import resource
import signal
from contextlib import contextmanager

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from anymask.errors import OutputError
from anymask.io import load_masks
from anymask.io.results import SUFFIXES, result_path, save_labels, write_results
from anymask.masks.mask_set import MaskSet
from anymask.masks.measure import measure
from anymask.show import overlay


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.fixture
def masks() -> MaskSet:
    stack = np.zeros((3, 40, 50), bool)
    stack[0, 5:8, 5:10] = True
    stack[1, 0:30, 0:40] = True
    stack[2, 35:40, 41:50] = True
    return MaskSet.from_records(
        [
            {"segmentation": mask, "predicted_iou": iou, "stability_score": 0.95}
            for mask, iou in zip(stack, (0.7, 0.8, 0.9), strict=True)
        ]
    )


def test_the_label_image_holds_the_ids_as_uint16(tmp_path, picture, masks):
    write_results(tmp_path / "a", picture, masks, image_name="a.png")
    labels = tifffile.imread(tmp_path / "a.labels.tif")
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels, masks.to_labels())
    assert labels[6, 6] == 3
    assert labels[20, 20] == 1


def test_more_ids_than_uint16_holds_become_uint32_unchanged(tmp_path):
    labels = np.arange(300 * 300, dtype=np.uint32).reshape(300, 300)
    save_labels(tmp_path / "a.tif", labels)
    read = tifffile.imread(tmp_path / "a.tif")
    assert read.dtype == np.uint32
    np.testing.assert_array_equal(read, labels)


def test_pillow_reads_the_label_image_too(tmp_path, picture, masks):
    write_results(tmp_path / "a", picture, masks, image_name="a.png")
    read = np.asarray(Image.open(tmp_path / "a.labels.tif"))
    np.testing.assert_array_equal(read, masks.to_labels())


def test_the_table_has_sizes_in_the_unit_of_the_pixels_where_it_is_known(tmp_path, picture, masks):
    write_results(tmp_path / "a", picture, masks, image_name="a.png")
    write_results(
        tmp_path / "b", picture, masks, image_name="b.png", pixel_size=(0.5, 0.2), unit="mm"
    )
    degrees = {"transform": (7.0, 0.001, 0.0, 47.0, 0.0, -0.001)}
    write_results(
        tmp_path / "c", picture, masks, image_name="c.tif", pixel_size=(0.001, 0.001),
        unit="degree", geo=degrees,
    )  # fmt: skip
    tables = {}
    for name in "abc":
        with (tmp_path / f"{name}.masks.csv").open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    assert list(tables["a"][0])[-1] == "stability_score"
    own = masks.with_ids(masks.ids)
    found = measure(own, pixel_size=(0.5, 0.2), unit="mm")
    for row in tables["b"]:
        at = own.ids.tolist().index(int(row["id"]))
        assert float(row["area_mm2"]) == pytest.approx(int(row["area"]) * 0.1)
        for name in ("perimeter", "axis_major_length", "feret_diameter_min"):
            assert float(row[f"{name}_mm"]) == pytest.approx(found[name][at], rel=1e-5)
    assert [name for name in tables["c"][0] if name.endswith(("_m", "_m2"))] == [
        "area_m2",
        "equivalent_diameter_area_m",
    ]
    assert 8400 * 15 < float(tables["c"][2]["area_m2"]) < 8500 * 15  # an object of 15 pixels


def test_the_overlay_is_that_of_the_label_image(tmp_path, picture, masks):
    write_results(tmp_path / "a", picture, masks, image_name="a.png")
    read = np.asarray(Image.open(tmp_path / "a.overlay.png"))
    np.testing.assert_array_equal(read, overlay(picture, masks.to_labels(), scale=10))


def test_pycocotools_reads_the_masks_and_scores(tmp_path, picture, masks):
    write_results(
        tmp_path / "a", picture, masks, image_name="a.png", info={"description": "anymask"}
    )
    coco = COCO(str(tmp_path / "a.masks.json"))
    assert coco.loadImgs(coco.getImgIds())[0]["file_name"] == "a.png"
    assert coco.dataset["info"]["description"] == "anymask"
    by_id = {annotation["id"]: annotation for annotation in coco.loadAnns(coco.getAnnIds())}
    for index, number in enumerate(masks.ids):
        annotation = by_id[number]
        decoded = coco_mask.decode(annotation["segmentation"]).astype(bool)
        np.testing.assert_array_equal(decoded, masks[index])
        assert annotation["predicted_iou"] == masks.predicted_iou[index]
        assert annotation["area"] == decoded.sum()


def test_the_table_has_one_row_a_mask_with_its_measures(tmp_path, picture, masks):
    write_results(tmp_path / "a", picture, masks, image_name="a.png")
    with (tmp_path / "a.masks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    smallest = rows[2]
    assert [smallest[f"bbox_{k}"] for k in ("x", "y", "width", "height")] == ["5", "5", "5", "3"]
    assert (smallest["centroid_x"], smallest["centroid_y"]) == ("7.0", "6.0")
    assert (smallest["area"], smallest["predicted_iou"]) == ("15", "0.7")
    assert smallest["stability_score"] == "0.95"


def test_ids_classes_and_pixel_size_given_are_in_all_files(tmp_path, picture, masks):
    named = masks.with_ids([70_000, 4, 9]).with_class_names(["cell", "", "leaf"])
    write_results(
        tmp_path / "a", picture, named, image_name="a.png", pixel_size=(0.5, 0.25), unit="µm"
    )
    with tifffile.TiffFile(tmp_path / "a.labels.tif") as tiff:
        np.testing.assert_array_equal(tiff.asarray(), named.to_labels())
        assert tiff.asarray()[6, 6] == 70_000
        assert tiff.imagej_metadata["unit"] == "micron"
        assert tiff.pages[0].tags["XResolution"].value == (4, 1)
    with (tmp_path / "a.masks.csv").open(newline="") as file:
        rows = [(row["id"], row["class_name"]) for row in csv.DictReader(file)]
    assert rows == [("4", ""), ("9", "leaf"), ("70000", "cell")]
    for name in ("a.labels.tif", "a.masks.json"):
        again = load_masks(tmp_path / name)
        assert again.ids.tolist() == [4, 9, 70_000]
        assert again.class_names == ("", "leaf", "cell")


def test_unknown_scores_are_empty_cells_and_null(tmp_path, picture):
    masks = MaskSet.from_labels(np.ones((40, 50), np.uint8))
    write_results(tmp_path / "a", picture, masks, image_name="a.png")
    with (tmp_path / "a.masks.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["predicted_iou"] == ""
    coco = json.loads((tmp_path / "a.masks.json").read_text())
    assert coco["annotations"][0]["predicted_iou"] is None


def test_an_image_without_masks_has_all_four_files_too(tmp_path, picture):
    masks = MaskSet.from_records([], (40, 50))
    files = write_results(tmp_path / "a", picture, masks, image_name="a.png")
    assert files == [result_path(tmp_path / "a", suffix) for suffix in SUFFIXES]
    assert tifffile.imread(tmp_path / "a.labels.tif").max() == 0
    assert (tmp_path / "a.masks.csv").read_text().count("\n") == 1
    shown = np.asarray(Image.open(tmp_path / "a.overlay.png"))
    assert np.array_equal(shown[::10, ::10], picture)  # 500 pixels wide, since it is small


def test_dots_in_a_name_stay(tmp_path, picture, masks):
    write_results(tmp_path / "scan.v2", picture, masks, image_name="scan.v2.png")
    assert (tmp_path / "scan.v2.labels.tif").exists()


def test_the_same_masks_give_the_same_bytes(tmp_path, picture, masks):
    for name in ("a", "b"):
        write_results(tmp_path / name, picture, masks, image_name="a.png")
    for suffix in SUFFIXES:
        assert (
            result_path(tmp_path / "a", suffix).read_bytes()
            == result_path(tmp_path / "b", suffix).read_bytes()
        )


def test_a_failure_at_the_last_file_leaves_none_of_the_four(tmp_path, picture, masks):
    unwritable = {"model": float("nan")}  # JSON has no NaN
    with pytest.raises(ValueError, match="JSON"):
        write_results(tmp_path / "a", picture, masks, image_name="a.png", info=unwritable)
    assert list(tmp_path.iterdir()) == []


def test_results_of_an_earlier_run_survive_a_failed_one(tmp_path, picture, masks):
    files = write_results(tmp_path / "a", picture, masks, image_name="a.png")
    before = [path.read_bytes() for path in files]
    fewer = masks.select([0])
    with pytest.raises(ValueError, match="JSON"):
        write_results(tmp_path / "a", picture, fewer, image_name="a.png", info={"x": float("nan")})
    assert [path.read_bytes() for path in files] == before
    assert len(list(tmp_path.iterdir())) == 4


@contextmanager
def room_for_one_kilobyte():
    """Let no file of this process grow beyond 1 kB: writes fail half-way, as on a full disk.

    Not a fixture: pytest's own report may go to a file, and is written before fixtures end.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_write_that_fails_half_way_is_an_error_and_leaves_no_file(tmp_path, picture, masks):
    expected = r"Cannot write .*a\.overlay\.png: .*larger than this file system allows"
    with room_for_one_kilobyte(), pytest.raises(OutputError, match=expected):
        write_results(tmp_path / "a", picture, masks, image_name="a.png")
    assert list(tmp_path.iterdir()) == []


def test_the_label_image_has_the_images_scale_and_place_on_the_map(tmp_path, picture, masks):
    geo = {"transform": (500_000.0, 0.5, 0.0, 5_600_000.0, 0.0, -0.5), "crs": "EPSG:32632"}
    write_results(
        tmp_path / "a", picture, masks, image_name="a.tif", pixel_size=(0.5, 0.5), unit="m", geo=geo
    )
    with tifffile.TiffFile(tmp_path / "a.labels.tif") as tiff:
        tags = tiff.pages.first.geotiff_tags
        assert tiff.imagej_metadata["unit"] == "m"
    assert tags["ModelPixelScale"] == [0.5, 0.5, 0.0]
    assert tags["ModelTiepoint"] == [0, 0, 0, 500_000.0, 5_600_000.0, 0]
    assert int(tags["ProjectedCSTypeGeoKey"]) == 32632
