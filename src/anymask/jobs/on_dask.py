"""Do the items of a job on a Dask cluster. Needs the extra ``[dask]``.

A task is an item. Workers read and write the shared storage themselves; only items and what became
of them travel. The job is a plug-in of the workers, which Dask also gives to those that come later.
"""

from __future__ import annotations

import logging
import os
import queue
import secrets
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from typing import Any

from distributed import (
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    SchedulerPlugin,
    Worker,
    WorkerPlugin,
    get_worker,
)
from distributed.client import FutureCancelledError, FuturesCancelledError
from distributed.utils import silence_logging_cmgr

from anymask.errors import AnymaskError
from anymask.jobs.handing_out import HandingOut
from anymask.jobs.inputs import WorkItem
from anymask.jobs.process_worker import started
from anymask.jobs.processes import cores_here, shared_threads
from anymask.jobs.report import Outcome
from anymask.jobs.work_through import Job, Results, Watch, Work
from anymask.notices import tell
from anymask.plugins import own_version

_LOOK = 0.1  # seconds between two looks at whether the run is cancelled
_LOOK_FOR_WORKERS = 1.0  # seconds between two looks at who is there
_AHEAD = 2  # items that a worker has beside the one that it does
_CONNECT = 30.0  # seconds for the scheduler to answer
_REACH = 10.0  # seconds for results to arrive
_TELL = 0.5  # seconds between two messages of a worker on how far its item is
_TELL_OF_EACH = 0.02  # seconds between two messages of any of them


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
            # However many workers there are, the scheduler passes some tens of messages a second.
            every = max(_TELL, _TELL_OF_EACH * len(_workers(client) or ()))
            plugin = _JobPlugin(job, every)
            try:
                client.register_plugin(plugin)
            except AnymaskError:
                raise
            except Exception as error:
                raise AnymaskError(
                    f"The Dask workers cannot take the job ({type(error).__name__}: {error}); they "
                    f"need anymask {own_version()}, as this machine has."
                ) from error
            # A scheduler without anymask cannot take this; it then keeps the job of a killed run.
            with suppress(Exception), silence_logging_cmgr(logging.CRITICAL):
                client.register_plugin(_Forget(client.id, plugin.name))
            try:
                yield from _results(client, plugin.name, items, watch)
            finally:
                with suppress(Exception):
                    if client.status == "running":
                        client.unregister_worker_plugin(plugin.name)
                        client.unregister_scheduler_plugin(_forget(plugin.name))


