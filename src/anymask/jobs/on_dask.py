"""Do the items of a job on a Dask cluster. Needs the extra ``[dask]``.

A task is an item. Workers read and write the shared storage themselves; only items and what became
of them travel. The job is a plug-in of the workers, which Dask also gives to those that come later.
"""

from __future__ import annotations

import os
import queue
import secrets
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Worker, WorkerPlugin, get_worker
from distributed.client import FutureCancelledError

import anymask
from anymask.errors import AnymaskError
from anymask.jobs.inputs import WorkItem
from anymask.jobs.process_worker import started
from anymask.jobs.processes import MOST_DEATHS, cores_here, ended_process, shared_threads
from anymask.jobs.work_through import Job, Results, Watch, Work
from anymask.notices import tell

_LOOK = 0.1  # seconds between two looks at whether the run is cancelled
_COUNT = 2.0  # seconds between two looks at how many workers there are
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
        self._one_at_a_time = threading.Lock()  # whatever the number of the worker's threads
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

    def do(self, item: WorkItem) -> tuple[Any, list[str]]:
        """Do an item; also returns what was said when the job was started."""
        said: list[str] = []
        with self._one_at_a_time:
            if self._work is None:
                work, found = started(self._job)
                if work is None:
                    raise AnymaskError(f"The Dask worker at {self._address} cannot begin: {found}")
                self._work, said = work, found
            return self._work(item, lambda points, in_all: None), said


def _do(name: str, item: WorkItem) -> tuple[Any, list[str]]:
    """The task."""
    done: tuple[Any, list[str]] = get_worker().plugins[name].do(item)
    return done


def _results(client: Client, name: str, items: Sequence[WorkItem], watch: Watch) -> Results:
    finished: queue.SimpleQueue[tuple[int, Future]] = queue.SimpleQueue()
    waiting = iter(range(len(items)))
    given: dict[int, Future] = {}
    address = client.scheduler.address
    room, counted = 1, float("-inf")
    left = len(items)
    try:
        while left:
            if time.monotonic() - counted > _COUNT:
                with suppress(Exception):
                    room = max(1, len(client.nthreads()))
                counted = time.monotonic()
            # One for each worker, because its death counts against all that it has.
            while len(given) < room and (index := next(waiting, None)) is not None:
                watch.tell(index)
                future = client.submit(_do, name, items[index], key=f"{name}-{index}", pure=False)
                given[index] = future
                future.add_done_callback(partial(_put, finished, index))
            watch.check()
            try:
                index, future = finished.get(timeout=_LOOK)
            except queue.Empty:
                if client.status != "running":
                    raise _gone(address) from None
                continue
            try:
                result, said = future.result(timeout=_REACH)
            except KilledWorker as error:
                how = f"the last was {error.last_worker.address}"
                result, said = ended_process(items[index], how), []
            except (FutureCancelledError, OSError, TimeoutError) as error:
                raise _gone(address) from error
            for sentence in said:
                tell(sentence)
            del given[index]
            left -= 1
            yield index, result
    finally:
        with suppress(Exception):
            if client.status == "running":
                client.cancel(list(given.values()))


def _put(finished: queue.SimpleQueue[tuple[int, Future]], index: int, future: Future) -> None:
    finished.put((index, future))


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
            ends.enter_context(
                dask.config.set({"distributed.scheduler.allowed-failures": MOST_DEATHS - 1})
            )
            where = ends.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
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
