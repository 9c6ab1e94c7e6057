"""A drawn cluster: 1,000 cores and 10 million images, with recorded times, stragglers and deaths.

    python -m benchmarks.folder_cluster                       # 10 million images: 5 to 10 minutes
    python -m benchmarks.folder_cluster --images 200000       # some seconds

Nothing is segmented: the clock is simulated, but the part of anymask that hands items out
(`anymask.jobs.handing_out`) is the real one and takes every decision. Drawn, with a fixed seed:

- how long an image takes: a time recorded by `benchmarks.folder`; 1 image in 100 takes ten times as
  long, and 1 core in 50 is half as fast;
- deaths: a worker lives 12 hours on average, is noticed to be gone within a second, and its
  successor is there a minute later; each worker takes 20 seconds to load the model;
- the command, which handles one result at a time and takes as long for it as
  `benchmarks.folder_jobs` measured for a task on Dask.

Printed: the time of the run beside what the images alone need on so many cores; how busy the
command is; what a decision costs, in microseconds of this machine's processor; and the cost and
storage of a million images. Writes benchmarks/results/folder_cluster.json.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.jobs.handing_out import HandingOut
from anymask.jobs.inputs import WorkItem
from anymask.jobs.work_through import Watch
from benchmarks.measure import machine, print_table, versions, write_results

HERE = Path(__file__).parent
AHEAD = 2  # as on Dask
START = 20.0
LIFE = 12 * 3600.0
NOTICE, SUCCESSOR = 1.0, 60.0
SLOW_IMAGES, SLOWER = 0.01, 10.0
SLOW_CORES, HALF = 0.02, 2.0
Event = Callable[[float, int, int], None]
_SAME = WorkItem(Path("image.png"), Path("image"))


class Images(Sequence[WorkItem]):
    """So many images, without ten million objects."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return _SAME


@dataclass
class Worker:
    """A worker of the drawn cluster."""

    slowness: float
    given: deque[int] = field(default_factory=deque)
    at_work: bool = False
    alive: bool = True


class Cluster:
    """Simulates a run.

    Parameters
    ----------
    images, cores : int
    recorded : array of float
        Seconds of images.
    cost : float
        Seconds that the command takes for each result.
    seed : int

    Attributes
    ----------
    seconds_of_images : float
        What all images need on one core that is not slow.
    handling : float
        Seconds in which the command was busy.
    decided : float
        Seconds that its decisions took here.
    deaths, left_out : int
        Workers that died, and images left out because two of them died.
    """

    def __init__(
        self, images: int, cores: int, recorded: NDArray[np.float64], cost: float, seed: int = 0
    ) -> None:
        rng = self._rng = np.random.default_rng(seed)
        self._seconds = rng.choice(recorded, images).astype(np.float32)
        self._seconds[rng.random(images) < SLOW_IMAGES] *= SLOWER
        self.seconds_of_images = float(self._seconds.sum(dtype=np.float64))
        self._cost, self._cores = cost, cores
        items = Images(images)
        self._out: HandingOut[int] = HandingOut(items, Watch(items, None, None), AHEAD)
        self._workers: list[Worker] = []
        self._events: list[tuple[float, int, Event, int, int]] = []
        self._numbers = itertools.count()
        self._free = 0.0  # when the command is free again
        self.handling = self.decided = 0.0
        self.deaths = self.left_out = 0

    def run(self) -> float:
        """Return the seconds until the last image is done."""
        for _ in range(self._cores):
            self._hire(0.0, 0, 0)
        now = 0.0
        while self._out.left:
            now, _, event, who, index = heapq.heappop(self._events)
            event(now, who, index)
        return now

    def _at(self, when: float, event: Event, who: int, index: int = 0) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), event, who, index))

    def _told(self, now: float, event: Event, who: int, index: int = 0) -> None:
        """What reaches the command waits for its turn."""
        self._free = max(now, self._free) + self._cost
        self.handling += self._cost
        self._at(self._free, event, who, index)

    def _hire(self, now: float, who: int, index: int) -> None:
        slow = self._rng.random() < SLOW_CORES
        self._workers.append(Worker(HALF if slow else 1.0))
        who = len(self._workers) - 1
        self._out.starting.add(who)
        self._at(now + START, self._loaded, who)
        self._at(now + float(self._rng.exponential(LIFE)), self._dies, who)

    def _loaded(self, now: float, who: int, index: int) -> None:
        self._told(now, self._ready, who)

    def _ready(self, now: float, who: int, index: int) -> None:
        if who in self._out.starting:
            self._give(now, who, self._out.started)

    def _begin(self, now: float, who: int) -> None:
        worker = self._workers[who]
        if worker.alive and worker.given and not worker.at_work:
            index = worker.given.popleft()
            worker.at_work = True
            self._at(now + worker.slowness * float(self._seconds[index]), self._ends, who, index)

    def _ends(self, now: float, who: int, index: int) -> None:
        worker = self._workers[who]
        if worker.alive:
            worker.at_work = False
            self._told(now, self._result, who, index)
            self._begin(now, who)

    def _result(self, now: float, who: int, index: int) -> None:
        if index in self._out.busy.get(who, ()):  # else it died, and that was noticed before
            self._out.finished(who, index)
            self._give(now, who, self._out.give)

    def _give(self, now: float, who: int, decide: Callable[[int], list[int]]) -> None:
        began = time.perf_counter()
        given = decide(who)
        self.decided += time.perf_counter() - began
        self._workers[who].given += given
        self._begin(now, who)

    def _dies(self, now: float, who: int, index: int) -> None:
        self._workers[who].alive = False
        self.deaths += 1
        self._at(now + NOTICE, self._gone, who)
        self._at(now + SUCCESSOR, self._hire, 0)

    def _gone(self, now: float, who: int, index: int) -> None:
        if who in self._out.workers:
            self.left_out += self._out.ended(who, "it died") is not None
        for idle in list(self._out.idle) if self._out.waits else ():
            self._give(now, idle, self._out.give)


