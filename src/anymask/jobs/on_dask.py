"""Do the items of a job on a Dask cluster. Needs the extra ``[dask]``.

A task is an item. Workers read and write the shared storage themselves; only items and what became
of them travel. The job is a plug-in of the workers, which Dask also gives to those that come later.
"""

from __future__ import annotations

import ctypes
import os
import queue
import secrets
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from typing import Any

from distributed import Client, Future, KilledWorker, LocalCluster, Worker, WorkerPlugin, get_worker
from distributed.client import FutureCancelledError

import anymask
from anymask.errors import AnymaskError
from anymask.jobs.handing_out import HandingOut
from anymask.jobs.inputs import WorkItem
from anymask.jobs.process_worker import started
from anymask.jobs.processes import cores_here, shared_threads
from anymask.jobs.report import Outcome
from anymask.jobs.work_through import Job, Results, Watch, Work
from anymask.notices import tell

_LOOK = 0.1  # seconds between two looks at whether the run is cancelled
_LOOK_FOR_WORKERS = 1.0  # seconds between two looks at who is there
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_REACH = 20.0  # seconds for the scheduler to answer


class OnDask:
    """Does items on the workers of a cluster; each loads the model once.

    Parameters
    ----------
    where : str, Client or Cluster
        The address of a scheduler, "local", or a client or cluster of `dask.distributed`.
    workers : int, optional
        With "local", the number of workers; by default one a core.
    """

    def __init__(self, where: Any, workers: int | None = None) -> None:
        self._where, self._workers = where, workers

    def results(self, job: Job, items: Sequence[WorkItem], watch: Watch) -> Results:
        """Yield results as they are finished. Tasks of a worker that dies are done by others.

        Raises
        ------
        AnymaskError
            If the scheduler cannot be reached or is gone, or a worker cannot start the job.
        """
        with _client(self._where, self._workers or cores_here()) as client:
            plugin = _JobPlugin(job)
            try:
                client.register_plugin(plugin)
            except AnymaskError:
                raise
            except Exception as error:
                raise AnymaskError(
                    f"The Dask workers cannot take the job ({type(error).__name__}: {error}); they "
                    f"need anymask {anymask.__version__}, as this machine has."
                ) from error
            try:
                yield from _results(client, plugin.name, items, watch)
            finally:
                with suppress(Exception):
                    if client.status == "running":
                        client.unregister_worker_plugin(plugin.name)


class _JobPlugin(WorkerPlugin):
    """The job on a worker."""

    def __init__(self, job: Job) -> None:
        self.name = f"anymask-{secrets.token_hex(8)}"
        self._job, self._folder, self._version = job, os.getcwd(), anymask.__version__
        self._work: Work | None = None

    def setup(self, worker: Worker) -> None:
        """Refuse a worker that would find other files, or give other results."""
        self._address = worker.address
        if self._version != anymask.__version__:
            raise AnymaskError(
                f"The Dask worker at {self._address} has anymask {anymask.__version__}, this "
                f"machine {self._version}; install the same on both."
            )
        try:
            os.chdir(self._folder)  # what relative paths start from
        except OSError:
            raise AnymaskError(
                f"The Dask worker at {self._address} cannot see {self._folder}; workers need the "
                "same folders as this machine, so begin in a folder that they share."
            ) from None

    def start(self) -> list[str]:
        """Start the job, and return what was said about it."""
        _keep_freed_memory()
        work, said = started(self._job)
        if work is None:
            raise AnymaskError(f"The Dask worker at {self._address} cannot begin: {said}")
        self._work = work
        return said

    def do(self, item: WorkItem) -> Any:
        """Do an item."""
        assert self._work is not None
        return self._work(item, lambda points, in_all: None)


