"""The journal of runs over a folder: what is done, what failed and why.

``OUT/job.jsonl`` is a journal (`anymask.journal`). Each run appends a line that says what is done
and how, and a line for each image that is done or failed. Whether results are complete and belong
to the same job is told by the results themselves, so a journal that is lost costs nothing but the
record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError, OutputError
from anymask.jobs.one_run import OneRun
from anymask.jobs.report import Outcome
from anymask.journal import Journal
from anymask.plugins import own_version

NAME = "job.jsonl"
_FORMAT = "anymask job 1"


def _only_run(folder: Path) -> OneRun:
    return OneRun(
        folder / f".{NAME}.lock",
        f"Another run is writing into {folder}; wait for it, or name another folder.",
    )


def is_running(folder: Path) -> bool:
    """Whether a process is writing results into a folder."""
    try:
        _only_run(folder).end()
    except OutputError as error:
        return error.__cause__ is None  # else this process may not write there
    return False


def check_not_running(folder: Path) -> None:
    """Refuse a folder that a process is writing results into.

    Raises
    ------
    OutputError
        If one is, or the folder cannot be written to.
    """
    if folder.is_dir():
        _only_run(folder).end()


class JobJournal:
    """The journal of a run that is going on; no other run can begin one in the same folder.

    Parameters
    ----------
    folder : Path
        That of the results.
    images : int
        How many images the job has.
    kept : int
        How many of them were finished before.
    settings : mapping
        What the results depend on besides the images, as JSON-ready data.
    command : sequence of str, optional
        The words after ``anymask``, if the job can be resumed by them.

    Raises
    ------
    OutputError
        If another run is going on, or the journal cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        images: int,
        kept: int,
        settings: Mapping[str, Any],
        command: Sequence[str] | None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._only = _only_run(folder)
        self._journal: Journal | None = None
        try:
            self._journal = Journal(folder / NAME, writable=True, error=OutputError)
            for _ in self._journal.lines():  # to its end
                pass
            self._journal.append(
                {
                    "format": _FORMAT,
                    "anymask": own_version(),
                    "began": datetime.now(UTC).isoformat(timespec="seconds"),
                    "command": None if command is None else list(command),
                    "folder": str(Path.cwd()),
                    "settings": dict(settings),
                    "images": images,
                    "kept": kept,
                }
            )
        except BaseException:
            self.close()
            raise

    def note(self, outcome: Outcome) -> None:
        """Write what became of an image.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        assert self._journal is not None
        self._journal.append(
            {
                "image": outcome.name,
                "status": outcome.status,
                "path": outcome.path,
                "sha256": outcome.sha256,
                "masks": outcome.masks,
                "seconds": outcome.seconds,
                "reason": outcome.reason,
            }
        )

    def close(self) -> None:
        """Close the journal; a second call does nothing."""
        if self._journal is not None:
            self._journal.close()
        self._only.end()


@dataclass
class JobState:
    """What a journal says of its last run.

    Attributes
    ----------
    folder : Path
        That of the results, or the table.
    images : int
        How many images the job has.
    done : int
        How many are finished, in whichever run.
    failed : dict
        The steps of those that failed, by name.
    command : list of str or None
        The words after ``anymask`` that began it; None if it was begun in Python.
    began_in : Path
        The folder in which it was begun.
    began, anymask : str
        When the run began, and the version.
    settings : dict
        What the results depend on besides the images.
    """

    folder: Path
    images: int
    done: int
    command: list[str] | None
    began_in: Path
    began: str
    anymask: str
    settings: dict[str, Any]
    failed: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """How many images are neither done nor failed."""
        return max(0, self.images - self.done - len(self.failed))


def read_job(place: Path) -> JobState:
    """Read the journal of a folder with results; also of a data set with them.

    Raises
    ------
    AnymaskError
        If there is none.
    """
    tried = [place / NAME, place / "results" / NAME] if place.is_dir() else [place]
    path = next((each for each in tried if each.is_file()), None)
    if path is None:
        raise AnymaskError(
            f"{place} has no {NAME}; name the folder that a run over several images wrote to."
        )
    journal, state = Journal(path, writable=False), None
    try:
        for line in journal.lines():
            step = line.step
            if step.get("format") == _FORMAT:
                state = JobState(
                    path.parent,
                    step["images"],
                    step["kept"],
                    step["command"],
                    Path(step["folder"]),
                    step["began"],
                    step["anymask"],
                    step["settings"],
                )
            elif state is not None and step.get("status") == "failed":
                state.failed[step["image"]] = step
            elif state is not None:
                state.done += 1
    finally:
        journal.close()
    if state is None:
        raise AnymaskError(f"{path} is no journal of this version of anymask; move it away.")
    return state


def as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON has them; what it lacks is text."""
    ready: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return ready
