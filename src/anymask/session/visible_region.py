"""Chooses the region of a large image that the model sees, from the visible part."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Maximum side, in pixels, of masks shown while clicking.
_SHOWN = 2048


@dataclass(frozen=True)
class Region:
    """A part of an image, and the factor by which it is reduced for the model.

    Attributes
    ----------
    top, left, height, width : int
        In pixels of the image.
    step : int
        This many image pixels in both directions become one.
    """

    top: int
    left: int
    height: int
    width: int
    step: int = 1

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the image."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    @property
    def text(self) -> str:
        """The region as a part of file names."""
        return f"{self.top}-{self.left}-{self.height}-{self.width}-{self.step}"

    def holds(self, x: float, y: float) -> bool:
        """Whether the region contains a point of the image."""
        rows, columns = self.window
        return rows.start <= y < rows.stop and columns.start <= x < columns.stop


def region_for(
    image_size: tuple[int, int],
    view: tuple[float, float, float, float] | None = None,
    side: int = 1024,
) -> Region:
    """Choose what to encode for a visible window.

    Images of at most 1.5 times the encoder's side are encoded whole. For larger images a square is
    chosen: its side is the encoder's times a power of two, the smallest that contains the window.
    Squares lie on a grid with a spacing of a quarter of their side, so that a small move of the
    window keeps the square, and its embedding can be reused.

    Parameters
    ----------
    image_size : tuple of int
        Height and width of the image.
    view : tuple of float, optional
        Top, left, bottom and right of the visible window, in pixels; the whole image by default.
    side : int
        Side of the square that the encoder sees.

    Examples
    --------
    >>> region_for((600, 800), (0, 0, 100, 100))
    Region(top=0, left=0, height=600, width=800, step=1)
    >>> region_for((20000, 30000), (5000, 9000, 5600, 9700))
    Region(top=4864, left=8960, height=1024, width=1024, step=1)
    >>> region_for((20000, 30000), (5100, 9000, 5700, 9700)).top
    4864
    """
    height, width = image_size
    if max(height, width) <= 1.5 * side:
        return Region(0, 0, height, width, 1)
    top, left, bottom, right = view or (0.0, 0.0, float(height), float(width))
    top, bottom = max(0.0, min(top, height - 1)), min(float(height), max(bottom, 1))
    left, right = max(0.0, min(left, width - 1)), min(float(width), max(right, 1))
    longest = max(bottom - top, right - left, 1)
    square = side * 2 ** max(0, math.ceil(math.log2(longest / side)))
    while True:
        y, x = _start(top, bottom, square), _start(left, right, square)
        holds = y <= top and bottom <= y + square and x <= left and right <= x + square
        if holds or square >= 2 * max(height, width):
            break
        square *= 2
    y, x = max(0, min(y, height - square)), max(0, min(x, width - square))
    high, wide = min(square, height - y), min(square, width - x)
    return Region(y, x, high, wide, max(1, math.ceil(max(high, wide) / _SHOWN)))


def _start(low: float, high: float, square: int) -> int:
    """Return the grid position of the square whose centre is closest to that of a window."""
    step = square // 4
    wanted = (low + high) / 2 - square / 2
    return round(wanted / step) * step
