"""`anymask measure` over folders, and how images were shown when their masks were found."""

from __future__ import annotations

import csv
import json
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile

from anymask.images.band_math import band_math
from anymask.images.spectral import reflectance
from anymask.io import save_masks
from anymask.io.results import write_results
from anymask.masks.mask_set import MaskSet


@pytest.fixture
def run(cli):
    """Run this command: `run(images, masks, "-o", table)`."""
    return partial(cli, "measure")


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros((24, 32), np.uint16)
    labels[9:20, 2:10], labels[3:20, 15:30] = 1, 2
    return labels


@pytest.fixture
def field(tmp_path, labels) -> Path:
    """Two images with masks, one without, and one that is damaged."""
    (tmp_path / "images").mkdir()
    for name in ("a", "b", "c", "d"):
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", labels * 7)
        if name != "c":
            save_masks(labels, tmp_path / "masks" / f"{name}.labels.tif")
    (tmp_path / "images" / "d.tif").write_bytes(b"II*\0no more")
    return tmp_path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_fails_is_reported_and_the_others_are_in_the_table(run, field):
    command = (field / "images", field / "masks", "-o", field / "t.csv", "--properties", "area")
    result = run(*command)
    assert result.exit_code == 1
    assert "2 done, 2 failed; 4 rows in" in result.stdout
    assert "c.tif has no masks" in result.stderr
    assert "d.tif" in result.stderr
    assert "t.csv.unfinished keeps finished images; --resume tries again" in result.stderr
    assert [row["image"] for row in rows_of(field / "t.csv")] == ["a.tif"] * 2 + ["b.tif"] * 2
    report = json.loads(run(*command, "--resume", "--json").stdout)
    assert (report["kept"], report["failed"], report["rows"]) == (2, 2, 4)


def test_a_pattern_and_an_existing_table(run, field):
    pattern = (field / "images" / "[ab].tif", field / "masks")
    assert run(*pattern, "-o", field / "t.csv", "--by", "image").exit_code == 0
    assert [row["objects"] for row in rows_of(field / "t.csv")] == ["2", "2"]
    again = run(*pattern, "-o", field / "t.csv", "--by", "image")
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    assert run(*pattern, "-o", field / "t.csv", "--overwrite").exit_code == 0
    assert run(*pattern, "-o", field / "t.csv", "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ((), "name it with --out"),
        (("-o", "t.csv", "--value", "ndvi("), "no function 'ndvi'"),
        (("-o", "t.csv", "--value", "1 + 1"), "names no band"),
        (("-o", "t.csv", "--long", "--value", "ndvi"), "leave these out"),
        (("-o", "t.csv", "--panel", "1,2"), "LEFT,TOP,WIDTH,HEIGHT"),
        (("-o", "t.csv", "--white", "no.hdr", "--panel", "1,2,3,4"), "only one of them"),
        (("-o", "t.csv", "--dark", "no.hdr"), "There is no file no.hdr"),
        (("-o", "t.xlsx"), "neither a .csv nor a .parquet"),
    ],
)
def test_mistakes_give_one_sentence(run, field, options, what):
    result = run(field / "images", field / "masks", *options)
    assert result.exit_code == 2, result.output
    assert what in result.stderr
    assert result.stderr.count("\n") == 1


def test_ctrl_c_keeps_finished_images_and_resume_completes_the_table(
    run, start_process, tmp_path, labels
):
    (tmp_path / "images").mkdir()
    for number in range(40):
        np.save(tmp_path / "images" / f"{number}.npy", labels)
        save_masks(labels, tmp_path / "masks" / f"{number}.png")
    table = tmp_path / "t.csv"
    command = (tmp_path / "images", tmp_path / "masks", "-o", table)
    process = start_process("measure", *command)
    deadline = time.monotonic() + 120
    while not Path(f"{table}.unfinished").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "Stopped." in said
    assert not table.exists()
    assert run(*command, "--resume").exit_code == 0
    assert len(rows_of(table)) == 80
    assert run(*command[:3], tmp_path / "once.csv").exit_code == 0
    assert table.read_bytes() == (tmp_path / "once.csv").read_bytes()


@pytest.fixture
def stack(tmp_path, labels) -> tuple[Path, Path]:
    """A z-stack, and masks that were found in its maximum projection."""
    values = np.stack([labels * number for number in (3, 9, 6)]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "s.tif", values, imagej=True, metadata={"axes": "ZYX"})
    picture = np.zeros((24, 32, 3), np.uint8)
    info = {"view": {"z": "max", "gamma": 0.8}}
    masks = MaskSet.from_labels(labels)
    write_results(tmp_path / "m" / "s", picture, masks, image_name="s.tif", info=info)
    return tmp_path / "s.tif", tmp_path / "m" / "s.masks.json"


