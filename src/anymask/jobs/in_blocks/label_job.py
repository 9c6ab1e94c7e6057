"""The parts of a label image, as tasks: each worker writes its chunks of the OME-Zarr."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anymask.files import whole_file
from anymask.io.label_pyramid import write_part
from anymask.jobs.in_blocks.objects_file import Objects
from anymask.jobs.in_blocks.plan import LabelItem, Plan
from anymask.jobs.report import Outcome
from anymask.jobs.work_through import Advance, Work, failed


@dataclass(frozen=True)
class LabelJob:
    """Paints parts of the label image of a plan.

    Attributes
    ----------
    plan : Plan
    """

    plan: Plan

    def start(self) -> Work:
        """Return what paints a part."""
        objects = Objects(self.plan.objects, self.plan.size[0])

        def do(item: LabelItem, advance: Advance) -> Outcome:
            try:
                return self._do(item, objects)
            except Exception as error:
                return failed(item, error)

        return do

    def path(self, item: LabelItem) -> Path:
        """The file that says that a part is finished, and how many of its pixels are labelled."""
        return self.plan.parts / f"{item.name.name}.txt"

    def _do(self, item: LabelItem, objects: Objects) -> Outcome:
        step = 2**item.level
        x0, y0, x1, y1 = item.box
        height, width = self.plan.size
        window = (x0 * step, y0 * step, min(x1 * step, width), min(y1 * step, height))
        labels = objects.painted(window, step)
        write_part(self.plan.labels, item.level, (y0, x0), labels)
        with whole_file(self.path(item)) as part:
            part.write_text(str(np.count_nonzero(labels)))
        return Outcome(str(item.name), "done", str(item.path))
