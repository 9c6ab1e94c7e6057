"""A contact sheet: many examples in one image, to check at a glance whether the masks fit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from anymask.datasets.dataset import Dataset
from anymask.datasets.sampling import spread
from anymask.datasets.types import Example
from anymask.errors import AnymaskError
from anymask.painting import overlay

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_GAP, _CAPTION = 6, 18
_PAPER, _INK, _FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)


def contact_sheet(
    dataset: Dataset, count: int = 24, columns: int = 6, tile: int = 200
) -> NDArray[np.uint8]:
    """Draw examples, evenly spread over the data set, with their masks and names.

    Parameters
    ----------
    dataset : Dataset
    count : int
        Maximum number of examples.
    columns : int
        Examples per row.
    tile : int
        Longest side of each example, in pixels.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB.

    Raises
    ------
    AnymaskError
        If a number is below 1, or a tile smaller than 32 pixels.
    """
    if count < 1 or columns < 1 or tile < 32:
        raise AnymaskError(
            f"A contact sheet of {count} images in {columns} columns of {tile} pixels cannot be "
            "drawn; it needs at least one image, one column and 32 pixels."
        )
    chosen = spread(len(dataset), count)
    columns = max(1, min(columns, len(chosen)))
    rows = math.ceil(len(chosen) / columns)
    cell_width, cell_height = tile + _GAP, tile + _CAPTION + _GAP
    sheet = Image.new("RGB", (columns * cell_width + _GAP, rows * cell_height + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for place, index in enumerate(chosen):
        example = dataset[index]
        picture = Image.fromarray(_painted(example, tile))
        left = _GAP + place % columns * cell_width
        top = _GAP + place // columns * cell_height
        sheet.paste(picture, (left + (tile - picture.width) // 2, top + tile - picture.height))
        number = f" {len(example.masks)}"
        room = tile - draw.textlength(number, font)
        below = top + tile + 1
        draw.text((left, below), _shortened(example.name, draw, font, room), _INK, font)
        draw.text((left + room, below), number, _FAINT, font)
    return np.asarray(sheet)


def _painted(example: Example, tile: int) -> NDArray[np.uint8]:
    """Scale an image to a tile; masks are drawn afterwards, so that outlines stay thin."""
    height, width = example.image.shape[:2]
    scale = tile / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = np.asarray(Image.fromarray(example.image).resize(size, Image.Resampling.LANCZOS))
    # The source pixel at the centre of each pixel of the tile.
    rows = ((np.arange(size[1]) + 0.5) / scale).astype(int).clip(0, height - 1)
    columns = ((np.arange(size[0]) + 0.5) / scale).astype(int).clip(0, width - 1)
    if not example.masks:
        return image
    masks = np.stack([mask[np.ix_(rows, columns)] for mask in example.masks])
    return overlay(image, masks, alpha=0.35, outline_width=1)


def _shortened(name: str, draw: ImageDraw.ImageDraw, font: Font, room: float) -> str:
    if draw.textlength(name, font) <= room:
        return name
    # Shorten at the start, because names differ more often at the end.
    while name and draw.textlength("…" + name, font) > room:
        name = name[1:]
    return "…" + name
