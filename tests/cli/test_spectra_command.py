"""`anymask spectra`: from a cube and masks to a table and a plot."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture
from spectral.io import envi

from anymask.images.object_spectra import object_spectra
from anymask.images.spectral import reflectance, smooth
from anymask.io.read_images import read
from anymask.masks.mask_set import MaskSet


@pytest.fixture(scope="module")
def truth(leaf_cube) -> Path:
    return leaf_cube.with_name("leaf_cube.labels.tif")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_equals_that_of_the_library_and_a_plot_is_written(
    cli, leaf_cube, truth, tmp_path
):
    table, plot = tmp_path / "a b é.csv", tmp_path / "plot.png"
    result = cli("spectra", leaf_cube, truth, "-o", table, "--plot", plot)
    assert result.exit_code == 0, result.output
    assert result.stdout.split("\n")[:2] == [str(table), str(plot)]
    expected = object_spectra(read(leaf_cube), tifffile.imread(truth))
    rows = rows_of(table)
    assert len(rows) == 7 * 178
    means = np.array([float(row["mean"]) for row in rows]).reshape(7, 178)
    np.testing.assert_allclose(means, expected.mean, rtol=1e-6)
    assert Picture.open(plot).size[0] > 800


def test_overlapping_masks_are_each_measured_whole(cli, leaf_cube, tmp_path):
    masks = np.zeros((2, 200, 280), bool)
    masks[0, 20:80, 30:90], masks[1, 40:60, 40:60] = True, True
    coco = MaskSet.from_masks(masks).to_coco("leaf_cube.hdr")
    (tmp_path / "masks.json").write_text(json.dumps(coco))
    result = cli("spectra", leaf_cube, tmp_path / "masks.json", "-o", tmp_path / "t.csv")
    assert result.exit_code == 0, result.output
    rows = rows_of(tmp_path / "t.csv")
    assert {row["object"]: row["pixels"] for row in rows} == {"1": "3600", "2": "400"}


def test_reflectance_comes_from_a_panel_or_from_reference_cubes(cli, leaf_cube, truth, tmp_path):
    image, labels = read(leaf_cube), tifffile.imread(truth)
    by_panel = tmp_path / "panel.csv"
    command = ("spectra", leaf_cube, truth)
    place = ("--panel", "226,12,42,34", "--smooth", "9")
    assert cli(*command, "-o", by_panel, *place).exit_code == 0
    expected = object_spectra(smooth(reflectance(image, panel=(12, 226, 34, 42)), 9), labels)
    means = [float(row["mean"]) for row in rows_of(by_panel)]
    np.testing.assert_allclose(means, expected.mean.ravel(), rtol=1e-5)

    for name, count in (("white", 9000), ("dark", 100)):
        envi.save_image(str(tmp_path / f"{name}.hdr"), np.full((5, 280, 181), count, np.uint16))
    references = ("--white", tmp_path / "white.hdr", "--dark", tmp_path / "dark.hdr")
    result = cli(*command, "-o", tmp_path / "white.csv", *references)
    assert result.exit_code == 0, result.output
    raw = object_spectra(image, labels).mean.ravel()
    means = [float(row["mean"]) for row in rows_of(tmp_path / "white.csv")]
    np.testing.assert_allclose(means, (raw - 100) / 8900, rtol=1e-4, atol=1e-5)


def test_without_a_file_a_part_is_shown(cli, leaf_cube, truth):
    result = cli("spectra", leaf_cube, truth)
    assert result.exit_code == 0
    assert "410 nm" in result.stdout
    assert "2662" in result.stdout.replace(",", "")


def test_files_are_replaced_only_with_overwrite(cli, leaf_cube, truth, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("mine")
    result = cli("spectra", leaf_cube, truth, "-o", table)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert table.read_text() == "mine"
    assert cli("spectra", leaf_cube, truth, "-o", table, "--overwrite").exit_code == 0
    assert len(rows_of(table)) == 7 * 178


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--panel", "1,2,3"), "LEFT,TOP,WIDTH,HEIGHT"),
        (("--panel", "270,190,42,34"), "not within"),
        (("--smooth", "4"), "must be odd"),
        (("--dark", "missing.npy"), "no file"),
        (("--header", "missing.hdr"), "missing.hdr|header"),
    ],
)
def test_mistakes_give_one_sentence(cli, leaf_cube, truth, options, part):
    result = cli("spectra", leaf_cube, truth, *options)
    assert result.exit_code == 2
    assert any(piece in result.stderr for piece in part.split("|"))
    assert len(result.stderr.strip().splitlines()) == 1


def test_masks_of_another_image_are_refused(cli, leaf_cube, tmp_path):
    tifffile.imwrite(tmp_path / "small.tif", np.ones((20, 30), np.uint8))
    result = cli("spectra", leaf_cube, tmp_path / "small.tif")
    assert result.exit_code == 2
    assert "30×20 pixels" in result.stderr
