"""Images that may not be in memory: anything that returns pixels when sliced."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.normalize import check_rgb


class PixelSource(Protocol):
    """A NumPy array, or anything that can be sliced like one: a memory map, an array in a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and 3."""

    @property
    def dtype(self) -> Any:
        """The dtype of the pixels: uint8."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return the pixels of a slice of rows and a slice of columns."""


def check_pixel_source(image: Any) -> tuple[int, int]:
    """Return the height and width of an image, in memory or not.

    Raises
    ------
    ImageError
        If it is not uint8 RGB, or has more pixels than run lengths can count.
    """
    check_rgb(_outline(image))
    height, width = int(image.shape[0]), int(image.shape[1])
    if height * width > np.iinfo(np.uint32).max:
        raise ImageError(
            f"The image is {width}×{height} pixels, but masks of at most {2**32 - 1:,} pixels can "
            "be kept; segment parts of it."
        )
    return height, width


def part_of(image: PixelSource, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Return the pixels of a box XYXY, x1 and y1 exclusive; not copied if they are in memory."""
    x0, y0, x1, y1 = box
    return np.asarray(image[y0:y1, x0:x1])


def _outline(image: Any) -> Any:
    """A stand-in with the same shape and dtype but no pixels; the image itself if unknown."""
    try:
        blank = np.zeros((), np.dtype(image.dtype))
        return np.broadcast_to(blank, tuple(image.shape)) if len(image.shape) else image
    except (AttributeError, TypeError, ValueError):
        return image
