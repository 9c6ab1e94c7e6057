"""A job that does nothing, in a module that other processes can import."""

from __future__ import annotations

from dataclasses import dataclass

from anymask.jobs.inputs import WorkItem
from anymask.jobs.report import Outcome
from anymask.jobs.work_through import Advance, Work


@dataclass(frozen=True)
class NoWork:
    """What `folder_jobs` measures the cost of a task with."""

    def start(self) -> Work:
        """Return what does nothing with an item."""
        return self.do

    def do(self, item: WorkItem, advance: Advance) -> Outcome:
        """Do nothing."""
        return Outcome(str(item.name), "done", str(item.path))
