"""One run of measuring many images into one table, which goes on where an earlier run ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from anymask.errors import AnymaskError, ImageError, OutputError
from anymask.files import check_free, check_writable, remove_leftovers
from anymask.io.table_formats import table_format
from anymask.jobs.inputs import Inputs
from anymask.jobs.matching import MaskedItem, match
from anymask.jobs.measure_job import Measured, MeasureJob
from anymask.jobs.report import FolderReport, Outcome
from anymask.jobs.table_columns import WholeTable
from anymask.jobs.table_journal import TableJournal, journal_path
from anymask.jobs.work_through import Executor, OnProgress, failed, work_through


class MeasureRun:
    """One run over images and their masks; `measure` must follow, which closes the journal.

    Parameters
    ----------
    job : MeasureJob
    table : Path
        The table to write, ``.csv`` or ``.parquet``.
    inputs : Inputs
        The images.
    masks : Path
        Folder, pattern or file with their masks.
    resume : bool
        Whether to go on with an unfinished table. If there is none, but the table, nothing is left
        to do.
    overwrite : bool
        Whether to replace a table, or to begin an unfinished one again; with `resume` too, only if
        its rows were measured with other settings.

    Attributes
    ----------
    todo : list of MaskedItem
        The images that remain.
    unfinished : Path
        Where the rows of finished images are until the table is complete.
    report : FolderReport
        Filled during the run, so that it is available however the run ends.

    Raises
    ------
    ImageError
        If there are no images, no masks, or none that belong together.
    AnymaskError
        If a header is given for several images.
    OutputError
        If the table exists and may not be replaced, or cannot be written.
    """

    def __init__(
        self,
        job: MeasureJob,
        table: Path,
        inputs: Inputs,
        masks: Path,
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.job, self.table = job, table
        self._format = table_format(table, in_parts=True)
        self.report = FolderReport(table)
        self.todo: list[MaskedItem] = []
        self._journal: TableJournal | None = None
        self.unfinished = unfinished = journal_path(table)
        _check_place(table, resume, overwrite)
        if resume and not overwrite and table.exists() and not unfinished.exists():
            self.report.notes.append(f"{table} is complete; nothing is left to resume.")
            return
        if not inputs.items:
            raise ImageError(
                " ".join(reason for _, reason in inputs.unusable)
                or "All of these are results of anymask; name the images themselves."
            )
        matched = match(inputs, masks)
        if job.view.header is not None and len(matched.items) > 1:
            raise AnymaskError(
                f"header= is for one data file, but {len(matched.items)} images are given; put "
                "headers beside their data, or measure one at a time."
            )
        check_writable(table.parent)
        remove_leftovers(table.parent)
        unusable = [Outcome(name, "failed", reason=reason) for name, reason in inputs.unusable]
        self.report.outcomes += [*unusable, *matched.failed]
        self.report.own_results = inputs.own_results
        self.report.notes += matched.notes
        self._called = _names_in_table(matched.items)
        if overwrite and not resume:
            unfinished.unlink(missing_ok=True)
        self._journal = TableJournal(table, job.settings(), anew=overwrite)
        self._sort_out(matched.items, self._journal)

    def measure(
        self,
        progress: OnProgress | None = None,
        cancel: Callable[[], bool] | None = None,
        executor: Executor | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Measure the remaining images, then write the table.

        Images that failed are left out of the table. While there are any, their table can be
        resumed to try them again.

        Parameters
        ----------
        progress : callable, optional
            Called when an image is begun and when it is finished.
        cancel : callable, optional
            Called repeatedly; the run stops when it returns True. Finished images stay.
        executor : Executor, optional
            Where images are measured; by default one after another in this process. The table is
            written by this process alone.
        command : sequence of str, optional
            The words after ``anymask`` that began the run, for ``anymask job resume``.

        Raises
        ------
        OutputError
            If the disk is full. Finished images stay. Any other error of an image is reported, and
            the run continues.
        """
        if self._journal is None:
            return
        try:
            self._journal.begin_run(len(self.todo) + len(self.report.outcomes), command)
            for outcome in self.report.failed:
                self._journal.note_failed(outcome)
            work_through(
                self.job,
                self.todo,
                self.report,
                executor=executor,
                progress=progress,
                cancel=cancel,
                keep=self._keep,
            )
            if not self.report.cancelled and self._journal.finished:
                self._write(self._journal)
        finally:
            if self._journal.finished:
                self._journal.close()
            else:
                self._journal.remove()

    def _sort_out(self, items: Sequence[MaskedItem], journal: TableJournal) -> None:
        """Tell images whose rows are in the journal, made from the same files, from the others."""
        for item in items:
            known = journal.finished.get(str(item.name))
            if known is not None and known.made_of == self.job.made_of(item):
                outcome = Outcome(str(item.name), "kept", str(item.path), masks=known.objects)
                self.report.outcomes.append(outcome)
            else:
                journal.finished.pop(str(item.name), None)
                self.todo.append(item)

    def _keep(self, item: MaskedItem, result: Measured | Outcome) -> Outcome:
        """Put the rows of an item into the journal."""
        assert self._journal is not None
        if isinstance(result, Outcome):  # of an item that ended its process
            self._journal.note_failed(result)
            return result
        if result.rows is not None:
            count = result.outcome.masks or 0
            try:
                self._journal.append(str(item.name), result.made_of, count, result.rows)
            except OutputError as error:
                # All rows go to one file, so the next ones would fail too.
                return replace(failed(item, error), ends_run=True)
        else:
            self._journal.note_failed(result.outcome)
        return result.outcome

    def _write(self, journal: TableJournal) -> None:
        whole = WholeTable(journal, self._called, self.job.where)
        assert self._format.write_parts is not None
        self._format.write_parts(self.table, whole.columns, whole.parts())
        self.report.rows = whole.rows
        self.report.notes += whole.notes
        if not self.report.failed:
            journal.remove()


def _check_place(table: Path, resume: bool, overwrite: bool) -> None:
    """Refuse to replace what may not be replaced."""
    if table.is_dir():
        raise OutputError(f"{table} is a folder; give the name of the file to write.")
    if resume or overwrite:
        return
    unfinished = journal_path(table)
    if unfinished.exists():
        raise OutputError(
            f"{unfinished} has images that an earlier run finished; go on with --resume "
            "(resume=True in Python), or begin again with --overwrite (overwrite=True in Python)."
        )
    check_free(table, overwrite)


def _names_in_table(items: Sequence[MaskedItem]) -> dict[str, str]:
    """What the table calls each image: its file, below the given folder; else its whole path."""
    times = Counter(item.image for item in items)
    return {
        str(item.name): item.image if times[item.image] == 1 else item.path.as_posix()
        for item in items
    }
