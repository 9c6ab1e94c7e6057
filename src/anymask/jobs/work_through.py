"""Do the items of a job one after another: progress, cancelling, and errors as outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

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
        The current item.
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


def work_through(
    todo: list[Item],
    work: Callable[[Item, Advance], Outcome],
    report: FolderReport,
    progress: OnProgress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> None:
    """Do items in their order.

    Parameters
    ----------
    todo : list of WorkItem
        Each is taken out when it is done.
    work : callable
        Does one item; may call the function that it is given, to tell how far it is.
    report : FolderReport
        Gets the outcomes.
    progress : callable, optional
        Called while an item is done and when it is finished.
    cancel : callable, optional
        Called repeatedly; the run stops when it returns True.

    Raises
    ------
    OutputError
        If an outcome says that the next item would fail for the same reason.
    """
    total = len(todo)
    while todo:
        item, index = todo[0], total - len(todo)

        def advance(points: int, in_all: int, item: Item = item, i: int = index) -> None:
            if cancel is not None and cancel():
                raise Cancelled
            if progress is not None:
                progress(FolderProgress(item, i, total, points, in_all))

        try:
            advance(0, 0)
            outcome = work(item, advance)
        except Cancelled:
            report.cancelled = True
            return
        todo.pop(0)
        report.outcomes.append(outcome)
        if progress is not None:
            progress(FolderProgress(item, index, total, outcome=outcome))
        if outcome.ends_run:
            raise OutputError(outcome.reason)


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
