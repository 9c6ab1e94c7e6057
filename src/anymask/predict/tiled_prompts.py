"""Prompts of large images: each is asked in the tile that shows it best.

An image of many thousand pixels is shrunk to the encoder's thousand, and small objects vanish. In
a tile they keep their size. A prompt goes to the tile in whose middle it lies most nearly, among
those that hold all of it; one that fits into no tile is asked in the whole image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.masks.mask_set import MaskSet
from anymask.predict.everything.filtering import Frame
from anymask.predict.everything.grids import Tile, tiles_of
from anymask.predict.everything.pixel_source import PixelSource, check_pixel_source, part_of
from anymask.predict.many_prompts import OnPrompts, masks_of_prompts
from anymask.predict.predictor import SamPredictor
from anymask.prompts.prompts import Prompts


def masks_in_tiles(
    predictor: SamPredictor,
    image: PixelSource,
    prompts: Prompts,
    tile_size: int,
    tile_overlap: int | None = None,
    *,
    progress: OnPrompts | None = None,
) -> MaskSet:
    """Predict one mask for each prompt of a large image.

    Parameters
    ----------
    predictor : SamPredictor
        Its images are forgotten.
    image : (H, W, 3) uint8 array
    prompts : Prompts
        In pixels of the image.
    tile_size, tile_overlap : int
        Side of the square tiles, and by how much neighbours overlap at least; an eighth by default.
    progress : callable, optional
        Called with the number of prompts done, and of all.

    Returns
    -------
    MaskSet
        In the order of the prompts.

    Raises
    ------
    PromptError
        As `SamPredictor.predict_many`.
    """
    size = check_pixel_source(image)
    tiles = tiles_of(size, tile_size, tile_overlap or max(1, tile_size // 8))
    whole = Tile(0, 0, 0, 0, size[1], size[0])
    tile_of = _tiles_of_prompts(prompts, tiles)
    parts: list[MaskSet] = []
    rows: list[NDArray[np.int64]] = []
    for number in np.unique(tile_of):
        tile = whole if number < 0 else tiles[number]
        rows.append(np.flatnonzero(tile_of == number))
        done = sum(map(len, rows[:-1]))

        def advance(count: int, _: int, done: int = done) -> None:
            if progress is not None:
                progress(done + count, len(prompts))

        predictor.set_image(part_of(image, tile.box))
        try:
            assert predictor.image_features is not None
            assert predictor.input_size is not None
            config = predictor.model.config
            masks = masks_of_prompts(
                predictor.model,
                predictor.image_features,
                Frame(
                    config.image_size,
                    predictor.input_size,
                    tile.box,
                    size,
                    tile.box,
                    config.stretches,
                ),
                prompts.select(rows[-1]),
                keep_clicked=predictor.keep_clicked,
                prompts_per_batch=64,
                progress=advance,
            )
        finally:
            predictor.reset_image()
        parts.append(masks)
    found = MaskSet.concatenate(parts, size)
    return found.select(np.argsort(np.concatenate(rows))) if rows else found


def _tiles_of_prompts(prompts: Prompts, tiles: list[Tile]) -> NDArray[np.int64]:
    """The index of the tile of each prompt; -1 for the whole image."""
    # From the centre of the first pixel to that of the last, as points count them.
    places = np.dstack([prompts.boxes[:, 0::2], prompts.boxes[:, 1::2]])
    places = np.concatenate([places, prompts.point_coords], axis=1)
    low, high = np.nanmin(places, axis=1), np.nanmax(places, axis=1)
    boxes = np.array([tile.box for tile in tiles], np.float64) - (0.5, 0.5, 0.5, 0.5)
    best, nearest = np.full(len(prompts), -1), np.full(len(prompts), np.inf)
    image_low, image_high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    low, high = low.clip(image_low, image_high), high.clip(image_low, image_high)
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        inside = ((low >= (x0, y0)) & (high <= (x1, y1))).all(1)
        away = np.abs((low + high) / 2 - ((x0 + x1) / 2, (y0 + y1) / 2)).max(1)
        better = inside & (away < nearest)
        best[better], nearest[better] = number, away[better]
    return best
