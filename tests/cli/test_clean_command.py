"""`anymask clean`: from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from anymask.io import load_masks, save_masks
from anymask.io.results import write_results
from anymask.masks.clean import clear_border, fill_holes, remove_small_objects, smooth
from anymask.masks.mask_set import MaskSet
from anymask.masks.split import split_touching
from anymask.painting import overlay


@pytest.fixture
def labels() -> np.ndarray:
    """A ring with a speck in it (300 and 7), a dumbbell (20), an object at the border (4)."""
    y, x = np.mgrid[:80, :120]
    image = np.zeros((80, 120), np.uint16)
    from_centre = np.hypot(y - 25, x - 30)
    image[(from_centre < 16) & (from_centre > 8)] = 300
    image[24:26, 29:31] = 7
    image[(np.hypot(y - 60, x - 60) < 12) | (np.hypot(y - 60, x - 82) < 11)] = 20
    image[70:, :10] = 4
    return image


@pytest.fixture
def label_file(labels, tmp_path) -> Path:
    path = tmp_path / "cells.labels.tif"
    save_masks(labels, path, pixel_size=0.5, unit="µm")
    return path


def test_steps_run_in_the_order_of_the_help(cli, labels, label_file):
    result = cli(
        "clean", label_file, "--min-area", "30", "--clear-border", "all", "--split", "--smooth",
        "2", "--fill-holes", "all",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    expected = remove_small_objects(
        clear_border(split_touching(smooth(fill_holes(labels), 2), min_area=30)), 30
    )
    written = label_file.with_name("cells.cleaned.labels.tif")
    np.testing.assert_array_equal(tifffile.imread(written), expected)
    assert set(np.unique(expected)) == {0, 20, 300, 301}
    assert result.stdout.split() == [str(written), "4", "→", "3", "masks"]


def test_the_result_keeps_the_pixel_size_and_the_input_is_unchanged(cli, label_file):
    before = label_file.read_bytes()
    assert cli("clean", label_file, "--min-area", "10").exit_code == 0
    assert label_file.read_bytes() == before
    with tifffile.TiffFile(label_file.with_name("cells.cleaned.labels.tif")) as file:
        assert file.imagej_metadata["unit"] in ("µm", "um", "\\u00B5m", "micron")
        assert file.pages.first.tags["XResolution"].value == (2, 1)


def test_nothing_is_overwritten_without_overwrite(cli, label_file):
    target = label_file.with_name("cells.cleaned.labels.tif")
    target.write_bytes(b"mine")
    result = cli("clean", label_file, "--split")
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert target.read_bytes() == b"mine"
    assert cli("clean", label_file, "--split", "--overwrite").exit_code == 0
    assert tifffile.imread(target).max() == 301


def test_overlapping_masks_still_overlap_in_coco(cli, tmp_path):
    stack = np.zeros((3, 20, 30), bool)
    stack[0, 2:18, 2:20], stack[1, 5:15, 10:28], stack[2, 0, 0] = True, True, True
    stack[0, 8:10, 4:6] = False
    masks = MaskSet.from_masks(stack, object_ids=[5, 9, 2], class_names=["leaf", "leaf", "soil"])
    save_masks(masks, tmp_path / "a.masks.json", image="a.png")
    result = cli("clean", tmp_path, "--fill-holes", "all", "--class", "leaf", "-o", tmp_path / "x")
    assert result.exit_code == 0, result.stderr
    cleaned = load_masks(tmp_path / "x" / "a.cleaned.masks.json")
    assert cleaned.ids.tolist() == [5, 9]
    assert cleaned.areas.tolist() == [16 * 18, 180]
    assert cleaned.class_names == ("leaf", "leaf")
    result = cli("clean", tmp_path / "a.masks.json", "--overlaps", "first", "--to", "labels")
    assert result.exit_code == 0, result.stderr
    flat = tifffile.imread(tmp_path / "a.cleaned.labels.tif")
    np.testing.assert_array_equal(flat == 5, stack[0])


def test_split_pieces_keep_the_class_of_the_object(cli, labels, tmp_path):
    masks = MaskSet.from_labels(labels)
    names = ["dumbbell" if i == 20 else "other" for i in masks.ids]
    save_masks(masks.with_class_names(names), tmp_path / "c.tif")
    assert cli("clean", tmp_path / "c.tif", "--split").exit_code == 0
    cleaned = load_masks(tmp_path / "c.cleaned.labels.tif")
    classes = dict(zip(cleaned.ids.tolist(), cleaned.class_names, strict=True))
    assert classes == {4: "other", 7: "other", 20: "dumbbell", 300: "other", 301: "dumbbell"}


def test_objects_are_kept_by_id_by_condition_and_by_brightness(cli, labels, label_file, tmp_path):
    Image.fromarray(np.where(labels == 20, 200, 50).astype(np.uint8)).save(tmp_path / "cells.png")

    def kept(*options: object) -> set[int]:
        result = cli("clean", label_file, *options, "--overwrite")
        assert result.exit_code == 0, result.stderr
        written = label_file.with_name("cells.cleaned.labels.tif")
        return set(np.unique(tifffile.imread(written)).tolist()) - {0}

    assert kept("--keep", "1-20") == {4, 7, 20}
    assert kept("--keep", "area_px > 50 and depth == 0") == {4, 20, 300}
    assert kept("--keep", "depth == 1") == {7}
    assert kept("--keep", "intensity_mean > 100", "--image", tmp_path / "cells.png") == {20}


def test_regions_of_interest_are_boxes_polygons_and_files(cli, labels, label_file, tmp_path):
    def kept(region: object, how: str) -> set[int]:
        result = cli("clean", label_file, "--roi", region, "--roi-how", how, "--overwrite")
        assert result.exit_code == 0, result.stderr
        written = label_file.with_name("cells.cleaned.labels.tif")
        return set(np.unique(tifffile.imread(written)).tolist()) - {0}

    assert kept("0,0,60,50", "inside") == {7, 300}
    assert kept("0,50 119,50 119,79 0,79", "touching") == {4, 20}
    region = np.zeros(labels.shape, np.uint8)
    region[:, :40] = 255
    Image.fromarray(region).save(tmp_path / "region.png")
    assert kept(tmp_path / "region.png", "centre") == {4, 7, 300}


def test_one_bad_file_does_not_stop_the_others(cli, label_file, tmp_path):
    (tmp_path / "broken.masks.json").write_text('{"images": [')
    result = cli("clean", tmp_path, "--min-area", "30")
    assert result.exit_code == 1
    assert "broken.masks.json" in result.stderr
    assert "1 of 2 results could not be cleaned" in result.stderr
    assert label_file.with_name("cells.cleaned.labels.tif").exists()
    again = cli("clean", tmp_path, "--min-area", "30", "--overwrite")
    assert not list(tmp_path.glob("*.cleaned.cleaned.*"))
    assert "of 2 results" in again.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "No cleaning step is given"),
        (["--fill-holes", "some"], "--fill-holes 'some' is neither"),
        (["--clear-border", "left,up"], "'up' is not a side"),
        (["--roi", "3,4"], "--roi '3,4' is neither a box"),
        (["--roi", "nowhere.roi"], "nowhere.roi"),
        (["--keep", "aera > 3"], "did you mean 'area'"),
        (["--keep", "1,5"], "no mask with id 1"),
        (["--merge", "2"], "threshold is 2"),
        (["--overlaps", "best"], "'best' is not a rule"),
        (["--to", "word", "--split"], "There is no format 'word'"),
        (["--class", "leaf"], "no mask of class 'leaf'"),
    ],
)
def test_mistakes_give_one_sentence(cli, label_file, options, words):
    result = cli("clean", label_file, *options)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert not label_file.with_name("cells.cleaned.labels.tif").exists()


def test_binary_writes_one_black_and_white_image(cli, labels, label_file, tmp_path):
    folder = tmp_path / "out"
    result = cli("clean", label_file, "--keep", "4-7,300", "--binary", "-o", folder)
    assert result.exit_code == 0, result.stderr
    mask = np.asarray(Image.open(folder / "cells.binary.png"))
    np.testing.assert_array_equal(mask, np.isin(labels, [4, 7, 300]) * 255)
    again = cli("clean", label_file, "--keep", "4", "--binary", "-o", folder)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    refused = cli("clean", label_file, "--binary", "--to", "coco", "-o", folder)
    assert refused.exit_code == 2
    assert "leave out --to" in refused.stderr
    empty = cli("convert", folder, "--to", "coco", "-o", tmp_path / "x.json")
    assert "has no masks" in empty.stderr


def test_all_results_are_written_with_the_record_of_how_masks_were_found(cli, labels, tmp_path):
    stack = np.stack([labels % 200, 200 - labels % 200]).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    tifffile.imwrite(tmp_path / "photos" / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    masks = MaskSet.from_labels(labels)
    info = {"model": "small", "view": {"z": 1}}
    seen = np.stack([stack[1]] * 3, -1)
    write_results(tmp_path / "masks" / "a", seen, masks, image_name="a.tif", info=info)

    options = ("--min-area", 30, "-o", tmp_path / "clean")
    result = cli("clean", tmp_path / "masks", *options, "--images", tmp_path / "photos")
    assert result.exit_code == 0, result.stderr
    cleaned = remove_small_objects(labels, 30)
    out = tmp_path / "clean" / "a.cleaned"
    assert np.array_equal(tifffile.imread(f"{out}.labels.tif"), cleaned)
    assert np.array_equal(load_masks(f"{out}.masks.json").to_labels(), cleaned)
    assert len(Path(f"{out}.masks.csv").read_text().splitlines()) == 1 + 3
    assert np.array_equal(
        np.asarray(Image.open(f"{out}.overlay.png")), overlay(seen, cleaned, scale=4)
    )
    kept = json.loads(Path(f"{out}.masks.json").read_text())["info"]
    assert {name: kept[name] for name in info} == info

    # The cleaned masks say what they were found in wherever they are, also without the image.
    alone = cli(
        "clean", tmp_path / "masks" / "a.labels.tif", *options[:2], "-o", tmp_path / "alone"
    )
    assert alone.exit_code == 0
    table = cli(
        *("measure", tmp_path / "photos" / "a.tif", tmp_path / "alone" / "a.cleaned.labels.tif"),
        *("--properties", "intensity_mean", "--json"),
    )
    assert table.exit_code == 0, table.stderr
    means = {row["id"]: row["intensity_mean"] for row in json.loads(table.stdout)}
    assert means == {i: pytest.approx(stack[1][cleaned == i].mean()) for i in (4, 20, 300)}

    # Without images there is no overlay, and none of earlier masks is left.
    assert cli("clean", tmp_path / "masks", *options, "--overwrite").exit_code == 0
    assert not Path(f"{out}.overlay.png").exists()


def test_existing_results_are_kept(cli, label_file):
    beside = label_file.with_name("cells.cleaned.masks.csv")
    beside.write_text("mine")
    result = cli("clean", label_file, "--min-area", 10)
    assert result.exit_code == 2
    assert "cells.cleaned.masks.csv exists already" in result.stderr
    assert [path.name for path in label_file.parent.glob("*.cleaned.*")] == [beside.name]


def test_conditions_on_brightness_say_what_they_lack(cli, tmp_path):
    labels = np.zeros((12, 16), np.uint8)
    labels[2:6, 3:9] = 4
    save_masks(labels, tmp_path / "a.labels.tif")
    tifffile.imwrite(tmp_path / "a.tif", np.full((12, 16, 3), 9, np.uint8), photometric="rgb")
    command = ("clean", tmp_path / "a.labels.tif", "-o", tmp_path / "out", "--keep")
    told = cli(*command, "intensity_mean > 5")
    assert (told.exit_code, "give it with --images" in told.stderr) == (2, True)
    told = cli(*command, "intensity_mean_0 > 5", "--images", tmp_path / "a.tif")
    assert told.exit_code == 2
    assert "no 'intensity_mean_0'; it has intensity_mean_red, intensity_mean_green" in told.stderr
    kept = cli(*command, "intensity_mean_red > 5", "--images", tmp_path / "a.tif")
    assert kept.exit_code == 0, kept.stderr
