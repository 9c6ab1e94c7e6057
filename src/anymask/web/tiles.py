"""Pictures of images: tiles at several sizes, thumbnails and whole pictures."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anymask.session import LayerKey, Region, Session, SessionError

SIDE = 512
"""Side of a tile in pixels of the screen."""

_MOST_BYTES = 64 * 2**20
# A whole picture has at most this side; a larger one is reduced.
_MOST_SIDE = 4096

Form = Literal["png", "webp"]


class Tiles:
    """Renders parts of images; the last ones stay in memory as files."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._bytes = 0
        self._guard = threading.Lock()
        # One picture at a time: tiles of an image that is not in memory would each read all of it.
        self._rendering = threading.Lock()

    def levels(self, image: str) -> int:
        """Return how many sizes there are: at the last one the image is a single tile."""
        longest, levels = max(self._session.images[image].size), 1
        while longest > SIDE * 2 ** (levels - 1):
            levels += 1
        return levels

    def tile(self, layer: LayerKey, plane: int, level: int, column: int, row: int) -> bytes:
        """Return a tile as WebP; at level n, one of its pixels stands for 2ⁿ pixels.

        Raises
        ------
        SessionError
            If there is no such tile.
        """
        height, width = self._session.images[layer.image].size
        step, side = 2**level, SIDE * 2**level
        top, left = row * side, column * side
        if level >= self.levels(layer.image) or top >= height or left >= width:
            raise SessionError("There is no such tile in this image.")
        key = (self._session.images.rgb_hash(layer), plane, level, column, row)
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        region = Region(top, left, min(side, height - top), min(side, width - left), step)
        with self._rendering:
            pixels = self._session.images.rgb_part(layer, plane, region)
        made = _file(pixels, "webp")
        with self._guard:
            if key not in self._kept:
                self._kept[key] = made
                self._bytes += len(made)
            while self._bytes > _MOST_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return made

    def picture(self, layer: LayerKey, plane: int, form: Form) -> bytes:
        """Return the whole image as a file, reduced if it is very large."""
        height, width = self._session.images[layer.image].size
        step = -(-max(height, width) // _MOST_SIDE)
        region = Region(0, 0, height, width, step)
        return _file(self._session.images.rgb_part(layer, plane, region), form)

    def thumbnail(self, image: str, side: int) -> bytes:
        """Return a small picture of an image as WebP."""
        return _file(self._session.images.thumbnail(image, side), "webp")


def mask_file(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask (H, W) as a PNG of 0 and 255."""
    return _file(mask.astype(np.uint8) * 255, "png")


def _file(pixels: NDArray[np.uint8], form: Form) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if form == "png":
        picture.save(file, "png", compress_level=1)
    else:
        picture.save(file, "webp", quality=90, method=2)
    return file.getvalue()
