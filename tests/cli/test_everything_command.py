"""`anymask everything`: from files and folders to four results per image."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools import mask as coco_mask

import anymask
from anymask.io.results import SUFFIXES
from anymask.masks import rle
from anymask.option_fields import options_of
from anymask.predict.everything.options import EverythingOptions

# What `automatic.json` calls "default".
REFERENCE_OPTIONS = (
    *("--points-per-side", "16"),
    *("--pred-iou-thresh", "0.35"),
    *("--stability-score-thresh", "0.6"),
    *("--dtype", "float32"),
)
QUICK_OPTIONS = (
    *("--points-per-side", "4"),
    *("--pred-iou-thresh", "0.1"),
    *("--stability-score-thresh", "0.1"),
)


def files_of(folder: Path) -> list[str]:
    """Every file below a folder but the journal, hidden ones included."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "job.jsonl")
    return sorted(p.relative_to(folder).as_posix() for p in files)


def results_of(*names: str) -> list[str]:
    return sorted(name + suffix for name in names for suffix in SUFFIXES)


@pytest.fixture
def photos(tmp_path, scene_file) -> Path:
    """A folder with two images."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(scene_file, folder / "one.png")
    Image.open(scene_file).convert("RGB").transpose(Image.Transpose.ROTATE_90).save(
        folder / "two.png"
    )
    return folder


def test_the_masks_equal_those_of_the_published_implementation(
    cli, scene_file, model, reference, tmp_path
):
    result = cli("everything", scene_file, "-o", tmp_path, "-m", model, *REFERENCE_OPTIONS)
    assert result.exit_code == 0
    expected = json.loads((reference / "small" / "automatic.json").read_text())
    records = expected["masks"]["scene/default"]
    assert len(records) > 10

    coco = json.loads((tmp_path / "scene.masks.json").read_text())
    found = {
        round(a["predicted_iou"], 5): coco_mask.decode(a["segmentation"]).astype(bool)
        for a in coco["annotations"]
    }
    assert len(coco["annotations"]) == len(records)
    for record in records:
        score = min(found, key=lambda s: abs(s - record["predicted_iou"]))
        assert score == pytest.approx(record["predicted_iou"], abs=2e-5)
        differing = np.count_nonzero(found[score] != rle.decode(record["segmentation"]))
        assert differing <= 2  # pixels whose logit is a rounding error from the threshold

    with (tmp_path / "scene.masks.csv").open(newline="") as file:
        areas = [int(row["area"]) for row in csv.DictReader(file)]
    assert areas == sorted((r["area"] for r in records), reverse=True)
    labels = tifffile.imread(tmp_path / "scene.labels.tif")
    assert labels.dtype == np.uint16
    assert labels.shape == (180, 240)
    assert Image.open(tmp_path / "scene.overlay.png").size == (240, 180)
    assert f"{len(records)} " in result.stdout


def test_an_unreadable_image_is_reported_and_the_others_continue(cli, photos, model, tmp_path):
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    out = tmp_path / "out"
    result = cli("everything", photos, "missing.png", "-o", out, "-m", model, *QUICK_OPTIONS)
    assert result.exit_code == 1
    assert files_of(out) == results_of("one", "two")
    assert "broken.png" in result.stderr
    assert "missing.png" in result.stderr
    assert "Traceback" not in result.output
    assert "2 done, 2 failed" in result.stdout


def test_if_all_files_are_missing_it_exits_2_before_loading_a_model(cli, tmp_path):
    result = cli("everything", tmp_path / "no.png", "-o", tmp_path / "out", "-m", "no.pth")
    assert result.exit_code == 2
    assert "no.png" in result.stderr
    assert "no.pth" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_image_of_one_row_is_segmented(cli, model, tmp_path):
    size = (1, 40)
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "odd.png")
    result = cli("everything", tmp_path / "odd.png", "-o", tmp_path, "-m", model, *QUICK_OPTIONS)
    assert result.exit_code == 0
    assert tifffile.imread(tmp_path / "odd.labels.tif").reshape(size).shape == size


def test_sixteen_bit_images_are_segmented(cli, scene, model, tmp_path):
    tifffile.imwrite(tmp_path / "deep.tif", scene.astype(np.uint16) * 7, photometric="rgb")
    result = cli("everything", tmp_path / "deep.tif", "-o", tmp_path, "-m", model, *QUICK_OPTIONS)
    assert result.exit_code == 0
    assert tifffile.imread(tmp_path / "deep.labels.tif").shape == (180, 240)


def test_images_with_the_same_stem_do_not_overwrite_each_other(cli, photos, model, tmp_path):
    picture = Image.open(photos / "two.png")
    picture.resize((30, 40)).save(photos / "one.jpg")
    (photos / "deep").mkdir()
    picture.resize((50, 60)).save(photos / "deep" / "two.png")
    out = tmp_path / "out"
    pattern = photos / "**" / "*.*"
    result = cli("everything", pattern, "-o", out, "-m", model, *QUICK_OPTIONS)
    assert result.exit_code == 0
    assert files_of(out) == results_of("deep/two", "one.jpg", "one.png", "two")
    sizes = {name: Image.open(out / f"{name}.overlay.png").size for name in ("one.jpg", "deep/two")}
    assert sizes == {"one.jpg": (360, 480), "deep/two": (400, 480)}  # enlarged


def test_results_beside_the_images_are_not_segmented_themselves(cli, photos, model):
    for _ in range(2):
        result = cli("everything", photos, "-o", photos, "-m", model, *QUICK_OPTIONS, "--overwrite")
        assert result.exit_code == 0
    assert files_of(photos) == sorted(["one.png", "two.png", *results_of("one", "two")])
    assert "Skipped 4 files that anymask wrote" in result.stderr


def test_skip_existing_leaves_complete_results_alone(cli, photos, model, tmp_path):
    out = tmp_path / "out"
    command = ("everything", photos, "-o", out, "-m", model, *QUICK_OPTIONS, "--skip-existing")
    assert cli(*command).exit_code == 0
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.*.*")}
    (out / "two.labels.tif").unlink()
    result = cli(*command)
    assert result.exit_code == 0
    assert "1 done, 1 kept" in result.stdout
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.*.*")}
    changed = {name for name in after if after[name] != times[name]}
    assert changed == set(results_of("two"))


def test_an_image_without_masks_is_explained(cli, photos, model, tmp_path):
    options = ("--points-per-side", "2", "--pred-iou-thresh", "1")
    result = cli("everything", photos, "-o", tmp_path / "out", "-m", model, *options)
    assert result.exit_code == 0
    assert "lower --pred-iou-thresh" in result.stderr


@pytest.mark.parametrize("options", [(), ("--skip-existing", "--pred-iou-thresh", "0.2")])
def test_existing_results_are_not_replaced_without_overwrite(cli, photos, model, tmp_path, options):
    out = tmp_path / "out"
    command = ("everything", photos, "-o", out, "-m", model, *QUICK_OPTIONS)
    assert cli(*command).exit_code == 0
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.*.*")}
    result = cli(*command, *options)
    assert result.exit_code == 2
    assert "already has results for one and 1 more" in result.stderr
    assert "--overwrite" in result.stderr
    assert ("--skip-existing" in result.stderr) == (not options)
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.*.*")} == before
    assert cli(*command, *options, "--overwrite").exit_code == 0
    assert all(path.stat().st_mtime_ns > before[path.name] for path in out.glob("*.*.*"))


def test_every_option_reaches_the_generator(cli, scene_file, scene, model, tmp_path):
    options = {
        "order_by": "iou_times_stability",
        "points_per_side": 4,
        "points_per_batch": 16,
        "pred_iou_thresh": 0.2,
        "stability_score_thresh": 0.3,
        "stability_score_offset": 0.5,
        "box_nms_thresh": 0.6,
        "nms_by": "mask",
        "crop_n_layers": 1,
        "crop_nms_thresh": 0.5,
        "crop_overlap_ratio": 0.25,
        "crop_n_points_downscale_factor": 2,
        "min_mask_region_area": 30,
        "max_mask_share": 0.6,
        "tile_size": 200,
        "tile_overlap": 40,
    }
    assert options.keys() == options_of(EverythingOptions).keys()
    typed = [w for k, v in options.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    result = cli(
        "everything", scene_file, "-o", tmp_path, "-m", model, "--dtype", "float32", *typed
    )
    assert result.exit_code == 0, result.output
    sam = anymask.load(model, dtype="float32")
    masks = anymask.SamAutomaticMaskGenerator(sam, **options).generate_masks(scene)
    assert len(masks) > 3
    labels = tifffile.imread(tmp_path / "scene.labels.tif")
    np.testing.assert_array_equal(labels, masks.to_labels())


def test_errors_name_options_as_they_are_typed(cli, scene_file, tmp_path):
    result = cli("everything", scene_file, "-o", tmp_path, "-m", "no.pth", "--tile-overlap", "20")
    assert result.exit_code == 2
    assert "--tile-overlap is 20" in result.stderr
    assert "give --tile-size as well" in result.stderr


def test_the_help_has_every_option_with_its_range_and_choices(cli):
    shown = cli("everything", "--help").stdout
    for name, each in options_of(EverythingOptions).items():
        assert f"--{name.replace('_', '-')}" in shown
        for choice in each.choices:
            assert choice in shown
    assert "[0<=x<=1]" in shown


def test_json_reports_the_outcome_of_each_image(cli, photos, model, tmp_path):
    (photos / "broken.png").write_bytes(b"no image")
    result = cli(
        "everything", photos, "-o", tmp_path / "out", "-m", model, *QUICK_OPTIONS, "--json"
    )
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["done"], report["failed"]) == (2, 1)
    assert [each["status"] for each in report["outcomes"]] == ["failed", "done", "done"]
    assert "broken.png" in report["outcomes"][0]["reason"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--points-per-side", "0"), ("--pred-iou-thresh", "1.5"), ("--crop-n-layers", "-1")],
)
def test_an_option_out_of_its_range_exits_2(cli, scene_file, tmp_path, option, value):
    result = cli("everything", scene_file, "-o", tmp_path, option, value)
    assert result.exit_code == 2
    assert option in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_inside_a_file_is_refused_at_once(cli, scene_file, tmp_path):
    (tmp_path / "file").write_text("x")
    result = cli("everything", scene_file, "-o", tmp_path / "file" / "out", "-m", "no.pth")
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "choose another folder" in result.stderr


def test_a_full_disk_ends_the_run_with_a_sentence_and_keeps_complete_results(
    scene_file, model, tmp_path
):
    disk = tmp_path / "disk"
    disk.mkdir()
    for number in range(3):
        shutil.copy(scene_file, tmp_path / f"{number}.png")
    command = ["everything", *(str(tmp_path / f"{n}.png") for n in range(3)), "-o", str(disk)]
    command += ["-m", str(model), *QUICK_OPTIONS]
    # A file system of 240 kB, visible only to this command: room for results of two images.
    script = f'mount -t tmpfs -o size=240k tmpfs "{disk}"; "$@"; echo exit $?; ls -A "{disk}"'
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-m", "anymask", *command],
        env={
            "PYTHONPATH": str(Path(anymask.__file__).parents[1]),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "the disk is full; free some space" in run.stderr
    assert "Traceback" not in run.stderr
    _, _, rest = run.stdout.partition("exit ")
    code, *left = (word for word in rest.split() if word != "job.jsonl")
    assert code == "2"
    assert left == results_of("0", "1")


def test_ctrl_c_keeps_the_finished_images_and_exits_130(start_process, scene_file, model, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for number in range(40):
        shutil.copy(scene_file, photos / f"{number:02}.png")
    process = start_process("everything", photos, "-o", out, "-m", model, "--points-per-side", "16")
    deadline = time.monotonic() + 120
    while not (out / "01.masks.json").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"'anymask job resume {out}' goes on with the others.\nStopped." in stderr
    assert "Traceback" not in stderr
    assert " done; results in" in stdout

    left = files_of(out)
    finished = sorted({name.split(".")[0] for name in left})
    assert 2 <= len(finished) < 40
    assert left == results_of(*finished)
    for name in finished:
        assert json.loads((out / f"{name}.masks.json").read_text())["images"]
        assert tifffile.imread(out / f"{name}.labels.tif").shape == (180, 240)
