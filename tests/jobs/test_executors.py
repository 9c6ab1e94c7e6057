"""Items are done the same in this process, in several, and on a Dask cluster."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster
from PIL import Image

import anymask
from anymask import segment_folder
from anymask.errors import AnymaskError
from anymask.io import save_masks
from anymask.jobs.executors import executor_for
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.folder_run import FolderRun
from anymask.jobs.inputs import gather
from anymask.jobs.measure_job import MeasureJob
from anymask.jobs.measure_run import MeasureRun
from anymask.jobs.on_dask import OnDask
from anymask.jobs.processes import Processes
from anymask.jobs.report import FolderReport
from anymask.jobs.work_through import Executor, work_through
from tests.jobs.small_job import SmallJob, items

QUICK = {"points_per_side": 3, "pred_iou_thresh": 0.1, "stability_score_thresh": 0.1}


@pytest.fixture(scope="module", params=["processes", "dask"])
def executor(request):
    """Two processes of this machine, or two workers of a local Dask cluster."""
    if request.param == "processes":
        yield Processes(2)
        return
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        with Client(cluster, set_as_default=False) as client:
            yield OnDask(client)


def test_items_that_end_their_process_twice_are_left_out_and_the_others_done(
    executor: Executor, tmp_path: Path
) -> None:
    todo = items("a", "once", "kills", "b", "c")
    report, seen = FolderReport(tmp_path), []
    work_through(SmallJob(tmp_path), todo, report, executor=executor, progress=seen.append)
    assert not todo
    assert [(each.name, each.status) for each in report.outcomes] == [
        ("a", "done"),
        ("once", "done"),
        ("kills", "failed"),
        ("b", "done"),
        ("c", "done"),
    ]
    assert "2 processes ended while they worked on it" in report.failed[0].reason
    assert {path.stem for path in tmp_path.glob("*.txt")} == {"a", "b", "c", "once"}
    # On Dask a worker may die before its last result has left it.
    spare = 0 if isinstance(executor, Processes) else 1
    assert 2 <= len((tmp_path / "kills.begun").read_text()) <= 2 + spare
    assert 1 <= len((tmp_path / "a.begun").read_text()) <= 1 + spare
    assert {step.item.name.name for step in seen if step.outcome} == {
        "a", "once", "kills", "b", "c"
    }  # fmt: skip
    processes = (tmp_path / "started").read_text().split()
    assert len(processes) == len(set(processes)) <= 5 + spare


def test_the_progress_of_an_item_is_told_while_it_is_done(
    executor: Executor, tmp_path: Path
) -> None:
    seen = []

    def look(step) -> None:
        seen.append((step.item.name.name, step.points, step.points_in_all))
        if seen[-1] == ("advances", 1, 2):
            (tmp_path / "go").touch()

    todo = items("advances")
    work_through(SmallJob(tmp_path), todo, FolderReport(tmp_path), executor=executor, progress=look)
    assert ("advances", 1, 2) in seen
    assert not todo


def test_a_job_that_cannot_start_is_told_in_its_sentence(
    executor: Executor, tmp_path: Path
) -> None:
    todo = items("a", "b")
    job = SmallJob(tmp_path, cannot_start="There is no model 'x.pth'.")
    with pytest.raises(AnymaskError, match=r"There is no model 'x.pth'\."):
        work_through(job, todo, FolderReport(tmp_path), executor=executor)
    assert [item.name.name for item in todo] == ["a", "b"]


def test_a_cancelled_run_keeps_what_is_finished(executor: Executor, tmp_path: Path) -> None:
    todo, report = items(*"abcdefgh"), FolderReport(tmp_path)
    work_through(
        SmallJob(tmp_path),
        todo,
        report,
        executor=executor,
        cancel=lambda: (tmp_path / "c.txt").exists(),
    )
    assert report.cancelled
    assert len(report.outcomes) + len(todo) == 8
    assert todo


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"jobs": 2}, id="processes"),
        pytest.param({"dask": "local", "jobs": 2}, id="dask", marks=pytest.mark.slow),
    ],
)
def test_the_results_of_a_folder_are_the_same_to_the_last_byte(
    photos: Path, model: Path, tmp_path: Path, how: dict
) -> None:
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    reports = [
        segment_folder(photos, tmp_path / name, model, **QUICK, **how)
        for name, how in (("alone", {}), ("shared", how))
    ]
    assert len(files(tmp_path / "alone")) == 12
    assert files(tmp_path / "shared") == files(tmp_path / "alone")
    facts = [[(e.name, e.status, e.masks, e.reason) for e in r.outcomes] for r in reports]
    assert facts[0] == facts[1]


def test_a_table_of_many_images_is_the_same_to_the_last_byte(
    executor: Executor, photos: Path, tmp_path: Path
) -> None:
    for number, name in enumerate(("one", "two", "three"), 1):
        height, width = np.asarray(Image.open(photos / f"{name}.png")).shape[:2]
        labels = np.zeros((height, width), np.uint8)
        labels[20 : 20 * number + 30, 30:90] = number
        save_masks(labels, tmp_path / "masks" / f"{name}.labels.tif")
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    for name, where in (("alone", None), ("shared", executor)):
        run = MeasureRun(
            MeasureJob(), tmp_path / f"{name}.csv", gather([str(photos)]), tmp_path / "masks"
        )
        run.measure(executor=where)
        assert [each.name for each in run.report.done] == ["one", "three", "two"]
        assert [each.name for each in run.report.failed] == ["broken"]
    alone = (tmp_path / "alone.csv").read_bytes()
    assert (tmp_path / "shared.csv").read_bytes() == alone
    assert alone.count(b"\n") == 4


@pytest.mark.slow
def test_without_its_scheduler_a_run_ends_with_a_sentence_and_can_be_completed(
    tmp_path: Path,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    path = os.pathsep.join([str(Path(anymask.__file__).parents[1]), str(Path(__file__).parents[2])])
    options = {
        "env": {**os.environ, "PYTHONPATH": path},
        "cwd": tmp_path,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    todo, report = items("a", "b", "waits", "c"), FolderReport(tmp_path)
    seen = []

    def kill_in_the_middle() -> bool:
        if sum(step.outcome is not None for step in seen) == 2 and (tmp_path / begun).exists():
            scheduler.kill()
        return False

    begun = "waits.begun"
    one = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1"]
    head = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--host"]
    with (
        subprocess.Popen([*head, address], **options) as scheduler,
        subprocess.Popen([*one, address], **options) as worker,
    ):
        try:
            with pytest.raises(AnymaskError, match=rf"scheduler at {address} is gone\."):
                work_through(
                    SmallJob(tmp_path),
                    todo,
                    report,
                    executor=OnDask(address),
                    progress=seen.append,
                    cancel=kill_in_the_middle,
                )
        finally:
            scheduler.kill()
            worker.kill()
    assert [each.name for each in report.outcomes] == ["a", "b"]
    assert [item.name.name for item in todo] == ["waits", "c"]
    (tmp_path / "go").touch()
    work_through(SmallJob(tmp_path), todo, report)
    assert [each.name for each in report.done] == ["a", "b", "waits", "c"]


@pytest.mark.slow
def test_workers_of_a_cluster_forget_the_job_of_a_command_that_was_killed(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(anymask.__file__).parents[1]), str(Path(__file__).parents[2])])
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        code = (
            "from pathlib import Path\n"
            "from anymask.jobs.on_dask import OnDask\n"
            "from anymask.jobs.report import FolderReport\n"
            "from anymask.jobs.work_through import work_through\n"
            "from tests.jobs.small_job import SmallJob, items\n"
            f"work_through(SmallJob(Path({str(tmp_path)!r})), items('waits'), "
            f"FolderReport(Path()), executor=OnDask({cluster.scheduler_address!r}))\n"
        )
        environment = {**os.environ, "PYTHONPATH": path}
        with subprocess.Popen([sys.executable, "-c", code], env=environment) as command:
            until = time.monotonic() + 120
            while not (tmp_path / "waits.begun").exists() and time.monotonic() < until:
                time.sleep(0.05)
            assert any(name.startswith("anymask-") for name in plugins(client))
            command.kill()
        (tmp_path / "go").touch()
        while any(name.startswith("anymask-") for name in plugins(client)):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert not [n for n in cluster.scheduler.worker_plugins if n.startswith("anymask-")]


def plugins(client: Client) -> list[str]:
    """Names of the plug-ins of all workers."""
    found = client.run(lambda dask_worker: list(dask_worker.plugins))
    return [name for names in found.values() for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"jobs": 2}, {"dask": "local", "jobs": 1}])
def test_a_model_file_that_a_worker_cannot_see_ends_the_run_with_a_sentence(
    photos: Path, model: Path, tmp_path: Path, how: dict
) -> None:
    file = tmp_path / "mine.safetensors"
    shutil.copy(model, file)
    run = FolderRun(FolderJob(tmp_path / "out", str(file), QUICK), gather([str(photos)]))
    assert run.job.model_sha256
    file.unlink()
    with pytest.raises(AnymaskError, match=r"cannot begin: .*mine\.safetensors"):
        run.segment(executor=executor_for(**how))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["job.jsonl"]


def test_what_is_wrong_with_where_to_work_is_told_at_once(photos: Path, tmp_path: Path) -> None:
    for how, what in (
        ({"jobs": 0}, "jobs=0 is no number of processes"),
        ({"dask": "tcp://127.0.0.1:1", "jobs": 2}, "jobs= is a number of processes on this"),
    ):
        with pytest.raises(AnymaskError, match=what):
            segment_folder(photos, tmp_path / "out", **how)
    with pytest.raises(AnymaskError, match="There is no Dask scheduler at nowhere"):
        segment_folder(photos, tmp_path / "out", dask="nowhere")


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith("job.")}
