"""Commands keep the place on the map, and mean the same units, with and without the image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from anymask.images.image import Image
from anymask.io import load_masks, save_masks
from anymask.io.results import write_results
from anymask.masks.mask_set import MaskSet

LABELS = np.zeros((20, 30), np.uint8)
LABELS[4:10, 5:15] = 3
LABELS[12:14, 5:8] = 4
UTM = {"transform": (500_000.0, 0.5, 0.0, 5_200_000.0, 0.0, -0.5), "crs": "EPSG:32632"}
CORNERS = {(500_002.5, 5_199_998.0), (500_007.5, 5_199_995.0)}


def outline(path: Path) -> set[tuple[float, float]]:
    (ring,) = json.loads(path.read_text())["features"][0]["geometry"]["coordinates"]
    return {tuple(point) for point in ring}


@pytest.mark.parametrize("suffix", [".tif", ".geojson"])
def test_commands_keep_the_reference_of_the_masks_they_read(cli, tmp_path: Path, suffix) -> None:
    image = Image(LABELS, "YX", geo=UTM, pixel_size=(0.5, 0.5), unit="m")
    path = tmp_path / f"a{suffix}"
    save_masks(LABELS, path, image=image)
    form = {".tif": "labels", ".geojson": "geojson"}[suffix]
    cleaned = cli("clean", path, "--fill-holes", "all", "--to", form)
    assert cleaned.exit_code == 0, cleaned.stderr
    (path,) = tmp_path.glob("a.cleaned*")
    converted = cli("convert", path, "--to", "geojson", "-o", tmp_path / "b.geojson")
    assert converted.exit_code == 0, converted.stderr
    assert outline(tmp_path / "b.geojson") >= CORNERS
    crs = json.loads((tmp_path / "b.geojson").read_text())["crs"]["properties"]["name"]
    assert crs == "urn:ogc:def:crs:EPSG::32632"
    assert cli("convert", path, "--to", "csv", "-o", tmp_path / "b.csv").exit_code == 0
    assert "area_m2" in (tmp_path / "b.csv").read_text()


@pytest.mark.parametrize(
    ("condition", "kept"),
    [("area > 10", {3}), ("area_px > 10", {3}), ("area > 5", {3}), ("area_px > 5", {3, 4})],
)
@pytest.mark.parametrize("ending", [".labels.tif", ".masks.json"])
def test_keep_and_where_mean_the_unit_of_the_file_and_area_px_pixels(
    cli, tmp_path: Path, condition: str, kept: set[int], ending: str
) -> None:
    picture, masks = np.zeros((*LABELS.shape, 3), np.uint8), MaskSet.from_labels(LABELS)
    stem, size = tmp_path / "a", (0.5, 0.5)  # 60 and 6 pixels are 15 and 1.5 µm²
    write_results(stem, picture, masks, image_name="a.tif", pixel_size=size, unit="µm")
    tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb")
    result = tmp_path / f"a{ending}"
    done = cli("clean", result, "--keep", condition, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert set(load_masks(tmp_path / "out" / f"a.cleaned{ending}").ids.tolist()) == kept
    done = cli("measure", tmp_path / "a.tif", result, "--where", condition, "--json")
    assert {row["id"] for row in json.loads(done.stdout)} == kept
