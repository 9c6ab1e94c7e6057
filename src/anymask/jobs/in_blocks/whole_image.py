"""One image in blocks: its tiles, then its objects, then the parts of its labels, then results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from anymask.errors import OutputError
from anymask.files import whole_folder
from anymask.io.guards import needs
from anymask.io.label_pyramid import create
from anymask.io.large_results import write_large_results
from anymask.io.write_context import WriteContext, place_of
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.in_blocks.found_tiles import FoundTile, place_of_seen
from anymask.jobs.in_blocks.label_job import LabelJob
from anymask.jobs.in_blocks.objects_file import Objects, save_objects
from anymask.jobs.in_blocks.plan import TILE_SIZE, LabelItem, Plan, TileItem
from anymask.jobs.in_blocks.tile_job import TileJob
from anymask.jobs.inputs import WorkItem
from anymask.jobs.report import FolderReport, Outcome
from anymask.jobs.work_through import (
    Cancelled,
    Executor,
    FolderProgress,
    InThisProcess,
    failed,
    work_through,
)
from anymask.masks.adding import add_to
from anymask.masks.mask_set import MaskSet
from anymask.model.config import EverythingConfig
from anymask.notices import noticing
from anymask.painting import overlay
from anymask.plugins import own_version
from anymask.predict.everything.grids import tiles_of
from anymask.predict.everything.options import EverythingOptions
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.model.sam import Sam

Part = TypeVar("Part", TileItem, LabelItem)
OnPoints = Callable[[int, int], None]


class WholeImage:
    """Segments one image in blocks.

    Parameters
    ----------
    job : FolderJob
    item : WorkItem
        The image.
    executor : Executor, optional
        Where blocks are done; by default one after another in this process.
    load : callable, optional
        Returns the model for a run in this process; by default the job's model is loaded.
    progress : callable, optional
        Called with the points that are done and their total.
    cancel : callable, optional
        Called repeatedly; returns whether to stop. Finished blocks stay.
    """

    def __init__(
        self,
        job: FolderJob,
        item: WorkItem,
        executor: Executor | None = None,
        load: Callable[[], Sam] | None = None,
        progress: OnPoints | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> None:
        self._job, self._item = job, item
        self._executor, self._load = executor, load
        self._progress, self._cancel = progress, cancel

    def segment(self) -> Outcome:
        """Segment the image and write its results; an error becomes a failed outcome.

        Raises
        ------
        Cancelled
        AnymaskError
            If no block can be done, for example without a model.
        """
        began = time.perf_counter()
        here = (self._begin, self._join, self._finish)
        for local, tasks in zip(here, (self._tiles, self._labels, None), strict=True):
            try:
                local()
            except Exception as error:
                return failed(self._item, error)
            if tasks is not None and (wrong := tasks()) is not None:
                return wrong
        return replace(self._outcome, seconds=time.perf_counter() - began)

    def _begin(self) -> None:
        """Open the image, and decide how it is cut."""
        needs("zarr", "formats", "Labels of an image in blocks", OutputError)
        job, path = self._job, self._item.path
        self._made_with = job.made_with(self._item)
        with noticing() as notices:
            self._image = job.view.image(path)
            self._limits = job.view.in_parts(self._image, self._item.recipe).limits
        self._plan = Plan.of(job.stem(self._item), self._item, self._image)
        self._plan.begin(self._made_with)
        given = {name: value for name, value in job.options.items() if value is not None}
        options = EverythingOptions.for_model(EverythingConfig(), {"tile_size": TILE_SIZE, **given})
        assert options.tile_size is not None
        tiles = tiles_of(self._plan.size, options.tile_size, options.overlap_of_tiles)
        self._tile_items = self._plan.tile_items(len(tiles))
        self._notes = (
            *notices,
            f"{path} is segmented in {counted(len(tiles), 'tile')} of {options.tile_size} pixels a "
            "side; its labels are an OME-Zarr.",
        )

    def _tiles(self) -> Outcome | None:
        """Find the masks of the tiles."""
        job = self._tile_job = TileJob(self._job, self._plan, self._limits)
        return self._stage(job, self._tile_items, job.path)

    def _join(self) -> None:
        """Join them to the objects of the image, and prepare its labels."""
        paths = [self._tile_job.path(item) for item in self._tile_items]
        self._masks, self._seen = _joined(paths, self._plan)
        if (earlier := self._job.earlier_masks(self._item, self._image)) is not None:
            self._masks = add_to(earlier, self._masks)
        plan, image = self._plan, self._image
        save_objects(plan.objects, self._masks)
        if plan.labels.is_dir():
            return
        for done in plan.parts.iterdir():
            done.unlink()
        context = WriteContext(
            self._item.path.name,
            pixel_size=image.pixel_size,
            unit=image.unit,
            **place_of(image.geo),
        )
        with whole_folder(plan.labels) as part:
            create(part, Objects(plan.objects, plan.size[0]).dtype, self._masks, context)

    def _labels(self) -> Outcome | None:
        """Paint the parts of the labels."""
        job = self._label_job = LabelJob(self._plan)
        return self._stage(job, self._plan.label_items(), job.path)

    def _finish(self) -> None:
        """Write the results, and remove what they were made from."""
        plan, image, masks, job = self._plan, self._image, self._masks, self._label_job
        height, width = plan.size
        shown = Objects(plan.objects, height).painted((0, 0, width, height), plan.step)
        finest = [item for item in plan.label_items() if item.level == 0]
        labelled = sum(int(job.path(item).read_text()) for item in finest)
        write_large_results(
            self._job.stem(self._item),
            masks,
            plan.labels,
            overlay(self._seen, shown),
            image_name=self._item.path.name,
            info={"description": f"anymask {own_version()}", **self._made_with},
            pixel_size=image.pixel_size,
            unit=image.unit,
            geo=image.geo,
        )
        plan.end()
        self._outcome = Outcome(
            str(self._item.name),
            "done",
            str(self._item.path),
            size=plan.size,
            masks=len(masks),
            covered=labelled / (height * width),
            notes=self._notes,
            sha256=self._made_with["sha256"],
        )

    def _stage(
        self, job: Any, items: Sequence[Part], path: Callable[[Part], Path]
    ) -> Outcome | None:
        """Do the items that have no file yet; return what the image becomes if one fails."""
        todo = [item for item in items if not path(item).exists()]
        report = FolderReport(self._job.output)
        executor = self._executor
        if executor is None:
            own = (lambda: job.start(self._load)) if isinstance(job, TileJob) else None
            executor = InThisProcess(own)
        progress = None
        if self._progress is not None and isinstance(job, TileJob):
            progress = _Points(len(items), len(items) - len(todo), self._progress)
        if todo:
            work_through(
                job, todo, report, executor=executor, progress=progress, cancel=self._cancel
            )
        if report.cancelled:
            raise Cancelled
        if not report.failed:
            return None
        first = report.failed[0]
        reason = first.reason
        if str(self._item.path) not in reason:
            reason = f"In {first.name}: {reason}"
        return Outcome(
            str(self._item.name),
            "failed",
            str(self._item.path),
            reason=f"{reason} Finished tiles stay; the next run goes on with them.",
        )


def _joined(paths: Sequence[Path], plan: Plan) -> tuple[MaskSet, NDArray[np.uint8]]:
    """The masks of the image from the files of its tiles, and its pixels for the overlay."""
    from anymask.predict.everything.tile_joining import masks_of_tiles

    seen = np.zeros((*(-(-side // plan.step) for side in plan.size), 3), np.uint8)
    parts = []
    for path in paths:
        found = FoundTile.load(path)
        row, column = place_of_seen(found.tile, plan.step)
        height, width = found.seen.shape[:2]
        seen[row : row + height, column : column + width] = found.seen
        parts.append((found.tile, found.masks))
    return masks_of_tiles(parts, plan.size, found.options, found.reach), seen


class _Points:
    """Adds up the points of tiles."""

    def __init__(self, tiles: int, done: int, progress: OnPoints) -> None:
        self._tiles, self._done, self._progress = tiles, done, progress
        self._each = 0
        self._begun: dict[int, int] = {}

    def __call__(self, now: FolderProgress) -> None:
        self._each = max(self._each, now.points_in_all)
        if now.outcome is not None:
            self._done += 1
            self._begun.pop(now.index, None)
        else:
            self._begun[now.index] = now.points
        points = self._done * self._each + sum(self._begun.values())
        self._progress(points, self._tiles * self._each)
