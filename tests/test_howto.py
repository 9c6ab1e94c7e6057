"""The pages by trade: what they show runs from top to bottom and gives the tables they promise."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
import typer

from anymask.cli.app import app

pytestmark = pytest.mark.slow

HOWTO = Path(__file__).parents[1] / "docs" / "howto"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_page(name: str) -> None:
    """Run the Python and the shell lines of a page in their order, in this process."""
    names: dict = {}
    text = (HOWTO / f"{name}.md").read_text(encoding="utf-8")
    for language, block in re.findall(r"```(python|sh)\n(.*?)```", text, re.S):
        if language == "python":
            exec(block, names)
        else:
            for line in block.strip().split("\n"):
                command, *words = shlex.split(line)
                assert command == "anymask"
                code = typer.main.get_command(app).main(words, standalone_mode=False)
                assert not code, line


def table(path: str) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_plants_spectra_and_areas_of_leaves(here) -> None:
    run_page("plants")
    leaves = table("leaves.csv")
    assert len(leaves) >= 4
    assert {"area_mm2", "solidity"} <= set(leaves[0])
    spectra = table("spectra.csv")
    assert len({row["object"] for row in spectra}) == len(leaves)
    assert Path("spectra.png").is_file()
    for row in table("indices.csv"):
        assert 0 < float(row["ndvi_pixels"]) <= float(row["area"])
        assert {"ndvi_mean", "ndvi_median", "ndvi_std", "green_mean"} <= set(row)
    plots = [f"plot_{number}.hdr" for number in (1, 2, 3)]
    every = table("all.csv")
    assert sorted({row["image"] for row in every}) == plots
    by_image = table("plots.csv")
    assert [row["image"] for row in by_image] == plots
    assert all(float(row["mean_ndvi_mean"]) > 0.1 for row in by_image)
    assert {row["image"] for row in table("all_spectra.csv")} == set(plots)
    for plot in ("areas.png", "ndvi.svg", "all_spectra.png"):
        assert Path(plot).is_file()


def test_microscopy_cells_and_the_bright_ones_among_them(here) -> None:
    run_page("microscopy")
    cells, positive = table("cells.csv"), table("positive.csv")
    assert 20 <= len(cells) <= 50
    assert 0 < len(positive) < len(cells)
    assert all(float(row["intensity_mean_marker"]) > 400 for row in positive)
    assert all(float(row["area_um2"]) < 3000 * 0.65**2 for row in cells)


def test_medicine_the_diameter_of_a_lesion_in_millimetres(here) -> None:
    run_page("medicine")
    (lesion,) = table("lesion.csv")
    assert 15 < float(lesion["feret_diameter_max_mm"]) < 22  # the box is 18.4 mm wide
    assert Path("report/evaluation.html").is_file()


def test_maps_outlines_in_map_coordinates_and_areas_in_square_metres(here) -> None:
    run_page("maps")
    assert len(table("fields.csv")) >= 20
    assert "area_m2" in table("fields.csv")[0]
    text = Path("fields.geojson").read_text(encoding="utf-8")
    assert "32632" in text
    assert re.search(r"\[50\d{4}(\.\d+)?, ?539\d{4}", text)
    picked = json.loads(Path("picked.geojson").read_text(encoding="utf-8"))["features"]
    assert [each["properties"]["class_name"] for each in picked] == ["field"] * 3


def test_data_sets_yolo_coco_and_a_split(here) -> None:
    run_page("data_sets")
    assert len(list(Path("yolo").rglob("*.txt"))) >= 8
    assert Path("coins.json").is_file()
    assert Path("set/split.json").is_file()
    boxed = [text.split() for path in Path("boxed/labels").iterdir() for text in [path.read_text()]]
    assert len(boxed) == 8
    assert any(boxed)
    assert len(list(Path("boxed/images").glob("*.png"))) == 8
