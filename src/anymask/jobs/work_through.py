"""Do the items of a job: progress, cancelling, and errors as outcomes.

Where they are done is an executor's business: `InThisProcess` here, `anymask.jobs.processes`, or
`anymask.jobs.on_dask`. Each is given the job and its items, and yields what became of each item.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from anymask.errors import AnymaskError, OutputError
from anymask.files import is_lasting
from anymask.jobs.inputs import WorkItem
from anymask.jobs.report import FolderReport, Outcome


class Cancelled(Exception):
    """The run was cancelled in the middle of an item."""


@dataclass(frozen=True)
class FolderProgress:
    """The progress of a run.

    Attributes
    ----------
    item : WorkItem
        The item that was begun, goes on, or is finished.
    index, total : int
        Index of the item, from 0, and the number of items.
    points, points_in_all : int
        Points of this image that are done, and their total; 0 of 0 before it is read, and in runs
        without a model.
    outcome : Outcome or None
        The outcome of the item, once it is finished.
    """

    item: WorkItem
    index: int
    total: int
    points: int = 0
    points_in_all: int = 0
    outcome: Outcome | None = None


OnProgress = Callable[[FolderProgress], None]
Advance = Callable[[int, int], None]
"""Called with the points done and their total; may raise `Cancelled`."""
Item = TypeVar("Item", bound=WorkItem)
Work = Callable[[Any, Advance], Any]
"""Does one item: an `Outcome`, or what the run makes one of. Errors of the item are outcomes."""


Results = Generator[tuple[int, Any], None, None]
"""The index of an item and what `Work` returned for it, again and again."""


class Job(Protocol):
    """What is done with items; plain data that can be pickled, as its items are."""

    def start(self) -> Work:
        """Return what does one item, once a process; loads the model.

        Raises
        ------
        AnymaskError
            If no item can be done.
        """


class Executor(Protocol):
    """Does items somewhere."""

    def results(self, job: Job, items: Sequence[WorkItem], watch: Watch) -> Results:
        """Yield the index of an item and what `Work` returned for it, as they are finished.

        An item that ended its process twice has a failed `Outcome` in its place.

        Raises
        ------
        Cancelled
            From `watch`, which is called several times a second.
        AnymaskError
            If no item can be done, for example without a model.
        """


class Watch:
    """Tells progress, and whether the run is cancelled.

    Parameters
    ----------
    items : sequence of WorkItem
    progress, cancel : callable, optional
        As in `work_through`.
    """

    def __init__(
        self,
        items: Sequence[WorkItem],
        progress: OnProgress | None,
        cancel: Callable[[], bool] | None,
    ) -> None:
        self._items, self._progress, self._cancel = items, progress, cancel

    def check(self) -> None:
        """Raise `Cancelled` if the run is."""
        if self._cancel is not None and self._cancel():
            raise Cancelled

    def advance(self, index: int, points: int, in_all: int) -> None:
        """Tell how far an item is; may raise `Cancelled`."""
        self.check()
        self.tell(index, points, in_all)

    def tell(self, index: int, points: int = 0, in_all: int = 0, outcome: Any = None) -> None:
        """Tell how far an item is."""
        if self._progress is not None:
            total = len(self._items)
            item = self._items[index]
            self._progress(FolderProgress(item, index, total, points, in_all, outcome))


class InThisProcess:
    """Does one item after another, here.

    Parameters
    ----------
    start : callable, optional
        Called in place of the job's `start`.
    """

    def __init__(self, start: Callable[[], Work] | None = None) -> None:
        self._start = start

    def results(self, job: Job, items: Sequence[WorkItem], watch: Watch) -> Results:
        """Yield the results in the order of the items."""
        work = job.start() if self._start is None else self._start()
        for index, item in enumerate(items):

            def advance(points: int, in_all: int, index: int = index) -> None:
                watch.advance(index, points, in_all)

            advance(0, 0)
            yield index, work(item, advance)


def work_through(
    job: Job,
    todo: list[Item],
    report: FolderReport,
    *,
    executor: Executor | None = None,
    progress: OnProgress | None = None,
    cancel: Callable[[], bool] | None = None,
    keep: Callable[[Item, Any], Outcome] | None = None,
) -> None:
    """Do items, and keep what becomes of them.

    Parameters
    ----------
    job : Job
    todo : list of WorkItem
        Those that are finished are taken out, however the run ends; those too large for one task
        stay.
    report : FolderReport
        Gets the outcomes, in the order of the items.
    executor : Executor, optional
        Where items are done; by default in this process.
    progress : callable, optional
        Called while an item is done and when it is finished.
    cancel : callable, optional
        Called repeatedly; the run stops when it returns True.
    keep : callable, optional
        Called in this process with each item and its result; writes what is not yet written, and
        returns the outcome.

    Raises
    ------
    OutputError
        If an outcome says that the next item would fail for the same reason.
    AnymaskError
        If no item can be done.
    """
    items = list(todo)
    watch = Watch(items, progress, cancel)
    finished: dict[int, Outcome] = {}
    results = (executor or InThisProcess()).results(job, items, watch)
    try:
        for index, result in results:
            if isinstance(result, Outcome) and result.status == "large":
                continue
            outcome: Outcome = result if keep is None else keep(items[index], result)
            finished[index] = outcome
            watch.tell(index, outcome=outcome)
            if outcome.ends_run:
                raise OutputError(outcome.reason)
    except Cancelled:
        report.cancelled = True
    finally:
        results.close()  # ends processes before anything else is done
        report.outcomes += [finished[index] for index in sorted(finished)]
        todo[:] = [item for index, item in enumerate(items) if index not in finished]


def failed(item: WorkItem, error: Exception) -> Outcome:
    """Return the outcome of an item that an error ended.

    Raises
    ------
    Cancelled, KeyboardInterrupt
        If the run was stopped, even where a library turned Ctrl-C into its own error.
    """
    if isinstance(error, Cancelled):
        raise error
    if _was_interrupted(error):
        raise KeyboardInterrupt from error
    known = isinstance(error, AnymaskError)
    return Outcome(
        str(item.name),
        "failed",
        str(item.path),
        reason=str(error) if known else f"{type(error).__name__}: {error}",
        ends_run=isinstance(error, OutputError) and is_lasting(error),
    )


def _was_interrupted(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
