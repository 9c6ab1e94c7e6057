"""Masks in blocks, and their run lengths: only blocks on a boundary are held pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anymask.predict.everything.enlarging import Axis


@dataclass(frozen=True)
class Blocks:
    """Some blocks of some masks: mask, row and column of each, all (blocks,) int64, in order.

    `bounds` (masks + 1) says where each mask's begin and end.
    """

    mask: NDArray[np.int64]
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    bounds: NDArray[np.int64]

    @classmethod
    def where(cls, chosen: NDArray[np.bool_]) -> Blocks:
        """Blocks chosen among (masks, rows, cols)."""
        masks, rows, cols = chosen.shape
        place = np.flatnonzero(chosen)
        line = place // cols
        mask = line // rows
        bounds = np.searchsorted(mask, np.arange(masks + 1))
        return cls(mask, line - mask * rows, place - line * cols, bounds)

    def __len__(self) -> int:
        return len(self.mask)

    def parts(self, mask: int, at_once: int) -> Iterator[slice]:
        """Cut the blocks of a mask into parts of at most so many."""
        end = int(self.bounds[mask + 1])
        for start in range(int(self.bounds[mask]), end, at_once):
            yield slice(start, min(start + at_once, end))


@dataclass(frozen=True)
class Grid:
    """The blocks of a crop, and where it lies.

    Attributes
    ----------
    rows, cols : Axis
        Rows past the end of a block repeat its last one, columns past it are background.
    corner : tuple of int
        Row and column of the crop's first pixel in the image.
    image_size : tuple of int
        Height and width of the image.
    """

    rows: Axis
    cols: Axis
    corner: tuple[int, int]
    image_size: tuple[int, int]

    @property
    def span(self) -> int:
        """Pixels of the image and one more, past which the next mask's are counted."""
        return self.image_size[0] * self.image_size[1] + 1

    def pixel(
        self, mask: NDArray[np.int64], row: NDArray[np.int64], col: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Index of the first pixel of blocks, column-major and mask after mask."""
        y, x = self.rows.first[row] + self.corner[0], self.cols.first[col] + self.corner[1]
        return mask * self.span + x * self.image_size[0] + y


@dataclass(frozen=True)
class BlockMasks:
    """A few masks of one crop.

    Attributes
    ----------
    grid : Grid
    full : (N, rows, cols) bool array
        Blocks that are mask altogether. Those on a boundary may be said to be or not.
    on_boundary : Blocks
    pixels : (block, block, blocks) bool array
        The blocks on a boundary. Rows past the end of a block repeat its last one, columns past
        it are background.
    """

    grid: Grid
    full: NDArray[np.bool_]
    on_boundary: Blocks
    pixels: NDArray[np.bool_]

    def changes(self, chosen: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Where runs of masks begin and end, as `anymask.masks.rle.counts_of_changes` takes it.

        Parameters
        ----------
        chosen : (K,) int64 array
            Which masks.

        Yields
        ------
        (n,) int64 array
            Increasing column-major indices of pixels of the image, for each mask chosen.
        """
        if len(chosen) == 0:
            return
        span = self.grid.span
        every = np.concatenate([self._within_blocks(), self._between_blocks()])
        every.sort()
        # The bottom of a column and the top of the next are one place where the crop is as high
        # as the image: a mask that ends and begins there goes on. At the image's last pixel it
        # ends.
        twice = every[1:] == every[:-1]
        stays = every % span != span - 1
        stays[1:] &= ~twice
        stays[:-1] &= ~twice
        every = every[stays]
        for mask in chosen:
            begin, end = np.searchsorted(every, (mask * span, (mask + 1) * span))
            yield every[begin:end] - mask * span

    def _within_blocks(self) -> NDArray[np.int64]:
        """Where a pixel differs from the one above it in its block."""
        blocks, pixels = self.on_boundary, self.pixels
        line, block = _divided(np.flatnonzero(pixels[1:] != pixels[:-1]), len(blocks))
        y, x = _divided(line, self.grid.cols.block)
        return self._corners[block] + x * self.grid.image_size[0] + y + 1

    def _between_blocks(self) -> NDArray[np.int64]:
        """Where the first row of a block differs from the last one of the block above it."""
        rows, cols = self.grid.rows, self.grid.cols
        blocks, corners = self.on_boundary, self._corners
        # Blocks get numbers: 0 is background, also around the crop, 1 is full, and those on a
        # boundary follow. Neighbours see a common logit: within the crop, full blocks never meet
        # background, so that one of two that differ is on a boundary.
        number = np.zeros((len(self.full), len(rows.first) + 2, len(cols.first)), np.int32)
        number[:, 1:-1] = self.full
        own = np.arange(2, len(blocks) + 2, dtype=np.int32)
        number[blocks.mask, blocks.row + 1, blocks.col] = own
        under = number[blocks.mask, blocks.row + 2, blocks.col]
        last = np.flatnonzero(under < 2)
        borders = [  # number above, number below, first pixel below, column of blocks
            (number[blocks.mask, blocks.row, blocks.col], own, corners, blocks.col),
            (
                own[last],
                under[last],
                corners[last] + rows.lengths[blocks.row[last]],
                blocks.col[last],
            ),
        ]
        bottom = len(rows.first) - 1
        for row, full_is_below in ((0, True), (bottom, False)):
            mask, col = np.nonzero(number[:, row + 1] == 1)
            full, nothing = np.ones(len(mask), np.int32), np.zeros(len(mask), np.int32)
            first = self.grid.pixel(mask, np.full(len(mask), row), col)
            if full_is_below:
                borders.append((nothing, full, first, col))
            else:
                borders.append((full, nothing, first + rows.lengths[row], col))
        above, below, first, col = (np.concatenate(each) for each in zip(*borders, strict=True))

        tops, bottoms = (_eight_a_byte(self.pixels[y]) for y in (0, -1))
        differ = bottoms.take(above, 1) ^ tops.take(below, 1)
        eighth, border = np.nonzero(differ)
        bits = np.unpackbits(differ[eighth, border][:, None], 1, bitorder="little")
        found, bit = _divided(np.flatnonzero(bits), 8)
        x, border = 8 * eighth[found] + bit, border[found]
        places = first[border] + x * self.grid.image_size[0]
        return places[x < cols.lengths[col[border]]]

    @cached_property
    def _corners(self) -> NDArray[np.int64]:
        """First pixel of each block on a boundary."""
        blocks = self.on_boundary
        return self.grid.pixel(blocks.mask, blocks.row, blocks.col)


def _eight_a_byte(lines: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Lines (block, blocks) packed into bytes, after one of background and one of mask."""
    packed = np.empty((-(-len(lines) // 8), lines.shape[1] + 2), np.uint8)
    packed[:, :2] = 0, 0xFF
    values = (1 << np.arange(8)).astype(np.uint8)[:, None]
    for byte, start in zip(packed, range(0, len(lines), 8), strict=True):
        eight = lines[start : start + 8].view(np.uint8)
        np.bitwise_or.reduce(eight * values[: len(eight)], 0, out=byte[2:])
    return packed


def _divided(number: NDArray[np.int64], by: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Quotient and remainder; by zero if there are no numbers."""
    quotient = number // max(by, 1)
    return quotient, number - quotient * by
