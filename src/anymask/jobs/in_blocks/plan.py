"""How an image is cut into tasks, as data, and the folder in which the work is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.files import output_error, whole_file
from anymask.images.image import Image
from anymask.io.image_formats.photo import MAX_PIXELS
from anymask.io.label_pyramid import CHUNK, level_sizes
from anymask.jobs.inputs import WorkItem

TILE_SIZE = 1024
"""The side of tiles, in pixels, where none is given."""

Box = tuple[int, int, int, int]
_FORMAT = "anymask blocks 1"
_PART = 4 * CHUNK
_OVERVIEW = 2048  # the most pixels along a side of the overlay


def needs_blocks(image: Image, asked: bool, tile_size: int | None) -> bool:
    """Whether an image is done in blocks: it is too large at once, or larger than a tile if asked.

    Parameters
    ----------
    image : Image
    asked : bool
        Whether the user wants it for every image that has several tiles.
    tile_size : int, optional
    """
    if image.height * image.width > MAX_PIXELS:
        return True
    return asked and max(image.height, image.width) > (tile_size or TILE_SIZE)


@dataclass(frozen=True)
class LabelItem(WorkItem):
    """A part of the label image.

    Attributes
    ----------
    level : int
        Of the pyramid.
    box : tuple of int
        XYXY in the level, x1 and y1 exclusive.
    """

    level: int = 0
    box: Box = (0, 0, 0, 0)


@dataclass(frozen=True)
class TileItem(WorkItem):
    """A tile.

    Attributes
    ----------
    index : int
        Of all tiles of the image.
    """

    index: int = 0


@dataclass(frozen=True)
class Plan:
    """How an image is cut, and where its work is kept; plain data that can be pickled.

    Attributes
    ----------
    folder : Path
        ``.NAME.blocks`` beside the results, until they are complete.
    item : WorkItem
        The image.
    size : tuple of int
        Its height and width.
    """

    folder: Path
    item: WorkItem
    size: tuple[int, int]

    @classmethod
    def of(cls, stem: Path, item: WorkItem, image: Image) -> Plan:
        """Return the plan for an image whose results have this folder and NAME."""
        size = (image.height, image.width)
        return cls(stem.with_name(f".{stem.name}.blocks"), item, size)

    def begin(self, made_with: Mapping[str, Any]) -> None:
        """Make the folder; what is in it stays if it was made with the same settings.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        place = self.folder / "plan.json"
        wanted = {"format": _FORMAT, "size": list(self.size), "made_with": made_with}
        wanted = json.loads(json.dumps(wanted, default=str))
        with suppress(OSError, ValueError):
            if json.loads(place.read_text(encoding="utf-8")) == wanted:
                return
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            for folder in (self.tiles, self.parts):
                folder.mkdir(parents=True)
        except OSError as error:
            raise output_error(self.folder, error) from error
        with whole_file(place) as part:
            part.write_text(json.dumps(wanted), encoding="utf-8")

    def end(self) -> None:
        """Remove the folder, because the results are complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def tiles(self) -> Path:
        """The folder of finished tiles."""
        return self.folder / "tiles"

    @property
    def objects(self) -> Path:
        """The folder with the objects of the whole image."""
        return self.folder / "objects"

    @property
    def labels(self) -> Path:
        """The label image, which is moved to its place when it is complete."""
        return self.folder / "labels.zarr"

    @property
    def parts(self) -> Path:
        """The folder with a file for each finished part of the label image."""
        return self.folder / "parts"

    def tile_items(self, count: int) -> list[TileItem]:
        """Return an item for each of so many tiles."""
        return [
            TileItem(self.item.path, self.item.name.with_name(f"tile {index}"), index=index)
            for index in range(count)
        ]

    def label_items(self) -> list[LabelItem]:
        """Return an item for each part of the label image; no two share a chunk."""
        return [
            LabelItem(
                self.item.path,
                self.item.name.with_name(f"{level}-{top}-{left}"),
                level=level,
                box=(left, top, min(left + _PART, width), min(top + _PART, height)),
            )
            for level, (height, width) in enumerate(level_sizes(self.size))
            for top in range(0, height, _PART)
            for left in range(0, width, _PART)
        ]

    @property
    def step(self) -> int:
        """The overlay shows every so many rows and columns."""
        return -(-max(self.size) // _OVERVIEW)
