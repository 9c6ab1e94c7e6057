"""A folder by several processes and by Dask: images a minute, and the cost of a task.

    python -m benchmarks.folder_jobs [--images 24] [--tasks 500]

Images are 1,000×750 with 40 objects, and the model is the shipped one, with one thread a process.
Take the figures on a quiet machine: each process needs a core of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.draw import ellipse

from anymask.jobs.folder_job import FolderJob
from anymask.jobs.folder_run import FolderRun
from anymask.jobs.inputs import WorkItem, gather
from anymask.jobs.on_dask import OnDask
from anymask.jobs.processes import Processes
from anymask.jobs.report import FolderReport
from anymask.jobs.work_through import Executor, FolderProgress, work_through
from benchmarks.folder_tasks import NoWork
from benchmarks.measure import machine, print_table, versions, write_results

WAYS: dict[str, Callable[[], Executor]] = {
    "1 process": lambda: Processes(1),
    "2 processes": lambda: Processes(2),
    "Dask, 1 worker": lambda: OnDask("local", 1),
    "Dask, 2 workers": lambda: OnDask("local", 2),
}


def draw(folder: Path, count: int) -> None:
    """Write images with 40 ellipses each."""
    for number in range(count):
        random = np.random.default_rng(number)
        image = random.normal(60, 8, (750, 1000, 3))
        for index in range(40):
            y, x = 50 + 130 * (index // 8), 65 + 124 * (index % 8)
            where = ellipse(
                y + random.integers(-9, 9),
                x + random.integers(-9, 9),
                *random.integers(20, 42, 2),
                (750, 1000),
            )
            image[where] += random.integers(50, 180, 3)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{number:04}.png")


def between(do: Callable[[Callable[[FolderProgress], None]], None]) -> tuple[float, float]:
    """Seconds from one outcome of a run to the next, and CPU seconds of this process."""
    times: list[tuple[float, float]] = []

    def told(now: FolderProgress) -> None:
        if now.outcome is not None:
            times.append((time.perf_counter(), time.process_time()))

    do(told)
    wall, cpu = (last - first for first, last in zip(times[0], times[-1], strict=True))
    return wall / (len(times) - 1), cpu / (len(times) - 1)


def images_a_minute(photos: Path, output: Path, executor: Executor) -> float:
    """How many images a minute a run segments, once its models are loaded."""
    run = FolderRun(FolderJob(output), gather([str(photos)]))
    seconds, _ = between(lambda told: run.segment(progress=told, executor=executor))
    return 60 / seconds


def cost_of_a_task(count: int, executor: Executor) -> tuple[float, float]:
    """Seconds that a task takes that does nothing, and CPU seconds of this process."""
    items = [WorkItem(Path(f"{n}.png"), Path(str(n))) for n in range(count)]
    report = FolderReport(Path())
    return between(
        lambda told: work_through(NoWork(), items, report, executor=executor, progress=told)
    )


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/folder_jobs.json"))
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        photos = Path(temporary) / "photos"
        photos.mkdir()
        draw(photos, options.images)
        for name, executor in WAYS.items():
            tasks = [cost_of_a_task(options.tasks, executor()) for _ in range(options.repeats)]
            wall, cpu = (1000 * statistics.median(each) for each in zip(*tasks, strict=True))
            found[name] = {"milliseconds_a_task": wall, "cpu_milliseconds_a_task": cpu}
            if options.images:
                speed = images_a_minute(photos, Path(temporary) / name, executor())
                found[name]["images_a_minute"] = speed
    rows = [
        [
            name,
            f"{each['milliseconds_a_task']:.2f}",
            f"{each['cpu_milliseconds_a_task']:.2f}",
            f"{each.get('images_a_minute', float('nan')):.1f}",
        ]
        for name, each in found.items()
    ]
    print_table(
        "A folder in several processes", ["", "ms a task", "CPU ms here", "images a minute"], rows
    )
    results = {"machine": machine(), "versions": versions(), "images": options.images}
    write_results(options.output, results | {"found": found})


if __name__ == "__main__":
    main()
