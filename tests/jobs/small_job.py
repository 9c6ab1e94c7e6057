"""A job without a model, whose items end the process that does them, as their names say."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from anymask.errors import AnymaskError
from anymask.jobs.inputs import WorkItem
from anymask.jobs.report import Outcome
from anymask.jobs.work_through import Advance, Work


@dataclass(frozen=True)
class SmallJob:
    """Writes NAME.txt for each item.

    Attributes
    ----------
    folder : Path
    cannot_start : str
        Why it cannot; empty if it can.
    """

    folder: Path
    cannot_start: str = ""

    def start(self) -> Work:
        if self.cannot_start:
            raise AnymaskError(self.cannot_start)
        with (self.folder / "started").open("a") as file:
            file.write(f"{os.getpid()}\n")
        return self.do

    def do(self, item: WorkItem, advance: Advance) -> Outcome:
        name = item.name.name
        sys.stdout.write("a library prints\n")
        begun = self.folder / f"{name}.begun"
        dies = name.startswith("kills") or (name.startswith("once") and not begun.exists())
        with begun.open("a") as file:
            file.write("x")
        while name.startswith("waits") and not (self.folder / "go").exists():
            time.sleep(0.01)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        advance(1, 1)
        while name.startswith("advances") and not (self.folder / "go").exists():
            advance(1, 2)
            time.sleep(0.01)
        (self.folder / f"{name}.txt").write_text(name)
        return Outcome(str(item.name), "done", str(item.path), masks=len(name))


def items(*names: str) -> list[WorkItem]:
    return [WorkItem(Path(f"{name}.png"), Path(name)) for name in names]
