"""A run over a folder: what is done, skipped and failed, and that it can go on after any end."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import anymask
from anymask import segment_folder
from anymask.errors import AnymaskError, ImageError, OutputError
from anymask.io import save_masks
from anymask.io.results import SUFFIXES
from anymask.io.view import View
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.folder_run import FolderRun
from anymask.jobs.inputs import gather
from anymask.jobs.worker import Worker
from anymask.masks.mask_set import MaskSet
from anymask.notices import ReadingNotice
from tests.io.dicom_files import write_series

QUICK = {"points_per_side": 3, "pred_iou_thresh": 0.1, "stability_score_thresh": 0.1}


@pytest.fixture
def run(photos, model, tmp_path):
    """Segment the photos into `out` with the small model."""
    return partial(segment_folder, photos, tmp_path / "out", model, **QUICK)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the journal, hidden ones included."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "job.jsonl"
    }


def statuses(report) -> list[tuple[str, str]]:
    return [(each.name, each.status) for each in report.outcomes]


def test_a_folder_of_slices_is_one_volume_if_a_plane_of_it_is_named(model, tmp_path):
    folder = write_series(tmp_path / "ct", (20, 30))
    one = segment_folder(folder, tmp_path / "one", model, z=1, reading={"series": 0}, **QUICK)
    assert statuses(one) == [("ct", "done")]
    coco = json.loads((tmp_path / "one" / "ct.masks.json").read_text("utf-8"))
    assert coco["info"]["view"] == {"z": 1, "series": 0}
    (item,) = gather([str(folder)], View(planes={"z": 1})).items
    assert View(planes={"z": 1}).open(item.path).array[0, 0] == 5  # IM2, in the middle
    with pytest.warns(ReadingNotice, match="the 3 slices of a DICOM series") as told:
        single = gather([str(folder)], View())
    assert [item.title for item in single.items] == ["IM0", "IM1", "IM2"]
    assert len(told) == 1


def test_the_report_says_what_became_of_each_image_and_why(photos, model, run, tmp_path):
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    report = segment_folder([photos, tmp_path / "no.png"], tmp_path / "out", model, **QUICK)
    assert statuses(report) == [
        (str(tmp_path / "no.png"), "failed"),
        ("broken", "failed"),
        ("one", "done"),
        ("three", "done"),
        ("two", "done"),
    ]
    assert len(contents(tmp_path / "out")) == 3 * len(SUFFIXES)
    missing, broken = report.failed
    assert "no.png" in missing.reason
    assert "broken.png" in broken.reason
    one = report.done[0]
    coco = json.loads((tmp_path / "out" / "one.masks.json").read_text())
    assert one.masks == len(coco["annotations"]) > 0
    assert one.size == (180, 240)
    assert 0 < one.covered <= 1
    data = json.loads(json.dumps(report.to_dict()))
    assert (data["done"], data["kept"], data["failed"]) == (3, 0, 2)


def test_finished_images_are_skipped_and_incomplete_ones_done_again(run, tmp_path):
    run()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.*.*")}
    (tmp_path / "out" / "two.labels.tif").unlink()
    report = run(skip_existing=True)
    assert statuses(report) == [("one", "kept"), ("three", "kept"), ("two", "done")]
    assert report.kept[0].masks > 0
    changed = [path for path, when in before.items() if path.stat().st_mtime_ns != when]
    assert {path.name.split(".")[0] for path in changed} == {"two"}


def other_image(photos: Path, model: Path) -> dict[str, object]:
    Image.open(photos / "one.png").resize((33, 44)).save(photos / "one.png")
    return {}


def other_weights(photos: Path, model: Path) -> dict[str, object]:
    """Weights under the same name that differ in one number."""
    sam = anymask.load(model, dtype="float32")
    sam.mask_decoder.iou_token.weight.data[0, 0] += 1
    anymask.save(sam, model)
    return {}


@pytest.mark.parametrize(
    ("change", "redone"),
    [
        (other_image, 1),
        (other_weights, 3),
        (lambda *_: {"points_per_side": 2}, 3),
        (lambda *_: {"to_rgb": {"gamma": 0.5}}, 3),
        (lambda *_: {"points_per_batch": 8, "dtype": "float32"}, 0),
    ],
    ids=["image", "weights", "option", "view", "nothing that matters"],
)
def test_what_has_changed_is_done_again(photos, model, tmp_path, change, redone):
    own = tmp_path / "own.safetensors"
    own.write_bytes(model.read_bytes())
    run = partial(segment_folder, photos, tmp_path / "out", own)
    run(**QUICK)
    changes = change(photos, own)
    if redone:
        with pytest.raises(OutputError, match="overwrite=True"):
            run(**{**QUICK, **changes}, skip_existing=True)
    report = run(**{**QUICK, **changes}, skip_existing=True, overwrite=True)
    assert (len(report.done), len(report.kept)) == (redone, 3 - redone)


def test_results_of_0_1_0_which_name_no_weights_are_kept(run, tmp_path):
    run()
    for path in (tmp_path / "out").glob("*.json"):
        coco = json.loads(path.read_text())
        del coco["info"]["model_sha256"]
        path.write_text(json.dumps(coco))
    assert len(run(skip_existing=True).kept) == 3


def test_existing_results_are_refused_before_anything_is_done(run, photos, tmp_path):
    run()
    (photos / "before.png").write_bytes((photos / "one.png").read_bytes())
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match=r"has results called one, and of 2 more; .*overwrite"):
        run()
    assert contents(tmp_path / "out") == before


def test_a_cancelled_run_keeps_what_is_finished_and_goes_on_as_if_never_stopped(
    run, photos, model, tmp_path
):
    seen = []
    report = run(progress=seen.append, cancel=lambda: len(seen) > 0 and seen[-1].index == 1)
    assert report.cancelled
    assert statuses(report) == [("one", "done")]
    assert len(contents(tmp_path / "out")) == len(SUFFIXES)
    assert [step.outcome for step in seen if step.outcome] == report.outcomes
    of_points = [step.points for step in seen if step.points_in_all == 9]
    assert of_points == sorted(of_points)
    assert of_points[-1] == 9
    assert run(skip_existing=True).kept[0].name == "one"
    segment_folder(photos, tmp_path / "at once", model, **QUICK)
    assert contents(tmp_path / "out") == contents(tmp_path / "at once")


def test_after_kill_9_the_run_is_completed(photos, model, tmp_path):
    options = {**QUICK, "points_per_side": 6}
    for number in range(3):
        (photos / f"{number}.png").write_bytes((photos / "one.png").read_bytes())
    out = tmp_path / "out"
    code = (
        "import sys; from anymask import segment_folder; "
        f"segment_folder(*sys.argv[1:], **{options!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(photos), str(out), str(model)],
        env={**os.environ, "PYTHONPATH": str(Path(anymask.__file__).parents[1])},
    )
    deadline = time.monotonic() + 120
    while not (out / "1.masks.json").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    hour_ago = time.time() - 4000
    for leftover in out.glob(".anymask-*"):
        os.utime(leftover, (hour_ago, hour_ago))
    report = segment_folder(photos, out, model, skip_existing=True, **options)
    assert 2 <= len(report.kept) < 6
    assert len(report.kept) + len(report.done) == 6
    assert len(contents(out)) == 6 * len(SUFFIXES)
    # The same image four times, on both sides of the end.
    labels = {(out / f"{name}.labels.tif").read_bytes() for name in ("0", "1", "2", "one")}
    assert len(labels) == 1


def test_temporary_files_of_a_run_that_was_killed_are_removed_and_young_ones_left(run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    old, young = out / ".anymask-0123456789abcdef.tif", out / ".anymask-fedcba9876543210.png"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    run()
    assert not old.exists()
    assert young.exists()


def test_a_job_that_was_pickled_gives_the_same_bytes(photos, model, run, tmp_path):
    run()
    job = FolderJob(tmp_path / "out", str(model), QUICK)
    items = FolderRun(job, gather([str(photos)])).todo
    elsewhere = replace(job, output=tmp_path / "elsewhere")
    sent, items = pickle.loads(pickle.dumps((elsewhere, items)))
    worker = Worker(sent)
    outcomes = [pickle.loads(pickle.dumps(worker.segment(item))) for item in reversed(items)]
    assert [each.status for each in outcomes] == ["done"] * 3
    assert contents(tmp_path / "elsewhere") == contents(tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "error", "what"),
    [
        ({"point_per_side": 4}, AnymaskError, "no option 'point_per_side' .* points_per_side?"),
        ({"points_per_side": 0}, AnymaskError, "points_per_side is 0; it must be"),
        ({"images": "no.png"}, ImageError, "no.png"),
        ({"header": "one.hdr"}, AnymaskError, "header= is for one data file, but 3 images"),
        ({"rgb": ["ndvi", "ndvi"]}, ImageError, "Two pseudo-RGBs are called 'ndvi'"),
    ],
)
def test_mistakes_are_told_before_a_model_is_loaded(photos, tmp_path, arguments, error, what):
    call = {"images": photos, "output": tmp_path / "out", "model": "no.pth", **arguments}
    with pytest.raises(error, match=what):
        segment_folder(**call)


def test_masks_to_add_to_are_kept_and_what_they_leave_is_added(run, photos, tmp_path):
    labels = np.zeros((180, 240), np.uint8)
    labels[40:120, 60:200] = 33
    mine = MaskSet.from_labels(labels).with_class_names(["mine"])
    save_masks(mine, tmp_path / "mine" / "one.masks.json")
    report = run(add_to=tmp_path / "mine")
    assert [each.status for each in report.outcomes] == ["done"] * 3
    both = anymask.load_masks(tmp_path / "out" / "one.masks.json")
    assert (both.ids[0], both.class_names[0]) == (33, "mine")
    assert np.array_equal(both[0], labels > 0)
    assert len(both) > 1
    assert not any((mask & (labels > 0)).any() for mask in list(both)[1:])
    assert run(add_to=tmp_path / "mine", skip_existing=True).kept[0].name == "one"
    # Corrected once more, they count as other masks.
    save_masks(mine.with_ids([34]), tmp_path / "mine" / "one.masks.json", overwrite=True)
    again = run(add_to=tmp_path / "mine", skip_existing=True, overwrite=True)
    assert statuses(again) == [("three", "kept"), ("two", "kept"), ("one", "done")]
    # So do they if only the label image beside them is corrected.
    labels[40:60] = 0
    save_masks(labels, tmp_path / "mine" / "one.labels.tif")
    again = run(add_to=tmp_path / "mine", skip_existing=True, overwrite=True)
    assert statuses(again) == [("three", "kept"), ("two", "kept"), ("one", "done")]


def test_masks_to_add_to_in_two_files_of_one_image_end_the_run_before_it_begins(run, tmp_path):
    for name in ("one.a.labels.tif", "one.b.labels.tif"):
        save_masks(np.ones((180, 240), np.uint8), tmp_path / "mine" / name)
    with pytest.raises(ImageError, match=r"one\.png has masks in 2 files"):
        run(add_to=tmp_path / "mine")
    assert not (tmp_path / "out").exists()
