"""`anymask job`: what became of a run over a folder, and going on with it after any end."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.io import save_masks
from anymask.jobs.job_journal import JobJournal, read_job

QUICK = ("--points-per-side", "3", "--pred-iou-thresh", "0.1", "--stability-score-thresh", "0.1")


@pytest.fixture
def photos(scene_file, tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("one", "two"):
        shutil.copy(scene_file, folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    return folder


def results(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "job.jsonl"}


def test_a_job_tells_what_failed_and_goes_on(cli, photos, model, tmp_path, scene_file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("everything", "photos", "-o", "out", "-m", model, *QUICK).exit_code == 1
    (tmp_path / "out" / "two.masks.json").unlink()
    monkeypatch.chdir("/")
    out = tmp_path / "out"
    told = cli("job", "status", out)
    assert told.exit_code == 1
    assert "complete; 2 of 3 images done, 1 failed" in told.stdout
    assert "broken.png is not an image" in told.stdout

    resumed = cli("job", "resume", out)
    assert resumed.exit_code == 1
    assert "1 done, 1 kept, 1 failed" in resumed.stdout
    facts = json.loads(cli("job", "status", out, "--json").stdout)
    assert (facts["done"], facts["left"], facts["running"]) == (2, 0, False)
    assert facts["settings"]["options"]["points_per_side"] == 3
    assert len(facts["settings"]["model_sha256"]) == 64
    assert [each["image"] for each in facts["failures"]] == ["broken"]

    shutil.copy(scene_file, photos / "broken.png")
    again = cli("job", "resume", out)  # because its file has changed
    assert again.exit_code == 0
    assert "1 done, 2 kept" in again.stdout
    assert "3 of 3 images done." in cli("job", "status", out).stdout


def test_failed_images_are_tried_again_when_asked(cli, photos, model, tmp_path):
    out = tmp_path / "out"
    assert cli("everything", photos, "-o", out, "-m", model, *QUICK).exit_code == 1
    before = len((out / "job.jsonl").read_text().splitlines())
    assert cli("job", "retry-failed", out).exit_code == 1
    lines = [json.loads(line) for line in (out / "job.jsonl").read_text().splitlines()[before:]]
    assert [line.get("image") for line in lines] == [None, "broken"]
    assert lines[1]["sha256"] is not None


def test_a_second_job_into_the_same_folder_is_refused(cli, photos, model, tmp_path):
    out = tmp_path / "out"
    first = JobJournal(out, 3, 0, {}, None)
    try:
        refused = cli("everything", photos, "-o", out, "-m", model, *QUICK)
        assert refused.exit_code == 2
        assert f"Another run is writing into {out}" in refused.stderr
        assert "out: running; 0 of 3 images done" in cli("job", "status", out).stdout
    finally:
        first.close()
    assert sorted(p.name for p in out.iterdir()) == ["job.jsonl"]
    begun = cli("job", "resume", out)
    assert begun.exit_code == 2
    assert "was begun in Python; repeat that call with skip_existing=True" in begun.stderr


def test_one_image_is_no_job(cli, scene_file, model, tmp_path):
    out = tmp_path / "out"
    assert cli("everything", scene_file, "-o", out, "-m", model, *QUICK).exit_code == 0
    assert not (out / "job.jsonl").exists()
    refused = cli("job", "status", out)
    assert refused.exit_code == 2
    assert "has no job.jsonl; name the folder that a run over several images" in refused.stderr


def test_a_table_of_many_images_is_a_job_until_it_is_complete(cli, photos, tmp_path, monkeypatch):
    labels = np.zeros((180, 240), np.uint8)
    labels[20:60, 30:90] = 1
    for name in ("one", "two", "broken"):
        save_masks(labels, tmp_path / "masks" / f"{name}.labels.tif")
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "all.csv"
    assert cli("measure", "photos", "masks", "-o", "all.csv").exit_code == 1
    monkeypatch.chdir("/")
    told = cli("job", "status", table)
    assert told.exit_code == 1
    assert "all.csv: complete; 2 of 3 images done, 1 failed." in told.stdout
    assert "broken.png is not an image" in told.stdout
    facts = json.loads(cli("job", "status", f"{table}.unfinished", "--json").stdout)
    assert (facts["images"], facts["done"], facts["failed"], facts["left"]) == (3, 2, 1, 0)
    assert facts["settings"]["by"] == "object"

    shutil.copy(photos / "one.png", photos / "broken.png")
    resumed = cli("job", "retry-failed", table)
    assert resumed.exit_code == 0
    assert "1 done, 2 kept; 3 rows in" in resumed.stdout
    refused = cli("job", "resume", table)
    assert refused.exit_code == 2
    assert "all.csv is complete: no image is left to measure." in refused.stderr


@pytest.mark.slow
def test_stopped_in_the_middle_by_ctrl_c_and_by_kill_9_a_job_is_completed(
    cli, start_process, scene_file, model, tmp_path
):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    scene = Image.open(scene_file).convert("RGB")
    for number in range(12):
        scene.rotate(number).save(photos / f"{number:02}.png")
    options = ("-m", model, *QUICK, "--points-per-side", "16")
    words = ("everything", photos, "-o", out, *options, "--jobs", "2")
    for end, enough in ((signal.SIGINT, 2), (signal.SIGKILL, 5)):
        process = start_process(*words)
        wait_for(lambda n=enough: len(list(out.glob("*.masks.json"))) >= n, process)
        children = children_of(process.pid)
        assert len(children) == 2
        process.send_signal(end)
        process.communicate(timeout=60)
        if end == signal.SIGINT:
            assert process.returncode == 130
            assert not [p for p in out.iterdir() if p.name.startswith(".")]
        wait_for(lambda pids=children: not any(map(alive, pids)))
        state = read_job(out)
        assert 0 < state.left < 12
        words = ("job", "resume", out)
    finished = {p.name: p.stat().st_mtime_ns for p in out.glob("*.masks.json")}
    assert cli("job", "resume", out, "--jobs", "1").exit_code == 0
    assert all((out / name).stat().st_mtime_ns == when for name, when in finished.items())
    assert read_job(out).done == 12
    assert cli("everything", photos, "-o", tmp_path / "at once", *options).exit_code == 0
    assert {n: b for n, b in results(out).items() if n[0] != "."} == results(tmp_path / "at once")


def wait_for(condition, process=None) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
