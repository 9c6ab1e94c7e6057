"""Long work that pages follow and cancel: everything in images, exports."""

from __future__ import annotations

import secrets
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from anymask.errors import AnymaskError
from anymask.session import CancelToken
from anymask.web.hub import Hub

State = Literal["waiting", "running", "done", "failed", "cancelled"]
# Finished jobs that are remembered.
_MOST_KEPT = 50
# A page needs no more news than this.
_NEWS_SECONDS = 0.1


@dataclass
class Job:
    """Work that takes long.

    Attributes
    ----------
    id : str
    kind : str
        "everything", "export", "images".
    title : str
    state : {"waiting", "running", "done", "failed", "cancelled"}
    fraction : float
        From 0 to 1.
    sentence : str
        What came out of it, or why it failed.
    result : dict
    cancel : CancelToken
    """

    id: str
    kind: str
    title: str
    state: State = "waiting"
    fraction: float = 0.0
    sentence: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    cancel: CancelToken = field(default_factory=CancelToken)
    told: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state in ("done", "failed", "cancelled")

    def to_json(self) -> dict[str, Any]:
        """Return what a page gets to see."""
        return {
            "id": self.id,
            "kind": self.kind,
            "title": self.title,
            "state": self.state,
            "fraction": round(self.fraction, 4),
            "sentence": self.sentence,
            "result": self.result,
        }


class Jobs:
    """The jobs of a server, the last of them also after their end.

    Parameters
    ----------
    hub : Hub
    log : callable
        Takes the traceback of a failure that nobody foresaw.
    """

    def __init__(self, hub: Hub, log: Callable[[str], None]) -> None:
        self._hub, self._log = hub, log
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._guard = threading.Lock()

    def new(self, kind: str, title: str) -> Job:
        """Make a job that waits."""
        job = Job(secrets.token_hex(6), kind, title)
        with self._guard:
            self._jobs[job.id] = job
            over = [each.id for each in self._jobs.values() if each.is_over]
            for old in over[: max(0, len(self._jobs) - _MOST_KEPT)]:
                del self._jobs[old]
        self.tell(job)
        return job

    def get(self, job: str) -> Job | None:
        """Return a job by its id."""
        with self._guard:
            return self._jobs.get(job)

    def all(self) -> list[Job]:
        """Return the jobs, oldest first."""
        with self._guard:
            return list(self._jobs.values())

    def tell(self, job: Job) -> None:
        """Tell all pages how far a job is."""
        job.told = time.monotonic()
        self._hub.tell("job", **job.to_json())

    def advance(self, job: Job, fraction: float) -> None:
        """Note how far a job is; pages hear of it now and then."""
        job.fraction = fraction
        if time.monotonic() - job.told > _NEWS_SECONDS:
            self.tell(job)

    def cancel(self, job: Job) -> None:
        """Ask a job to stop soon."""
        job.cancel.cancel()
        if job.state == "waiting":
            job.state = "cancelled"
            self.tell(job)

    def fail(self, job: Job, error: Exception) -> None:
        """Note that a job failed, and why."""
        job.state, job.sentence = "failed", str(error)
        if not isinstance(error, AnymaskError):
            self._log("".join(traceback.format_exception(error)))
            first = (str(error).splitlines() or [""])[0]
            job.sentence = f"It failed ({type(error).__name__}: {first}); the log says more."
        self.tell(job)

    def do(self, job: Job, work: Callable[[], str]) -> None:
        """Do the work of a job in this thread; it returns a sentence."""
        if job.is_over:  # cancelled while it waited
            return
        job.state = "running"
        self.tell(job)
        try:
            job.sentence = work()
            job.state = "cancelled" if job.cancel.is_cancelled else "done"
            job.fraction = job.fraction if job.cancel.is_cancelled else 1.0
        except Exception as error:
            self.fail(job, error)
        else:
            self.tell(job)
