"""The masks of a tile, as tasks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.jobs.folder_job import FolderJob
from anymask.jobs.in_blocks.found_tiles import FoundTile, seen_of
from anymask.jobs.in_blocks.plan import TILE_SIZE, Plan, TileItem
from anymask.jobs.report import Outcome
from anymask.jobs.work_through import Advance, Work, failed

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.predict.everything.generator import SamAutomaticMaskGenerator
    from anymask.predict.everything.grids import Tile
    from anymask.predict.everything.pixel_source import PixelSource


@dataclass(frozen=True)
class TileJob:
    """Finds the masks of tiles, and writes each tile's to a file of its own.

    Attributes
    ----------
    job : FolderJob
    plan : Plan
    limits : tuple of (float, float)
        The image's limits of contrast.
    """

    job: FolderJob
    plan: Plan
    limits: tuple[tuple[float, float], ...]

    def start(self, load: Callable[[], Sam] | None = None) -> Work:
        """Load the model, open the image, and return what does a tile.

        Raises
        ------
        AnymaskError
            If the model cannot be loaded, or the image cannot be shown part by part.
        """
        from anymask.predict.everything.generator import SamAutomaticMaskGenerator

        options = {**self.job.options, "tile_size": self.job.options.get("tile_size") or TILE_SIZE}
        sam = self.job.load() if load is None else load()
        generator = SamAutomaticMaskGenerator(sam, **options)
        view, item = self.job.view, self.plan.item
        rgb = view.in_parts(view.image(item.path), item.recipe, self.limits)
        tiles = generator.tiles(self.plan.size)

        def do(item: TileItem, advance: Advance) -> Outcome:
            try:
                return self._do(item, generator, rgb, tiles[item.index], advance)
            except Exception as error:
                return failed(item, error)

        return do

    def path(self, item: TileItem) -> Path:
        """The file of a tile."""
        return self.plan.tiles / f"{item.index:06}.npz"

    def _do(
        self,
        item: TileItem,
        generator: SamAutomaticMaskGenerator,
        rgb: PixelSource,
        tile: Tile,
        advance: Advance,
    ) -> Outcome:
        began, total, done = time.perf_counter(), generator.points_of_tile(tile), 0
        source = _Kept(rgb)

        def told(points: int) -> None:
            nonlocal done
            done += points
            advance(done, total)

        masks = generator.masks_of_tile(source, tile, told)
        seen = seen_of(source.pixels, tile, self.plan.step)
        FoundTile(tile, masks, generator.options, generator.reach(tile), seen).save(self.path(item))
        outcome = Outcome(str(item.name), "done", str(item.path), masks=len(masks))
        return replace(outcome, seconds=time.perf_counter() - began)


class _Kept:
    """Pixels that are read once, and kept for the overlay."""

    def __init__(self, source: PixelSource) -> None:
        self._source = source
        self.shape, self.dtype = source.shape, source.dtype
        self.pixels: NDArray[np.uint8] = np.zeros((0, 0, 3), np.uint8)

    def __getitem__(self, index: tuple[slice, slice]) -> NDArray[np.uint8]:
        self.pixels = np.asarray(self._source[index])
        return self.pixels