def _keep_freed_memory() -> None:
    """Have the C library keep 64 MiB of freed memory, as it does outside Dask.

    Dask sets ``MALLOC_TRIM_THRESHOLD_`` for its workers. Memory then goes back to the system at
    once, and a network takes twice the time (see `anymask.model.memory`).
    """
    if "MALLOC_TRIM_THRESHOLD_" in os.environ and sys.platform == "linux":
        with suppress(OSError, AttributeError):
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_TRIM_THRESHOLD, 64 << 20)
            mallopt(_MMAP_THRESHOLD, 32 << 20)


def _do(name: str, item: WorkItem | None) -> Any:
    """The task: does an item, or starts the job if there is none."""
    plugin: _JobPlugin = get_worker().plugins[name]
    return plugin.start() if item is None else plugin.do(item)


def _results(client: Client, name: str, items: Sequence[WorkItem], watch: Watch) -> Results:
    ended: queue.SimpleQueue[tuple[str, Future]] = queue.SimpleQueue()
    tasks: dict[str, Future] = {}
    numbers = count()
    out: HandingOut[str] = HandingOut(items, watch)
    address = client.scheduler.address
    known: set[str] = set()
    looked = float("-inf")

    def submit(worker: str, item: WorkItem | None) -> None:
        # For this worker alone: Dask would give the items of a dead one to one that has its own,
        # and count both against it when it dies too.
        key = f"{name}-{next(numbers)}"
        tasks[worker] = client.submit(_do, name, item, key=key, workers=[worker], pure=False)
        tasks[worker].add_done_callback(partial(_put, ended, worker))

    def give(worker: str, index: int | None) -> None:
        if index is not None:
            submit(worker, items[index])

    def missing(worker: str) -> tuple[int, Outcome] | None:
        tasks.pop(worker).cancel()
        known.discard(worker)
        return out.ended(worker, f"the Dask worker at {worker} is gone")

    try:
        while out.left:
            watch.check()
            if time.monotonic() - looked > _LOOK_FOR_WORKERS:
                looked = time.monotonic()
                present = _workers(client)
                if present is None:
                    raise _gone(address)
                for worker in out.workers - present:
                    if left_out := missing(worker):
                        yield left_out
                for worker in present - known:
                    out.starting.add(worker)
                    submit(worker, None)
                known |= present
                for worker in list(out.idle):
                    give(worker, out.give(worker))
            try:
                worker, task = ended.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if tasks.get(worker) is not task:  # of a worker that is gone
                continue
            try:
                result = task.result(timeout=_REACH)
            except KilledWorker:
                if left_out := missing(worker):
                    yield left_out
                continue
            except (FutureCancelledError, OSError, TimeoutError) as error:
                raise _gone(address) from error
            if worker in out.starting:
                for sentence in result:
                    tell(sentence)
                give(worker, out.started(worker))
                continue
            index = out.busy[worker]
            out.finished(worker)
            give(worker, out.give(worker))
            yield index, result
    finally:
        with suppress(Exception):
            if client.status == "running":
                client.cancel(list(tasks.values()))


def _put(ended: queue.SimpleQueue[tuple[str, Future]], worker: str, task: Future) -> None:
    ended.put((worker, task))


def _workers(client: Client) -> set[str] | None:
    """The addresses of all workers; None if the scheduler is gone."""
    if client.status != "running":
        return None
    try:
        return set(client.nthreads())
    except (OSError, TimeoutError):
        return None


def _gone(address: str) -> AnymaskError:
    return AnymaskError(
        f"The Dask scheduler at {address} is gone. Finished images stay; start it again, and "
        "resume the run."
    )


@contextmanager
def _client(where: Any, workers: int) -> Generator[Client, None, None]:
    """Yield a client of a cluster; what is started here is ended."""
    if isinstance(where, Client):
        yield where
        return
    with ExitStack() as ends:
        if where == "local":
            where = ends.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=":0",
                    env=shared_threads(workers),
                    memory_limit=0,
                    silence_logs=50,
                )
            )
        try:
            client = Client(where, timeout=_REACH, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise AnymaskError(
                f"There is no Dask scheduler at {where} ({error or type(error).__name__})."
            ) from error
        ends.callback(client.close, 2)
        yield client
