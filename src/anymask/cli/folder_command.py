"""What the commands that segment folders have in common: which images are left, and the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from anymask.cli.console import EXIT_SOME_FAILED, complain, note, typed, was_interrupted
from anymask.cli.replacing import check_replacing
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.jobs.folder_run import FolderRun
    from anymask.jobs.work_through import Executor
    from anymask.model.sam import Sam


@dataclass(frozen=True)
class Leaving:
    """Which images are left as they are.

    Attributes
    ----------
    existing : bool
        Those with complete results of the same settings.
    failed : bool
        Those that failed in the last run and have not changed.
    overwrite : bool
        Whether other results are replaced without asking.
    """

    existing: bool
    failed: bool
    overwrite: bool


def leave_out(run: FolderRun, leaving: Leaving) -> None:
    """Say what cannot be segmented, and leave out what need not be.

    Raises
    ------
    OutputError
        If there are results that may not be replaced.
    """
    if run.report.own_results:
        files = counted(run.report.own_results, "file")
        note(f"Skipped {files} that anymask wrote (overlays, labels).")
    for outcome in run.report.failed:
        complain(outcome.reason)
    if leaving.existing:
        run.skip_finished()
    if leaving.failed:
        run.skip_failed()
    keep = "" if leaving.existing else "keep those with the same settings with --skip-existing, "
    check_replacing([run.job.stem(item) for item in run.todo], leaving.overwrite, keep)


def segment(
    run: FolderRun,
    load: Callable[[], Sam],
    executor: Executor | None,
    *,
    as_json: bool,
    of_no_masks: str,
    afterwards: Callable[[], None] | None = None,
) -> None:
    """Segment what is left, and report what became of it, however the run ends.

    Parameters
    ----------
    run : FolderRun
    load : callable
        Returns the model for a run in this process.
    executor : Executor, optional
    as_json : bool
        Whether the report is JSON.
    of_no_masks : str
        What to say if images have no masks.
    afterwards : callable, optional
        Called before the report, if the run was not ended by an error.
    """
    from anymask.cli.folder_report import print_summary, shown
    from anymask.jobs import job_journal

    stopped = False
    try:
        with shown(len(run.todo)) as progress:
            run.segment(load, progress, executor=executor, command=typed.get())
        if afterwards is not None:
            afterwards()
    except (Exception, KeyboardInterrupt) as error:
        stopped = was_interrupted(error)
        raise
    finally:
        if as_json:
            typer.echo(json.dumps(run.report.to_dict(), indent=1, ensure_ascii=False))
        else:
            print_summary(run.report, of_no_masks)
        if stopped and (run.job.output / job_journal.NAME).exists():
            note(f"'anymask job resume {run.job.output}' goes on with the others.")
    if run.report.failed:
        raise typer.Exit(EXIT_SOME_FAILED)
