"""One process of a job: load the model once and segment item after item."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.images.image import Image
from anymask.io.image_formats.photo import check_pixels
from anymask.io.results import write_results
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.in_blocks.plan import needs_blocks
from anymask.jobs.inputs import WorkItem
from anymask.jobs.report import Outcome
from anymask.jobs.work_through import Advance, Work, failed
from anymask.masks.adding import add_to
from anymask.notices import noticing
from anymask.plugins import own_version

if TYPE_CHECKING:
    from anymask.model.sam import Sam


@dataclass(frozen=True)
class Segmenting:
    """The work of a job, as an executor takes it; see `anymask.jobs.work_through.Job`."""

    job: FolderJob

    def start(self) -> Work:
        """Load the model, and return what segments an item."""
        return Worker(self.job).segment


class Worker:
    """Segments items of one job, one after another.

    Parameters
    ----------
    job : FolderJob
    load : callable, optional
        Returns the model; by default the job's model is loaded.

    Raises
    ------
    AnymaskError
        If the model cannot be loaded or does not support an option.
    """

    def __init__(self, job: FolderJob, load: Callable[[], Sam] | None = None) -> None:
        self.job = job
        self._finder = job.finder(load() if load is not None else job.load())
        # The last opened file, reused for its next pseudo-RGB.
        self._opened: tuple[Path, Image] | None = None

    def segment(self, item: WorkItem, advance: Advance | None = None) -> Outcome:
        """Segment an item and write its results; an error becomes a failed outcome.

        The outcome of an image that is done in blocks is "large", and nothing is written.

        Parameters
        ----------
        item : WorkItem
        advance : callable, optional
            Called with the points done and their total; may raise `Cancelled`.
        """
        try:
            return self._segment(item, advance)
        except Exception as error:
            return failed(item, error)

    def _segment(self, item: WorkItem, advance: Advance | None) -> Outcome:
        began = time.perf_counter()
        made_with = self.job.made_with(item)
        with noticing() as notices:
            image = self._open(item.path)
            if self._is_large(image):
                return Outcome(str(item.name), "large", str(item.path))
            check_pixels(item.path, image.width, image.height)
            rgb, notes = self.job.view.picture(image, item.recipe)
            earlier = self.job.earlier_masks(item, image)
            masks = self._finder.find(item, image, rgb, advance)
        if earlier is not None:
            masks = add_to(earlier, masks)
        write_results(
            self.job.stem(item),
            rgb,
            masks,
            image_name=item.path.name,
            info={"description": f"anymask {own_version()}", **made_with},
            pixel_size=image.pixel_size,
            unit=image.unit,
            geo=image.geo,
            painted=self._finder.painted(rgb, masks),
        )
        covered = (masks.to_labels() > 0).mean() if len(masks) else 0.0
        return Outcome(
            str(item.name),
            "done",
            str(item.path),
            size=masks.image_size,
            masks=len(masks),
            covered=float(covered),
            seconds=time.perf_counter() - began,
            notes=(*notices, *notes),
            sha256=made_with["sha256"],
        )

    def _open(self, path: Path) -> Image:
        if self._opened is None or self._opened[0] != path:
            self._opened = None  # so that two are never in memory at once
            self._opened = (path, self.job.view.image(path))
        return self._opened[1]

    def _is_large(self, image: Image) -> bool:
        """Whether an image is not done here, but in blocks."""
        tile_size = self.job.options.get("tile_size")
        return self.job.finds_everything and needs_blocks(image, self.job.blocks, tile_size)
