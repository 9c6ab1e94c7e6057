"""One run of a job: process the remaining items in order and report the outcomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from anymask.errors import AnymaskError, ImageError, OutputError
from anymask.files import check_writable, remove_leftovers
from anymask.io.fingerprint import fingerprint
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.inputs import Inputs, WorkItem
from anymask.jobs.job_journal import JobJournal, as_json, check_not_running, read_job
from anymask.jobs.report import FolderReport, Outcome
from anymask.jobs.work_through import (
    Cancelled,
    Executor,
    InThisProcess,
    OnProgress,
    Watch,
    work_through,
)
from anymask.jobs.worker import Segmenting, Worker

if TYPE_CHECKING:
    from anymask.model.sam import Sam


class FolderRun:
    """One run of a job over its items.

    Parameters
    ----------
    job : FolderJob
    inputs : Inputs
        Unusable ones are reported as failed.

    Attributes
    ----------
    todo : list of WorkItem
        The remaining items.
    report : FolderReport
        Filled during the run, so that it is available however the run ends.

    Raises
    ------
    ImageError
        If there is no image among the inputs.
    AnymaskError
        If a header is given for several images.
    OutputError
        If the output folder cannot be written to.
    """

    def __init__(self, job: FolderJob, inputs: Inputs) -> None:
        if not inputs.items:
            raise ImageError(
                " ".join(reason for _, reason in inputs.unusable)
                or "All of these are results of anymask; name the images themselves."
            )
        if job.view.header is not None and len(inputs.items) > 1:
            raise AnymaskError(
                f"header= is for one data file, but {len(inputs.items)} images are given; put "
                "headers beside their data, or segment one at a time."
            )
        check_writable(job.output)
        check_not_running(job.output)
        self.job = job
        self.todo = [each for i in inputs.items for each in i.with_recipes(job.view.recipes)]
        failed = [Outcome(name, "failed", reason=reason) for name, reason in inputs.unusable]
        self.report = FolderReport(job.output, failed, inputs.own_results)

    def skip_finished(self) -> None:
        """Leave out items that already have the results of this job."""
        left = []
        for item in self.todo:
            masks = self.job.masks_if_done(item)
            if masks is None:
                left.append(item)
            else:
                kept = Outcome(str(item.name), "kept", str(item.path), masks=masks)
                self.report.outcomes.append(kept)
        self.todo = left

    def skip_failed(self) -> None:
        """Leave out items that failed in the last run, unless they have changed since."""
        try:
            failed = read_job(self.job.output).failed
        except AnymaskError:
            return
        left = []
        for item in self.todo:
            step = failed.get(str(item.name), {})
            if step.get("sha256") is not None and step["sha256"] == self._hash(item):
                outcome = Outcome(
                    str(item.name),
                    "failed",
                    str(item.path),
                    reason=step["reason"],
                    sha256=step["sha256"],
                )
                self.report.outcomes.append(outcome)
            else:
                left.append(item)
        self.todo = left

    def would_replace(self) -> list[WorkItem]:
        """Return the remaining items that already have results."""
        return [item for item in self.todo if self.job.has_results(item)]

    def segment(
        self,
        load: Callable[[], Sam] | None = None,
        progress: OnProgress | None = None,
        cancel: Callable[[], bool] | None = None,
        executor: Executor | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Segment the remaining items, replacing existing results.

        Parameters
        ----------
        load : callable, optional
            Returns the model for a run in this process; by default the job's model is loaded.
        progress : callable, optional
            Called while an image is segmented and when it is finished.
        cancel : callable, optional
            Called repeatedly; the run stops when it returns True. Finished items stay.
        executor : Executor, optional
            Where items are done; by default one after another in this process.
        command : sequence of str, optional
            The words after ``anymask`` that began the run, for ``anymask job resume``.

        Raises
        ------
        OutputError
            If another run is writing into the folder.
            If the disk is full or read-only, because the next item would fail too. Any other
            error of an item is reported, and the run continues.
        AnymaskError
            If the model cannot be loaded.
        """
        if not self.todo:
            return
        for folder in {self.job.stem(item).parent for item in self.todo}:
            remove_leftovers(folder)
        blocks = executor
        if executor is None:
            executor = InThisProcess(lambda: Worker(self.job, load).segment)
        # One image needs no journal, unless it is large.
        several, items = len(self.todo) + len(self.report.outcomes) > 1, list(self.todo)
        journal = self._begin_journal(command) if several else None
        try:
            work_through(
                Segmenting(self.job),
                self.todo,
                self.report,
                executor=executor,
                progress=progress,
                cancel=cancel,
                keep=None if journal is None else partial(self._keep, journal),
            )
            if self.todo and not self.report.cancelled:
                if journal is None:
                    journal = self._begin_journal(command)
                self._segment_large(items, journal, load, progress, cancel, blocks)
        finally:
            if journal is not None:
                journal.close()

    def _segment_large(
        self,
        items: Sequence[WorkItem],
        journal: JobJournal,
        load: Callable[[], Sam] | None,
        progress: OnProgress | None,
        cancel: Callable[[], bool] | None,
        executor: Executor | None,
    ) -> None:
        """Segment those of all items that are left in blocks, one after another."""
        from anymask.jobs.in_blocks.whole_image import WholeImage

        watch = Watch(items, progress, cancel)
        for item in list(self.todo):
            index = items.index(item)
            watch.tell(index)
            image = WholeImage(self.job, item, executor, load, partial(watch.tell, index), cancel)
            try:
                outcome = image.segment()
            except Cancelled:
                self.report.cancelled = True
                return
            outcome = self._keep(journal, item, outcome)
            watch.tell(index, outcome=outcome)
            self.report.outcomes.append(outcome)
            self.todo.remove(item)
            if outcome.ends_run:
                raise OutputError(outcome.reason)

    def _begin_journal(self, command: Sequence[str] | None) -> JobJournal:
        images = len(self.todo) + len(self.report.outcomes)
        settings = as_json(self.job.settings())
        kept = len(self.report.kept)
        journal = JobJournal(self.job.output, images, kept, settings, command)
        for outcome in self.report.failed:
            journal.note(outcome)
        return journal

    def _keep(self, journal: JobJournal, item: WorkItem, outcome: Outcome) -> Outcome:
        if not outcome.ends_run:
            if outcome.status == "failed":
                outcome = replace(outcome, sha256=self._hash(item))
            journal.note(outcome)
        return outcome

    def _hash(self, item: WorkItem) -> str | None:
        """Hash of an item's file; None if it cannot be read."""
        try:
            return fingerprint(item.path, self.job.view.header)
        except (AnymaskError, OSError):
            return None