def test_the_plane_that_masks_were_found_in_is_measured_and_said(run, stack):
    image, masks = stack
    cleaned = masks.with_name("s.cleaned.labels.tif")
    cleaned.write_bytes(masks.with_name("s.labels.tif").read_bytes())
    for file in (masks, masks.with_name("s.labels.tif"), cleaned):
        with pytest.warns(UserWarning, match="were found in z=max"):
            result = run(image, file, "--properties", "intensity_mean", "--json")
        assert [row["intensity_mean"] for row in json.loads(result.stdout)] == [9, 18]
    result = run(image, masks, "--properties", "intensity_mean", "--json", "--z", "0")
    assert [row["intensity_mean"] for row in json.loads(result.stdout)] == [3, 6]
    assert "3 z planes" in run(image, masks, "--ignore-view").stderr
    other = image.rename(image.with_name("other.tif"))  # of which nothing is recorded
    assert "3 z planes" in run(other, masks).stderr
    other.rename(image)
    table = image.with_name("t.csv")
    chosen = masks.parent / "s.masks.json"
    result = run(image.parent / "*.tif", chosen, "-o", table, "--properties", "intensity_max")
    assert "were found in --z max" in result.stderr
    assert [row["intensity_max"] for row in rows_of(table)] == ["9.0", "18.0"]


def test_reflectance_and_index_of_segment_are_measured_without_saying_so_again(
    cli, run, model, tmp_path
):
    cube = np.random.default_rng(0).integers(200, 4000, (48, 64, 3)).astype(np.uint16)
    cube[:, :, 2] //= 2
    np.save(tmp_path / "cube.npy", cube)
    np.save(tmp_path / "dark.npy", np.full((5, 64, 3), 90, np.uint16))
    light = ("--panel", "4,2,10,8", "--dark", tmp_path / "dark.npy")
    view = ("--wavelengths", "550,670,800", "--rgb", "ndvi")
    command = ("-p", "30,30", "-m", model, "-o", tmp_path / "m")
    result = cli("segment", tmp_path / "cube.npy", *command, *view, *light)
    assert result.exit_code == 0, result.output
    masks = tmp_path / "m" / "cube.ndvi.masks.json"
    made = json.loads(masks.read_text())["info"]["view"]
    assert made["reflectance"]["panel"] == [4, 2, 10, 8]
    assert made["reflectance"]["dark"]["file"] == str(tmp_path / "dark.npy")
    with pytest.warns(UserWarning, match="the wavelengths, reflectance, ndvi"):
        (row,) = json.loads(run(tmp_path / "cube.npy", masks, "--json").stdout)
    refl = reflectance(cube, dark=np.full(3, 90), panel=(2, 4, 8, 10)).numpy()
    ndvi = band_math(refl, "ndvi", wavelengths=[550, 670, 800])
    inside = tifffile.imread(masks.with_name("cube.ndvi.labels.tif")) > 0
    assert row["ndvi_mean"] == pytest.approx(ndvi[inside].mean(dtype=np.float64), rel=1e-5)
    assert row["intensity_mean_670nm"] == pytest.approx(refl[inside, 1].mean(), rel=1e-4)
    (tmp_path / "dark.npy").unlink()
    result = run(tmp_path / "cube.npy", masks)
    assert result.exit_code == 2
    assert "dark.npy" in result.stderr
    assert "--ignore-view" in result.stderr
    anew = run(tmp_path / "cube.npy", masks, "--panel", "4,2,10,8", "--wavelengths", "550,670,800")
    assert anew.exit_code == 0


def test_results_of_everything_are_kept_only_with_the_same_reflectance(cli, model, tmp_path):
    cube = np.random.default_rng(0).integers(200, 4000, (48, 64, 3)).astype(np.uint16)
    np.save(tmp_path / "cube.npy", cube)
    quick = ("--points-per-side", "2", "--pred-iou-thresh", "0.1", "--stability-score-thresh", "0")
    view = ("--wavelengths", "550,670,800", "--rgb", "ch[0]", "--low", "0", "--high", "1")
    command = ("everything", tmp_path / "cube.npy", "-m", model, *quick, *view)
    light = ("--panel", "4,2,10,8")
    assert cli(*command, "-o", tmp_path / "m", *light).exit_code == 0
    kept = cli(*command, "-o", tmp_path / "m", *light, "--skip-existing")
    assert "1 kept" in kept.stdout
    other = cli(*command, "-o", tmp_path / "m", "--skip-existing", "--overwrite")
    assert "1 done" in other.stdout
