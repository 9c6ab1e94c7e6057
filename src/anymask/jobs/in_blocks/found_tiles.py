"""Files with the masks of tiles, and with what the overlay shows of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.files import whole_file
from anymask.masks.mask_set import MaskSet
from anymask.predict.everything.grids import Tile
from anymask.predict.everything.options import EverythingOptions

_COLUMNS = ("predicted_iou", "stability_score", "point_coords", "crop_box")


@dataclass(frozen=True)
class FoundTile:
    """What was found in a tile.

    Attributes
    ----------
    tile : Tile
    masks : MaskSet
        Of the size of the image.
    options : EverythingOptions
        With the model's own values.
    reach : int
        As in `join_tiles`.
    seen : ndarray, uint8, (h, w, 3)
        Those of its pixels that the overlay shows.
    """

    tile: Tile
    masks: MaskSet
    options: EverythingOptions
    reach: int
    seen: NDArray[np.uint8]

    def save(self, path: Path) -> None:
        """Write it, whole or not at all.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        told = {"tile": self.tile, "reach": self.reach, "options": asdict(self.options)}
        counts = self.masks.counts
        with whole_file(path) as part, part.open("wb") as file:
            np.savez(
                file,
                told=np.array(json.dumps(told)),
                size=np.array(self.masks.image_size),
                lengths=np.array([len(each) for each in counts], np.int64),
                counts=np.concatenate([*counts, np.zeros(0, np.uint32)]),
                seen=self.seen,
                **{name: getattr(self.masks, name) for name in _COLUMNS},
            )

    @classmethod
    def load(cls, path: Path) -> FoundTile:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            told = json.loads(str(arrays["told"]))
            lengths = arrays["lengths"]
            counts = np.split(arrays["counts"], np.cumsum(lengths)[:-1]) if len(lengths) else []
            height, width = arrays["size"].tolist()
            columns = {name: arrays[name] for name in _COLUMNS}
            masks = MaskSet.from_counts((height, width), counts, **columns)
            return cls(
                Tile(*told["tile"]),
                masks,
                EverythingOptions(**told["options"]),
                told["reach"],
                arrays["seen"],
            )


def seen_of(pixels: NDArray[np.uint8], tile: Tile, step: int) -> NDArray[np.uint8]:
    """Return the pixels of a tile in every so many rows and columns of the image."""
    return np.ascontiguousarray(pixels[-tile.y0 % step :: step, -tile.x0 % step :: step])


def place_of_seen(tile: Tile, step: int) -> tuple[int, int]:
    """Return the row and column of `seen_of` in the overlay."""
    return -(-tile.y0 // step), -(-tile.x0 // step)