def main() -> None:
    """Simulate, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--cores", type=int, default=1000)
    parser.add_argument("--commands", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--milliseconds-a-task", type=float, help="measured if not given")
    parser.add_argument("--price", type=float, default=0.04, help="of a core for an hour")
    parser.add_argument("--recorded", type=Path, default=HERE / "results" / "folder.json")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "folder_cluster.json")
    options = parser.parse_args()
    folder = json.loads(options.recorded.read_text())["runs"][-1]
    recorded = np.array(folder["seconds_of_images"], np.float64)
    cost = options.milliseconds_a_task or measured_milliseconds()
    found = []
    for commands in options.commands:
        # Each command has its own cores, scheduler and images, so one stands for all of them.
        images, cores = options.images // commands, options.cores // commands
        cluster = Cluster(images, cores, recorded, cost / 1000)
        seconds = cluster.run()
        found.append(
            {
                "commands": commands,
                "hours": seconds / 3600,
                "images_an_hour": options.images / seconds * 3600,
                "hours_of_images_alone": cluster.seconds_of_images / cores / 3600,
                "efficiency": cluster.seconds_of_images / cores / seconds,
                "command_busy": cluster.handling / seconds,
                "microseconds_a_decision": 1e6 * cluster.decided / images,
                "deaths": cluster.deaths * commands,
                "left_out": cluster.left_out * commands,
                "core_hours_a_million": cores * seconds / 3600 / images * 1e6,
            }
        )
    title = f"{options.images:,} images on {options.cores:,} cores, {cost:.1f} ms a task"
    header = [
        "commands",
        "hours",
        "images alone",
        "used",
        "command busy",
        "µs a decision",
        "deaths",
    ]
    rows = [
        [
            str(each["commands"]),
            f"{each['hours']:.2f}",
            f"{each['hours_of_images_alone']:.2f}",
            f"{100 * each['efficiency']:.1f} %",
            f"{100 * each['command_busy']:.0f} %",
            f"{each['microseconds_a_decision']:.1f}",
            str(each["deaths"]),
        ]
        for each in found
    ]
    print_table(title, header, rows)
    hours = min(each["core_hours_a_million"] for each in found)
    # Kilobytes an image are gigabytes a million.
    storage = {k: v / folder["images"] / 1000 for k, v in folder["result_bytes"].items()}
    print(
        f"\n  a million images: {hours:,.0f} core hours, {hours * options.price:,.0f} at "
        f"{options.price} an hour; GB of results: "
        + ", ".join(f"{what.strip('.')} {size:,.0f}" for what, size in storage.items())
    )
    results = {"machine": machine(), "versions": versions(), "milliseconds_a_task": cost}
    price = {"price_of_a_core_hour": options.price, "gigabytes_a_million": storage}
    drawn = {"images": options.images, "cores": options.cores, "found": found}
    write_results(options.output, results | price | drawn)


def measured_milliseconds() -> float:
    """What a task costs on Dask, as `benchmarks.folder_jobs` measured it."""
    found = json.loads((HERE / "results" / "folder_jobs.json").read_text())["found"]
    return float(found["Dask, 2 workers"]["milliseconds_a_task"])


if __name__ == "__main__":
    main()
