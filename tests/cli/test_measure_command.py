"""`anymask measure`: from an image and its masks to a table."""

from __future__ import annotations

import csv
import json
from functools import partial

import numpy as np
import pyarrow.parquet
import pytest
import tifffile
from PIL import Image as Pillow

from anymask.cli.console import out
from anymask.io import save_masks
from anymask.masks.mask_set import MaskSet


@pytest.fixture
def run(cli):
    """Run this command: `run(path, "--json")`."""
    return partial(cli, "measure")


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros((40, 60), np.uint16)
    y, x = np.mgrid[:40, :60]
    labels[(y - 20) ** 2 + (x - 15) ** 2 <= 10**2] = 9
    labels[5:9, 30:58] = 300
    labels[30:32, 50:52] = 2
    return labels


@pytest.fixture
def files(tmp_path, labels):
    """A calibrated 16-bit image of two channels, and its label image."""
    image = np.stack([labels * 3, labels + 5]).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "cells.tif",
        image,
        imagej=True,
        resolution=(2, 2),
        metadata={"unit": "um", "axes": "CYX"},
    )
    save_masks(labels, tmp_path / "labels.png")
    return tmp_path / "cells.tif", tmp_path / "labels.png"


def test_the_table_has_every_object_in_the_unit_of_the_image(run, tmp_path, files, labels):
    result = run(*files, "--out", tmp_path / "t.csv")
    assert result.exit_code == 0, result.output
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["2", "9", "300"]
    assert float(rows[2]["area_um2"]) == 4 * 28 / 4
    assert float(rows[2]["intensity_mean_0"]) == 900
    assert float(rows[1]["intensity_max_1"]) == 14
    assert (rows[2]["bbox_x"], rows[2]["bbox_width"]) == ("30", "28")


def test_a_condition_selects_objects_by_measurements(run, tmp_path, files):
    condition = "area > 20 and circularity > .8"
    result = run(*files, "--where", condition, "-o", tmp_path / "t.parquet")
    assert result.exit_code == 0, result.output
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet")
    assert table["id"].to_pylist() == [9]
    assert "1 of 3 objects." in result.stderr


def test_a_given_pixel_size_overrides_that_of_the_image(run, files):
    options = ("--pixel-size", "3", "--unit", "mm", "--properties", "area,bbox", "--json")
    rows = json.loads(run(*files, *options).stdout)
    assert [row["area_mm2"] for row in rows] == [4 * 9, 317 * 9, 112 * 9]
    assert list(rows[0]) == ["id", "area_mm2", "bbox_x", "bbox_y", "bbox_width", "bbox_height"]


def test_without_a_file_the_table_is_shown_with_units(run, files):
    result = run(*files)
    assert result.exit_code == 0, result.output
    assert "Area (µm²)" in result.stdout
    assert "300" in result.stdout
    assert "3 objects." in result.stderr


def test_the_named_properties_are_shown(run, files):
    result = run(*files, "--properties", "eccentricity,intensity_max")
    assert result.exit_code == 0, result.output
    for heading in ("Id", "Eccentricity", "Intensity max 0", "Intensity max 1"):
        assert heading in result.stdout
    assert "Area" not in result.stdout


def test_a_narrow_screen_shows_whole_columns(run, files, monkeypatch):
    monkeypatch.setattr(out, "width", 60)
    result = run(*files)
    assert "Perimeter" in result.stdout
    assert "…" not in result.stdout
    assert "--out writes all" in result.stdout


def test_a_photograph_without_scale_is_measured_in_pixels(run, tmp_path, files, labels):
    Pillow.fromarray(np.dstack([labels.astype(np.uint8)] * 3)).save(tmp_path / "a.png")
    rows = json.loads(run(tmp_path / "a.png", files[1], "--json").stdout)
    assert rows[0]["area"] == 4
    assert rows[0]["intensity_mean_red"] == 2


def test_masks_of_any_format_are_measured_with_their_classes(run, tmp_path, files, labels):
    masks = MaskSet.from_labels(labels).with_class_names(["dust", "cell", "fibre"])
    save_masks(masks, tmp_path / "labels" / "a.txt")
    rows = json.loads(run(files[0], tmp_path / "labels" / "a.txt", "--json").stdout)
    assert [(row["id"], row["class_name"]) for row in rows] == [
        (1, "dust"),
        (2, "cell"),
        (3, "fibre"),
    ]


def test_a_plane_of_a_stack_can_be_chosen(run, tmp_path, files, labels):
    stack = np.stack([np.full(labels.shape, level, np.uint16) for level in (10, 70, 40)])
    tifffile.imwrite(tmp_path / "s.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    assert "z planes" in run(tmp_path / "s.tif", files[1]).stderr
    for choice, expected in (("1", 70), ("max", 70), ("mean", 40)):
        rows = json.loads(run(tmp_path / "s.tif", files[1], "--z", choice, "--json").stdout)
        assert {row["intensity_mean"] for row in rows} == {expected}


def test_an_existing_table_is_kept_without_overwrite(run, tmp_path, files):
    (tmp_path / "t.csv").write_text("mine")
    result = run(*files, "-o", tmp_path / "t.csv")
    assert result.exit_code == 2
    assert (tmp_path / "t.csv").read_text() == "mine"
    assert run(*files, "-o", tmp_path / "t.csv", "--overwrite").exit_code == 0
    assert (tmp_path / "t.csv").read_text().startswith("id,")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--where", "aera > 200"), "at character 1"),
        (("--where", "area"), "numbers, not yes or no"),
        (("--where", "__import__('os')"), "at character"),
        (("--where", "(" * 1_000_000), "character"),
        (("--where", "area > 9**9**9**9"), "at character"),
        (("--pixel-size", "x", "--unit", "um"), "one number above 0"),
        (("--pixel-size", "2"), "needs a unit"),
        (("--properties", "colour"), "cannot be measured"),
        (("--out", "t.xlsx"), "neither a .csv nor a .parquet"),
        (("--z", "top"), "none of: an index from 0"),
    ],
)
def test_mistakes_give_one_sentence(run, files, options, what):
    result = run(*files, *options)
    assert result.exit_code == 2, result.output
    assert what in result.stderr
    assert result.stderr.count("\n") == 1


def test_masks_of_another_image_are_refused(run, tmp_path, files):
    save_masks(np.ones((5, 5), np.uint8), tmp_path / "other.tif")
    result = run(files[0], tmp_path / "other.tif")
    assert result.exit_code == 2
    assert "5×5 pixels" in result.stderr