class _JobPlugin(WorkerPlugin):
    """The job on a worker."""

    def __init__(self, job: Job, tell_every: float) -> None:
        self.name = f"anymask-{secrets.token_hex(8)}"
        self._job, self._folder, self._version = job, os.getcwd(), own_version()
        self._tell_every, self._told = tell_every, 0.0
        self._work: Work | None = None

    def setup(self, worker: Worker) -> None:
        """Refuse a worker that would find other files, or give other results."""
        self._worker, self._address = worker, worker.address
        if self._version != own_version():
            raise AnymaskError(
                f"The Dask worker at {self._address} has anymask {own_version()}, this "
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
        work, said = started(self._job)
        if work is None:
            raise AnymaskError(f"The Dask worker at {self._address} cannot begin: {said}")
        self._work = work
        return [said] if isinstance(said, str) else said

    def do(self, index: int, item: WorkItem) -> Any:
        """Do an item."""
        assert self._work is not None
        return self._work(item, partial(self._advance, index))

    def teardown(self, worker: Worker) -> None:
        """Free the memory of the model."""
        self._work = None

    def _advance(self, index: int, points: int, in_all: int) -> None:
        """Tell how far an item is, now and then."""
        if time.monotonic() - self._told >= self._tell_every:
            self._told = time.monotonic()
            self._worker.log_event(self.name, [index, points, in_all])


class _Forget(SchedulerPlugin):
    """Has the workers forget a job when the run that began it has ended, in whatever way."""

    def __init__(self, client: str, job: str) -> None:
        self.name, self._client, self._job = _forget(job), client, job

    def remove_client(self, scheduler: Any, client: str) -> None:
        """A client is gone."""
        if client == self._client and self._job in scheduler.worker_plugins:
            scheduler.loop.add_callback(scheduler.unregister_worker_plugin, None, self._job)
            scheduler.loop.add_callback(scheduler.unregister_scheduler_plugin, self.name)


def _forget(job: str) -> str:
    return f"{job}-forget"


def _do(name: str, index: int | None, item: WorkItem | None) -> Any:
    """The task: does an item, or starts the job if there is none."""
    plugin: Any = get_worker().plugins[name]
    return plugin.start() if item is None else plugin.do(index, item)


def _results(client: Client, name: str, items: Sequence[WorkItem], watch: Watch) -> Results:
    ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
    tasks: dict[Any, tuple[Future, str, int | None]] = {}  # by key, with worker and item
    numbers = count(1)
    out: HandingOut[str] = HandingOut(items, watch, ahead=_AHEAD)
    address = str(client.scheduler.address) if client.scheduler is not None else "its address"
    known: set[str] = set()
    looked = float("-inf")

    def submit(worker: str, index: int | None) -> None:
        # For this worker alone: Dask would give the items of a dead one to one that has its own,
        # and count both against it when it dies too.
        number = next(numbers)
        task = client.submit(
            _do,
            name,
            index,
            None if index is None else items[index],
            key=f"{name}-{number}",
            workers=[worker],
            priority=-number,
            pure=False,
        )
        tasks[task.key] = task, worker, index
        task.add_done_callback(ended.put)

    def missing(worker: str) -> tuple[int, Outcome] | None:
        for task, _, _ in [each for each in tasks.values() if each[1] == worker]:
            del tasks[task.key]
            task.cancel()
        known.discard(worker)
        return out.ended(worker, f"the Dask worker at {worker} is gone")

    def give(worker: str, indices: Sequence[int]) -> None:
        for index in indices:
            submit(worker, index)

    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with suppress(Exception):
        client.subscribe_topic(name, told.put)
    try:
        while out.left:
            watch.check()
            _tell_progress(told, watch, {index for _, _, index in tasks.values()})
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
            for task, result in _fetched(client, ended):
                if task.key not in tasks:  # of a worker that is gone
                    continue
                _, worker, index = tasks[task.key]
                if isinstance(result, KilledWorker):
                    if left_out := missing(worker):
                        yield left_out
                elif result is None:  # cancelled, as all are without a scheduler
                    present = _workers(client)
                    if present is None:
                        raise _gone(address)
                    if worker in present:  # its result was lost on the way
                        del tasks[task.key]
                        submit(worker, index)
                    elif left_out := missing(worker):
                        yield left_out
                elif isinstance(result, BaseException):
                    raise result
                elif index is None:
                    del tasks[task.key]
                    for sentence in result:
                        tell(sentence)
                    give(worker, out.started(worker))
                else:
                    del tasks[task.key]
                    out.finished(worker, index)
                    give(worker, out.give(worker))
                    yield index, result
    finally:
        with suppress(Exception):
            if client.status == "running":
                client.unsubscribe_topic(name)
                client.cancel([task for task, _, _ in tasks.values()])


def _tell_progress(told: queue.SimpleQueue[Any], watch: Watch, at_work: set[int | None]) -> None:
    """Pass on what workers said of items that are not finished."""
    with suppress(queue.Empty):
        while True:
            _, (index, points, in_all) = told.get_nowait()
            if index in at_work:
                watch.tell(index, points, in_all)


def _fetched(client: Client, ended: queue.SimpleQueue[Future]) -> Iterator[tuple[Future, Any]]:
    """Yield tasks that have ended, with their results or errors; waits a moment for the first.

    All results are fetched in one call, which costs as much as one of them.
    """
    tasks: list[Future] = []
    with suppress(queue.Empty):
        tasks.append(ended.get(timeout=_LOOK))
        while True:
            tasks.append(ended.get_nowait())
    good: list[Future] = []
    for task in tasks:
        if (status := task.status) == "finished":
            good.append(task)
        elif status in ("pending", "lost"):  # with its worker
            task.add_done_callback(ended.put)
        else:
            yield task, task.exception() if status == "error" else None
    if not good:
        return
    fetch = partial(client.gather, good, asynchronous=True)
    try:
        results = client.sync(fetch, callback_timeout=_REACH)
    except (OSError, TimeoutError, FutureCancelledError, FuturesCancelledError):
        # A worker may have died just after its item. The others' are told again.
        for task in good:
            task.add_done_callback(ended.put)
        return
    yield from zip(good, results, strict=True)


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
        # What ends the run is told in a sentence.
        ends.enter_context(silence_logging_cmgr(logging.CRITICAL))
        if where == "local":
            where = ends.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=":0",
                    env=shared_threads(workers),
                    memory_limit=0,
                    silence_logs=False,
                )
            )
        try:
            client = Client(where, timeout=_CONNECT, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise AnymaskError(
                f"There is no Dask scheduler at {where} ({error or type(error).__name__})."
            ) from error
        ends.callback(client.close, 2)
        yield client
