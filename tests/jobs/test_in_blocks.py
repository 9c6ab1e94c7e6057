"""An image in blocks: the masks of one process, by any number of them, however often stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import anymask
from anymask import SamAutomaticMaskGenerator, segment_folder
from anymask.errors import AnymaskError
from anymask.io import load_masks
from anymask.io.corrected import newest_masks
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.folder_run import FolderRun
from anymask.jobs.in_blocks import plan as plans
from anymask.jobs.in_blocks.plan import Plan
from anymask.jobs.inputs import gather
from anymask.jobs.job_journal import read_job
from anymask.jobs.processes import Processes
from anymask.notices import noticing

OPTIONS = {
    "points_per_side": 4,
    "pred_iou_thresh": 0.1,
    "stability_score_thresh": 0.1,
    "tile_size": 120,
    "tile_overlap": 30,
}


@pytest.fixture(scope="module")
def image(reference: Path, tmp_path_factory) -> Path:
    """An image of six tiles."""
    path = tmp_path_factory.mktemp("photo") / "scene.png"
    shutil.copy(reference / "small" / "scene.png", path)
    return path


@pytest.fixture(scope="module")
def alone(image: Path, model: Path, tmp_path_factory) -> Path:
    """The results of one process that has the whole image in memory."""
    out = tmp_path_factory.mktemp("alone")
    segment_folder(image, out, model, **OPTIONS)
    return out


@pytest.fixture(autouse=True)
def small_parts(monkeypatch) -> None:
    """Parts of the label image that are smaller than it."""
    monkeypatch.setattr(plans, "_PART", 64)
    monkeypatch.setattr("anymask.io.label_pyramid.CHUNK", 32)
    monkeypatch.setattr("anymask.io.large_results.CHUNK", 32)


def check_same(out: Path, alone: Path) -> None:
    """The results are those of one process; the labels have every second pixel, and so on."""
    labels = tifffile.imread(alone / "scene.labels.tif")
    assert len(np.unique(labels)) > 5
    for level in range(len(list((out / "scene.labels.zarr").glob("[0-9]*")))):
        step = 2**level
        part = zarr.open_array(out / "scene.labels.zarr" / str(level), mode="r")[:]
        np.testing.assert_array_equal(part, labels[::step, ::step])
    for ending in (".masks.csv", ".masks.json"):
        assert (out / f"scene{ending}").read_bytes() == (alone / f"scene{ending}").read_bytes()
    assert not list(out.glob(".*blocks"))


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, id="one process"),
        pytest.param({"jobs": 2}, id="processes"),
        pytest.param({"dask": "local", "jobs": 2}, id="dask", marks=pytest.mark.slow),
    ],
)
def test_the_results_are_those_of_one_process_that_has_the_whole_image(
    image: Path, model: Path, alone: Path, tmp_path: Path, how: dict
) -> None:
    report = segment_folder(image, tmp_path / "out", model, blocks=True, **OPTIONS, **how)
    (done,) = report.done
    check_same(tmp_path / "out", alone)
    (before,) = segment_folder(image, alone, model, skip_existing=True, **OPTIONS).kept
    assert (done.masks, done.size) == (before.masks, (180, 240))
    assert "6 tiles" in done.notes[-1]
    painted = np.asarray(Image.open(tmp_path / "out" / "scene.overlay.png"))
    assert painted.shape == (180, 240, 3)
    assert read_job(tmp_path / "out").done == 1


def test_the_masks_are_those_of_the_generator(image: Path, model: Path, alone: Path) -> None:
    rgb = np.asarray(Image.open(image).convert("RGB"))
    found = SamAutomaticMaskGenerator(anymask.load(model), **OPTIONS).generate_masks(rgb)
    np.testing.assert_array_equal(tifffile.imread(alone / "scene.labels.tif"), found.to_labels())


def test_an_image_too_large_to_be_read_at_once_is_done_in_blocks_unasked(
    image: Path, model: Path, alone: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(plans, "MAX_PIXELS", 40_000)
    small = tmp_path / "photos" / "small.png"
    small.parent.mkdir()
    Image.open(image).convert("RGB").crop((0, 0, 90, 80)).save(small)
    shutil.copy(image, small.parent)
    report = segment_folder(small.parent, tmp_path / "out", model, **OPTIONS)
    assert [(each.name, each.status) for each in report.outcomes] == [
        ("small", "done"),
        ("scene", "done"),
    ]
    check_same(tmp_path / "out", alone)
    assert (tmp_path / "out" / "small.labels.tif").exists()
    again = segment_folder(small.parent, tmp_path / "out", model, skip_existing=True, **OPTIONS)
    assert len(again.kept) == 2
    assert load_masks(tmp_path / "out" / "scene.labels.zarr").image_size == (180, 240)


def test_a_stopped_run_goes_on_with_its_finished_tiles(
    image: Path, model: Path, alone: Path, tmp_path: Path
) -> None:
    tiles = tmp_path / "out" / ".scene.blocks" / "tiles"
    report = segment_folder(
        image, tmp_path / "out", model, blocks=True, **OPTIONS,
        cancel=lambda: len(list(tiles.glob("0*.npz"))) >= 2,
    )  # fmt: skip
    assert report.cancelled
    assert not report.outcomes
    finished = {path: path.stat().st_mtime_ns for path in tiles.iterdir()}
    assert len(finished) == 2
    looked = []

    def look(now) -> None:
        looked.append({path: path.stat().st_mtime_ns for path in finished if path.exists()})

    segment_folder(image, tmp_path / "out", model, blocks=True, **OPTIONS, progress=look)
    assert finished in looked
    assert all(each in (finished, {}) for each in looked)
    check_same(tmp_path / "out", alone)


def test_tiles_found_with_other_settings_are_not_used(
    image: Path, model: Path, alone: Path, tmp_path: Path
) -> None:
    other = {**OPTIONS, "pred_iou_thresh": 0.3}
    tiles = tmp_path / ".scene.blocks" / "tiles"
    segment_folder(
        image, tmp_path, model, blocks=True, **other,
        cancel=lambda: len(list(tiles.glob("0*.npz"))) >= 2,
    )  # fmt: skip
    segment_folder(image, tmp_path, model, blocks=True, **OPTIONS)
    check_same(tmp_path, alone)


def test_a_tile_that_fails_is_named_and_the_others_stay(
    image: Path, model: Path, alone: Path, tmp_path: Path, monkeypatch
) -> None:
    generate = SamAutomaticMaskGenerator.masks_of_tile

    def fails(self, image, tile, advance=None):
        if (tile.row, tile.column) == (1, 1):
            raise AnymaskError("This part of the file is damaged.")
        return generate(self, image, tile, advance)

    with monkeypatch.context() as patch:
        patch.setattr(SamAutomaticMaskGenerator, "masks_of_tile", fails)
        report = segment_folder(image, tmp_path, model, blocks=True, **OPTIONS)
    (failed,) = report.failed
    assert failed.reason.startswith("In tile 4: This part of the file is damaged.")
    assert len(list((tmp_path / ".scene.blocks" / "tiles").iterdir())) == 5
    segment_folder(image, tmp_path, model, blocks=True, **OPTIONS)
    check_same(tmp_path, alone)


def test_labels_corrected_afterwards_are_used(
    image: Path, model: Path, alone: Path, tmp_path: Path
) -> None:
    segment_folder(image, tmp_path, model, blocks=True, **OPTIONS)
    json_file = tmp_path / "scene.masks.json"
    before = load_masks(json_file)
    assert newest_masks(json_file, before) is before
    labels = zarr.open_array(tmp_path / "scene.labels.zarr" / "0", mode="r+")
    pixels = labels[:]
    gone = int(np.unique(pixels)[-1])
    labels[:] = np.where(pixels == gone, 0, pixels)
    with noticing() as notices:
        assert gone not in newest_masks(json_file, before).ids
    assert "scene.labels.zarr was corrected after" in notices[0]


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(
    image: Path, model: Path, alone: Path, tmp_path: Path
) -> None:
    run = FolderRun(FolderJob(tmp_path, str(model), OPTIONS, blocks=True), gather([str(image)]))
    tiles = Plan.of(tmp_path / "scene", run.todo[0], anymask.read(image)).tiles
    killed = []

    def kill_one() -> bool:
        if not killed and list(tiles.glob("0*.npz")):
            for process in children():
                killed.append(process)
                os.kill(process, signal.SIGKILL)
                break
        return False

    run.segment(executor=Processes(1), cancel=kill_one)
    assert killed
    assert [each.status for each in run.report.outcomes] == ["done"]
    check_same(tmp_path, alone)


@pytest.mark.slow
@pytest.mark.parametrize("how", [["--jobs", "2"], ["--dask", "local", "--jobs", "2"]])
def test_a_killed_command_is_resumed_without_doing_finished_tiles_again(
    image: Path, model: Path, alone: Path, tmp_path: Path, how: list[str]
) -> None:
    path = os.pathsep.join([str(Path(anymask.__file__).parents[1]), str(Path(__file__).parents[2])])
    anywhere = {"env": {**os.environ, "PYTHONPATH": path}, "cwd": tmp_path}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
    command = [sys.executable, "-m", "anymask"]
    work = [*command, "everything", str(image), "-o", "out", "-m", str(model), "--blocks", *options]
    tiles = tmp_path / "out" / ".scene.blocks" / "tiles"
    with subprocess.Popen([*work, *how], **anywhere, start_new_session=True) as first:
        until = time.monotonic() + 600
        while len(list(tiles.glob("0*.npz"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        first.kill()
    time.sleep(3)  # workers finish their tile and stop
    finished = {path: path.stat().st_mtime_ns for path in tiles.glob("0*.npz")}
    assert len(finished) >= 2
    seen = set()
    with subprocess.Popen([*command, "job", "resume", "out"], **anywhere) as again:
        while again.poll() is None:
            for path in finished:
                with suppress(FileNotFoundError):
                    seen.add((path, path.stat().st_mtime_ns))
            time.sleep(0.02)
    assert again.returncode == 0
    assert seen == set(finished.items())
    check_same(tmp_path / "out", alone)


def children() -> list[int]:
    """The processes that this one started and that are Python."""
    import psutil

    return [each.pid for each in psutil.Process().children() if "python" in each.name()]
