"""The rows of the images that are finished, in a file beside the table until it is complete.

``all.csv.unfinished`` is a journal (`anymask.journal`): its first line says what is measured, and
each other line has the rows of one image and the hashes of the files that they come from. It
survives any end of the process; only the image in work is lost. The table itself appears whole,
made from the journal, and is the same however often the run was stopped.

Each run also adds a line that says how it was begun, and one for each image that failed, for
``anymask job``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import OutputError
from anymask.io.table_parts import Column, columns_of
from anymask.jobs.job_journal import JobState
from anymask.jobs.one_run import OneRun
from anymask.jobs.report import Outcome
from anymask.journal import Journal, Line
from anymask.masks.measure import Measurements
from anymask.plugins import own_version

SUFFIX = ".unfinished"
_FORMAT = "anymask table 1"


def journal_path(table: Path) -> Path:
    """The journal of a table."""
    return table.with_name(table.name + SUFFIX)


@dataclass(frozen=True)
class Finished:
    """The rows of an image in the journal.

    Attributes
    ----------
    rows : int
        How many.
    columns : tuple of Column
        Their columns; names are without units.
    made_of : mapping
        Hashes of the files that they come from.
    objects : int
        How many objects the image has.
    offset, length : int
        Where the line is.
    """

    rows: int
    columns: tuple[Column, ...]
    made_of: Mapping[str, str]
    objects: int
    offset: int
    length: int


class TableJournal:
    """The journal of a table, open and locked.

    Parameters
    ----------
    table : Path
    settings : mapping
        What is measured, as JSON-ready data. Rows measured otherwise are not used.
    anew : bool
        Whether to begin again if there are rows that were measured otherwise.

    Attributes
    ----------
    finished : dict of Finished
        By the name of the image.

    Raises
    ------
    OutputError
        If another process measures into the same table, the journal cannot be written, or its rows
        were measured otherwise and `anew` is false.
    """

    def __init__(self, table: Path, settings: Mapping[str, Any], *, anew: bool) -> None:
        self.path = journal_path(table)
        self.finished: dict[str, Finished] = {}
        self._columns: dict[tuple[Column, ...], tuple[Column, ...]] = {}
        self._journal: Journal | None = None
        self._only = _only_run(table)
        try:
            self._open({"format": _FORMAT, "settings": json.loads(json.dumps(settings))}, anew)
        except BaseException:
            self.close()
            raise

    def _open(self, header: Mapping[str, Any], anew: bool) -> None:
        journal = self._journal = Journal(self.path, writable=True, error=OutputError)
        lines = list(journal.lines())
        if lines and lines[0].step != header:
            if not anew:
                raise OutputError(_other(self.path, lines[0].step, header))
            journal.close()
            self.path.unlink()
            journal = self._journal = Journal(self.path, writable=True, error=OutputError)
            lines = []
        for line in lines[1:]:
            if "values" in line.step:
                self._note(line)
        if not lines:
            journal.append(header)

    def begin_run(self, images: int, command: Sequence[str] | None) -> None:
        """Say how a run over so many images was begun.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        assert self._journal is not None
        run = {
            "anymask": own_version(),
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": None if command is None else list(command),
            "folder": str(Path.cwd()),
            "images": images,
        }
        self._journal.append({"run": run})

    def note_failed(self, outcome: Outcome) -> None:
        """Say that an image failed; a full disk does not matter for that."""
        step = {"failed": outcome.name, "path": outcome.path, "reason": outcome.reason}
        assert self._journal is not None
        with suppress(OutputError):
            self._journal.append(step)

    def append(
        self, image: str, made_of: Mapping[str, str], objects: int, table: Measurements
    ) -> None:
        """Keep the rows of an image.

        Raises
        ------
        OutputError
            If they cannot be written; the journal is unchanged.
        """
        columns = [
            [name, kind.kind, table.units.get(name, "")]
            for name, kind in zip(table, columns_of(table), strict=True)
        ]
        step = {
            "image": image,
            "made_of": dict(made_of),
            "objects": objects,
            "rows": len(next(iter(table.values()), ())),
            "columns": columns,
            # Numbers that are not finite have no place in JSON.
            "values": [_plain(column) for column in table.values()],
        }
        assert self._journal is not None
        self._note(self._journal.append(step))

    def values(self, image: str) -> dict[str, list[Any]]:
        """Read the rows of an image: values by the name of the column, without unit."""
        one = self.finished[image]
        assert self._journal is not None
        step = self._journal.read(one.offset, one.length)
        return {
            column.name: values for column, values in zip(one.columns, step["values"], strict=True)
        }

    def remove(self) -> None:
        """Delete the journal, because the table is complete, and close it."""
        with suppress(OSError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Close the journal; a second call does nothing."""
        if self._journal is not None:
            with suppress(OSError):
                self._journal.close()
        self._only.end()

    def _note(self, line: Line) -> None:
        step = line.step
        columns = tuple(Column(name, kind, unit) for name, kind, unit in step["columns"])
        columns = self._columns.setdefault(columns, columns)  # the same for most images
        self.finished[step["image"]] = Finished(
            step["rows"], columns, step["made_of"], step["objects"], line.offset, line.length
        )


def read_table_job(place: Path) -> JobState | None:
    """Read how far a table is; None if the place is no unfinished table.

    Parameters
    ----------
    place : Path
        The table, whether it exists or not, or its journal.
    """
    table = place.with_name(place.name.removesuffix(SUFFIX))
    path = journal_path(table)
    if not path.is_file():
        return None
    journal, state, finished = Journal(path, writable=False), None, set()
    try:
        steps = (line.step for line in journal.lines())
        settings = next(steps, {}).get("settings")
        for step in steps:
            if "values" in step:
                finished.add(step["image"])
                if state is not None:
                    state.failed.pop(step["image"], None)
            elif state is not None and "failed" in step:
                state.failed[step["failed"]] = {"image": step["failed"], **step}
            elif "run" in step:
                run = step["run"]
                state = JobState(
                    table, run["images"], 0, run["command"], Path(run["folder"]), run["began"],
                    run["anymask"], settings or {},
                )  # fmt: skip
    finally:
        journal.close()
    if state is not None:
        state.done = len(finished - state.failed.keys())
    return state


def table_is_running(table: Path) -> bool:
    """Whether a process is measuring into a table."""
    try:
        _only_run(table).end()
    except OutputError as error:
        return error.__cause__ is None
    return False


def _only_run(table: Path) -> OneRun:
    return OneRun(
        table.with_name(f".{table.name}.lock"),
        f"Another process is measuring into {table}; wait for it, or name another table.",
    )


def _plain(column: np.ndarray) -> list[Any]:
    """Values as JSON has them, None for those that are not finite."""
    values: list[Any] = column.tolist()
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        return [value if np.isfinite(value) else None for value in values]
    return values


def _other(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Why a journal cannot be continued."""
    if found.get("format") != wanted["format"] or not isinstance(found.get("settings"), Mapping):
        return f"{path} is no unfinished table of this version of anymask; move it away."
    before, now = found["settings"], wanted["settings"]
    which = sorted(name for name in now if before.get(name) != now[name])
    return (
        f"{path} has images that were measured with other settings ({', '.join(which)}); give the "
        "same, or begin again with --overwrite (overwrite=True in Python)."
    )
