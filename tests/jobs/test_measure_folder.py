"""Many images measured into one table: what it holds, and that it is whole after any end."""

from __future__ import annotations

import csv
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import tifffile

import anymask
from anymask import measure_folder
from anymask.errors import AnymaskError, ImageError, OutputError
from anymask.io import save_masks
from anymask.masks.mask_set import MaskSet

NAMES = ("a", "b", "c", "d", "e", "f")


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image of two channels and three objects."""
    labels = np.zeros((30, 40), np.uint16)
    labels[2:8, 3:9], labels[12:20, 5 : 12 + seed], labels[22:29, 25:35] = 1, 4, 9
    values = np.random.default_rng(seed).integers(0, 4000, (2, 30, 40), np.uint16)
    return values, labels


def calibrated(path: Path, values: np.ndarray, unit: str | None, size: float = 0.5) -> None:
    scale = {} if unit is None else {"resolution": (1 / size, 1 / size)}
    about = {"axes": "CYX"} | ({} if unit is None else {"unit": unit})
    tifffile.imwrite(path, values, imagej=True, metadata=about, **scale)


@pytest.fixture
def field(tmp_path) -> Path:
    """A folder with six images in `images` and their label images in `masks`."""
    (tmp_path / "images").mkdir()
    for seed, name in enumerate(NAMES):
        values, labels = drawn(seed)
        calibrated(tmp_path / "images" / f"{name}.tif", values, "um")
        save_masks(labels, tmp_path / "masks" / f"{name}.labels.tif")
    return tmp_path


@pytest.fixture
def run(field) -> Callable[..., object]:
    """Measure the field into a table: `run("t.csv", resume=True)`."""

    def measure(table: str, **options: object) -> object:
        return measure_folder(field / "images", field / "masks", field / table, **options)

    return measure


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def statuses(report) -> dict[str, str]:
    return {each.name: each.status for each in report.outcomes}


def test_the_table_has_the_rows_of_every_image_as_measured_alone(field, run):
    report = run("t.csv", values={"ratio": "ch[0] / ch[1]"})
    assert statuses(report) == dict.fromkeys(NAMES, "done")
    assert not (field / "t.csv.unfinished").exists()
    rows = rows_of(field / "t.csv")
    assert list(rows[0])[:4] == ["image", "id", "class_name", "num_pixels"]
    assert [row["image"] for row in rows[::3]] == [f"{name}.tif" for name in NAMES]
    assert report.rows == len(rows) == 18
    for seed, name in enumerate(NAMES):
        image = anymask.read(field / "images" / f"{name}.tif")
        alone = anymask.measure(drawn(seed)[1], image, values={"ratio": "ch[0] / ch[1]"})
        alone = alone.with_units_in_names()
        for column, values in alone.items():
            found = [float(row[column]) for row in rows[3 * seed : 3 * seed + 3]]
            np.testing.assert_array_equal(found, values)


def test_parquet_holds_the_same_with_types_and_units(field, run):
    run("t.csv", properties=["area", "num_pixels"])
    run("t.parquet", properties=["area", "num_pixels"])
    table = pyarrow.parquet.read_table(field / "t.parquet")
    rows = rows_of(field / "t.csv")
    assert table.column_names == list(rows[0])
    assert table["area_um2"].to_pylist() == [float(row["area_um2"]) for row in rows]
    assert str(table.schema.field("id").type) == "int64"
    assert table.schema.field("area_um2").metadata == {b"unit": "µm²".encode()}


def test_one_row_an_image_has_the_number_sums_and_means(field, run):
    run("t.csv", properties=["area", "circularity"], values={"first": "ch[0]"}, by="image")
    run("objects.csv", properties=["area", "circularity"], values={"first": "ch[0]"})
    objects = rows_of(field / "objects.csv")
    for number, row in enumerate(rows_of(field / "t.csv")):
        own = objects[3 * number : 3 * number + 3]
        mean = {name: np.mean([float(each[name]) for each in own]) for name in list(own[0])[3:]}
        assert int(row["objects"]) == 3
        assert float(row["sum_area_um2"]) == pytest.approx(3 * mean["area_um2"])
        assert float(row["mean_area_um2"]) == pytest.approx(mean["area_um2"])
        assert float(row["mean_circularity"]) == pytest.approx(mean["circularity"])
        assert float(row["mean_first_median"]) == pytest.approx(mean["first_median"])
        assert float(row["sum_first_pixels"]) == pytest.approx(3 * mean["first_pixels"])
        assert "sum_circularity" not in row


def test_spectra_in_long_form_are_those_of_each_object(field, run):
    run("t.csv", long=True, where="area > 10")
    rows = rows_of(field / "t.csv")
    assert [row["id"] for row in rows[:4]] == ["4", "4", "9", "9"]
    values, labels = drawn(0)
    expected = anymask.object_spectra(np.moveaxis(values, 0, -1), labels)
    assert [float(row["mean"]) for row in rows[:2]] == expected.mean[1].tolist()
    assert [float(row["median"]) for row in rows[2:4]] == expected.median[2].tolist()
    assert [row["band"] for row in rows[:2]] == ["0", "1"]


def test_classes_are_in_the_table_and_images_without_objects_have_no_rows(field, run):
    masks = MaskSet.from_labels(drawn(0)[1]).with_class_names(["leaf", "soil", "leaf"])
    save_masks(masks, field / "masks" / "a.masks.json")
    save_masks(np.zeros((30, 40), np.uint8), field / "masks" / "b.labels.tif", overwrite=True)
    assert run("t.csv", properties=["area"]).outcomes[1].masks == 0
    rows = rows_of(field / "t.csv")
    assert [row["class_name"] for row in rows[:4]] == ["leaf", "soil", "leaf", ""]
    assert "b.tif" not in {row["image"] for row in rows}


def test_sizes_are_in_one_unit_and_pixels_have_columns_of_their_own(field, run):
    calibrated(field / "images" / "b.tif", drawn(1)[0], "mm", 0.002)
    calibrated(field / "images" / "c.tif", drawn(2)[0], None)
    report = run("t.csv", properties=["area", "perimeter"], where="area > 0")
    rows = rows_of(field / "t.csv")
    assert list(rows[0])[3:] == ["area_um2", "perimeter_um", "area", "perimeter"]
    by_image = {row["image"]: row for row in rows if row["id"] == "1"}  # of 6×6 pixels
    assert float(by_image["a.tif"]["area_um2"]) == 36 / 4
    assert float(by_image["b.tif"]["area_um2"]) == pytest.approx(36 * 4)
    assert (by_image["c.tif"]["area"], by_image["c.tif"]["area_um2"]) == ("36.0", "")
    told = " ".join(report.notes)
    for part in ("such as b.tif, was converted", "such as c.tif, does not say", "mm, pixels, µm"):
        assert part in told
    run("mm.csv", properties=["area"], unit="mm")
    assert float(rows_of(field / "mm.csv")[0]["area_mm2"]) == pytest.approx(9e-6)


def test_a_bad_image_is_reported_and_tried_again_by_resume(field, run):
    good = (field / "images" / "c.tif").read_bytes()
    (field / "images" / "c.tif").write_bytes(good[:90])
    (field / "masks" / "d.labels.tif").unlink()
    report = run("t.csv")
    assert statuses(report) == {**dict.fromkeys(NAMES, "done"), "c": "failed", "d": "failed"}
    reasons = {each.name: each.reason for each in report.failed}
    assert "c.tif" in reasons["c"]
    assert "d.tif has no masks" in reasons["d"]
    assert len(rows_of(field / "t.csv")) == 12
    (field / "images" / "c.tif").write_bytes(good)
    save_masks(drawn(3)[1], field / "masks" / "d.labels.tif")
    report = run("t.csv", resume=True)
    assert statuses(report) == {**dict.fromkeys(NAMES, "kept"), "c": "done", "d": "done"}
    run("at once.csv")
    assert (field / "t.csv").read_bytes() == (field / "at once.csv").read_bytes()
    assert not list(field.glob("*t.csv.*"))


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("torn", [0, 20])
def test_a_stopped_table_is_completed_as_if_never_stopped(field, run, name, torn):
    report = run(name, cancel=lambda: (field / f"{name}.unfinished").stat().st_size > 9000)
    assert report.cancelled
    assert not (field / name).exists()
    kept = len(report.done)
    assert 0 < kept < 6
    journal = field / f"{name}.unfinished"
    journal.write_bytes(journal.read_bytes()[: -torn or None])
    report = run(name, resume=True)
    assert len(report.kept) == kept - bool(torn)
    run(f"once.{name}")
    assert (field / name).read_bytes() == (field / f"once.{name}").read_bytes()
    assert not journal.exists()


def test_after_kill_9_in_the_middle_finished_rows_stay(field, run):
    code = (
        "import sys\n"
        "from anymask import measure_folder\n"
        "def progress(now):\n"
        "    if now.index == 3:\n"
        "        print('three', flush=True); sys.stdin.read()\n"
        "measure_folder(*sys.argv[1:], progress=progress)"
    )
    table = field / "t.csv"
    process = subprocess.Popen(
        [sys.executable, "-c", code, field / "images", field / "masks", table],
        env={**os.environ, "PYTHONPATH": str(Path(anymask.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"three\n"
    with pytest.raises(OutputError, match="Another process"):
        run("t.csv", resume=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with pytest.raises(OutputError, match=r"earlier run finished; go on with --resume"):
        run("t.csv")
    report = run("t.csv", resume=True)
    assert [each.status for each in report.outcomes] == ["kept"] * 3 + ["done"] * 3
    run("once.csv")
    assert table.read_bytes() == (field / "once.csv").read_bytes()
    assert {path.name for path in field.iterdir()} == {"images", "masks", "t.csv", "once.csv"}


def test_what_changed_since_is_measured_again_and_other_settings_are_refused(field, run):
    stop = {"cancel": lambda: (field / "t.csv.unfinished").stat().st_size > 9000}
    kept = len(run("t.csv", **stop).done)
    calibrated(field / "images" / "a.tif", drawn(0)[0] + 1, "um")
    save_masks(np.minimum(drawn(1)[1], 4), field / "masks" / "b.labels.tif", overwrite=True)
    with pytest.raises(OutputError, match=r"other settings \(properties\)"):
        run("t.csv", resume=True, properties=["area"])
    report = run("t.csv", resume=True)
    assert len(report.kept) == kept - 2
    run("once.csv")
    assert (field / "t.csv").read_bytes() == (field / "once.csv").read_bytes()


def test_on_a_full_disk_finished_rows_stay(field, run):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, hard))
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(OutputError, match="larger than this file system allows"):
            run("t.csv")
    finally:
        signal.signal(signal.SIGXFSZ, before)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (field / "t.csv").exists()
    report = run("t.csv", resume=True)
    assert 0 < len(report.kept) < 6
    run("once.csv")
    assert (field / "t.csv").read_bytes() == (field / "once.csv").read_bytes()


def test_a_table_that_exists_is_kept_unless_agreed(field, run):
    (field / "t.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        run("t.csv")
    assert "nothing is left to resume" in run("t.csv", resume=True).notes[0]
    assert (field / "t.csv").read_text() == "mine"
    run("t.csv", overwrite=True)
    assert len(rows_of(field / "t.csv")) == 18


@pytest.mark.parametrize(
    ("options", "error", "what"),
    [
        ({"table": "t.xlsx"}, OutputError, r"neither a \.csv nor a \.parquet"),
        ({"table": "images"}, OutputError, "neither a"),
        ({"masks": "no"}, ImageError, "no file or folder"),
        ({"images": "no*.tif"}, ImageError, "no image"),
        ({"properties": ["colour"]}, AnymaskError, "cannot be measured"),
        ({"by": "class"}, AnymaskError, "neither 'object' nor 'image'"),
        ({"long": True, "by": "image"}, AnymaskError, "leave these out"),
        ({"white": "no.hdr"}, ImageError, "no file no.hdr"),
        ({"pixel_size": 2}, AnymaskError, "needs a unit"),
        ({"header": "x.hdr"}, AnymaskError, "header= is for one data file"),
    ],
)
def test_mistakes_are_told_at_once_and_leave_nothing_behind(field, options, error, what):
    arguments = {"images": "images", "masks": "masks", "table": "t.csv", **options}
    places = {name: field / arguments.pop(name) for name in ("images", "masks", "table")}
    with pytest.raises(error, match=what):
        measure_folder(**places, **arguments)
    assert {path.name for path in field.iterdir()} == {"images", "masks"}


def test_an_expression_that_no_image_has_fails_for_each_and_leaves_no_table(field, run):
    report = run("t.csv", values={"ndvi": "ndvi"})
    assert statuses(report) == dict.fromkeys(NAMES, "failed")
    assert "does not state the wavelengths" in report.failed[0].reason
    assert {path.name for path in field.iterdir()} == {"images", "masks"}


def test_without_pyarrow_a_parquet_table_is_refused_before_anything_is_measured(
    field, run, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    seen: list[object] = []
    with pytest.raises(OutputError, match=r'pip install "anymask\[parquet\]"'):
        run("t.parquet", progress=seen.append)
    assert not seen
