"""Low-resolution logits at the size of the image, for the parts of it where they matter.

A mask's logits are enlarged twice, bilinearly: to the encoder's input, and from there, without
the padding, to the image. Along one axis a pixel therefore sees up to four low-resolution logits,
and `Axis` divides the pixels into blocks that see few together. `Enlarger` computes whole blocks
fast, in other roundings than PyTorch's `interpolate`; `exact_logits` computes single pixels in
PyTorch's own, for those whose side of the threshold depends on that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Pixels that a block should have along an axis where low-resolution logits are close together.
_LEAST_BLOCK = 7
# Relative to a mask's largest logit: the two ways to compute a pixel differ by less. Each
# interpolates four times and rounds three times, by 2⁻²⁴, in each.
TOLERANCE = 2 * 4 * 3 * 2.0**-24
# Up to this height and width together, PyTorch rounds in another order.
_SMALL = 128


class Taps(NamedTuple):
    """What the pixels of a line are interpolated from: (2, size) source pixels and weights."""

    source: NDArray[np.int64]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Axis:
    """Rows or columns of a crop, in blocks.

    Attributes
    ----------
    size : int
        Pixels of the crop along this axis.
    block : int
        Pixels of the longest block.
    first, lengths : (blocks,) int64 arrays
        First pixel of each block, and how many pixels it has.
    starts : (blocks,) int64 array
        First low-resolution logit that each block sees.
    window : int
        How many logits each block sees. Neighbouring blocks have at least one in common.
    weights : (block, window, blocks) float32 array
        Past the end of a block, the last pixel's again, or NaN.
    outer, inner : Taps
        From the crop's pixels to the encoder's input, and from there to low-resolution logits.
    """

    size: int
    block: int
    first: NDArray[np.int64]
    lengths: NDArray[np.int64]
    starts: NDArray[np.int64]
    window: int
    weights: NDArray[np.float32]
    outer: Taps
    inner: Taps


@lru_cache(maxsize=64)
def axis_of(low_res: int, encoder: int, resized: int, size: int, repeat_last: bool) -> Axis:
    """Block `size` pixels that `low_res` logits are enlarged to by way of `encoder` pixels.

    Parameters
    ----------
    low_res, encoder : int
        Length of the low-resolution logits and of the encoder's input.
    resized : int
        Length of the crop in the encoder's input, without padding.
    size : int
        Length of the crop.
    repeat_last : bool
        Whether a block shorter than others goes on with its last pixel, or else with NaN.
    """
    inner, outer = _bilinear(low_res, encoder), _bilinear(resized, size)
    # (2, 2, size): both neighbours of both neighbours of each pixel.
    seen = inner.source[:, outer.source]
    factors = inner.weights.astype(np.float64)[:, outer.source] * outer.weights
    first, lengths = _blocks(seen[0, 0], resized * low_res / (encoder * size))
    # As far as the next block's first pixel, so that neighbours have a logit in common.
    highest = seen[1, 1, np.minimum(first + lengths, size - 1)]
    window = int((highest - seen[0, 0, first]).max()) + 1
    starts = np.minimum(seen[0, 0, first], low_res - window)

    weights = np.zeros((int(lengths.max()), window, len(first)))
    for offset, of_offset in enumerate(weights):
        pixel = first + np.minimum(offset, lengths - 1)
        for neighbour, factor in zip(seen.reshape(4, -1), factors.reshape(4, -1), strict=True):
            np.add.at(of_offset, (neighbour[pixel] - starts, np.arange(len(first))), factor[pixel])
    if not repeat_last:
        weights.swapaxes(1, 2)[np.arange(len(weights))[:, None] >= lengths] = np.nan
    return Axis(
        size,
        len(weights),
        first,
        lengths,
        starts,
        window,
        weights.astype(np.float32),
        outer,
        inner,
    )


def _bilinear(size_in: int, size_out: int) -> Taps:
    """Taps of one interpolation, with their weights rounded as PyTorch rounds them."""
    scale = np.float64(np.float32(size_in) / np.float32(size_out))
    place = np.maximum(scale * (np.arange(size_out) + 0.5) - 0.5, 0).astype(np.float32)
    low = np.minimum(place.astype(np.int64), size_in - 1)
    high = np.minimum(low + 1, size_in - 1)
    share = np.clip(place - low.astype(np.float32), 0, 1).astype(np.float32)
    return Taps(np.stack([low, high]), np.stack([np.float32(1) - share, share]))


def _blocks(lowest: NDArray[np.int64], step: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First pixel and length of blocks that begin where the lowest logit seen changes.

    `step` is the distance of two pixels in low-resolution logits.
    """
    across = max(1, round(_LEAST_BLOCK * step))  # logits that a block goes across
    begins = np.flatnonzero(np.diff(lowest // across, prepend=-1))
    # At the image's edges logits are repeated; the blocks there shall not be longer than others.
    longest = int(np.ceil(across / step))
    ends = np.append(begins[1:], len(lowest))
    pieces = [range(begin, end, longest) for begin, end in zip(begins, ends, strict=True)]
    first = np.concatenate(pieces).astype(np.int64)
    return first, np.diff(first, append=len(lowest))


class Enlarger:
    """Enlarges blocks, in memory that is taken once: fresh memory costs more than the arithmetic.

    Parameters
    ----------
    rows, cols : Axis
    at_once : int
        The most blocks that will be enlarged in one call.
    """

    def __init__(self, rows: Axis, cols: Axis, at_once: int) -> None:
        self.rows, self.cols, self.at_once = rows, cols, at_once
        self._shapes = (
            (rows.window, cols.window),
            (rows.block, rows.window),
            (cols.block, cols.window),
            (rows.block, cols.window),
            (rows.block, cols.block),
            (rows.block, max(cols.block, cols.window)),
        )
        self._buffers = [np.empty(a * b * at_once, np.float32) for a, b in self._shapes]

    def __call__(
        self,
        low_res: NDArray[np.float32],
        row: NDArray[np.int64],
        col: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Logits of some blocks at the size of the image.

        Each number is computed by itself in a fixed order: it is the same to the last bit
        whichever other blocks are enlarged in the same call.

        Parameters
        ----------
        low_res : (h, w) float32 array
            Logits of one mask.
        row, col : (blocks,) int64 arrays
            Which blocks.

        Returns
        -------
        (rows.block, cols.block, blocks) float32 array
            Overwritten by the next call.
        """
        rows, cols, count = self.rows, self.cols, len(row)
        seen, down, across, tall, total, term = (
            buffer[: a * b * count].reshape(a, b, count)
            for buffer, (a, b) in zip(self._buffers, self._shapes, strict=True)
        )
        ys = rows.starts[row] + np.arange(rows.window)[:, None]
        xs = cols.starts[col] + np.arange(cols.window)[:, None]
        places = (ys * low_res.shape[1])[:, None] + xs
        # Places are in range; "clip" only spares numpy a copy.
        low_res.reshape(-1).take(places, out=seen, mode="clip")
        rows.weights.take(row, 2, out=down, mode="clip")
        cols.weights.take(col, 2, out=across, mode="clip")
        _contract(down, seen, tall, term[:, : cols.window])
        _contract(tall, across.swapaxes(0, 1), total, term[:, : cols.block])
        return total


def _contract(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    total: NDArray[np.float32],
    term: NDArray[np.float32],
) -> None:
    """Matrix products (a, b, n) by (b, c, n) for each n, summed in order without fused rounding."""
    np.multiply(left[:, 0, None], right[0], out=total)
    for b in range(1, len(right)):
        np.multiply(left[:, b, None], right[b], out=term)
        total += term


def exact_logits(
    low_res: NDArray[np.float32],
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    rows: Axis,
    cols: Axis,
) -> NDArray[np.float32]:
    """Logits of some pixels, to the last bit those of two calls of PyTorch's `interpolate`.

    To the last bit where PyTorch has several threads and a processor with fused multiply-add: on
    one thread or on an older processor it may round in another order, and these logits, which are
    always the same, then differ from its by less than `TOLERANCE`.

    Parameters
    ----------
    low_res : (h, w) float32 array
    y, x : (n,) int64 arrays
        Which pixels of the crop.
    rows, cols : Axis

    Returns
    -------
    (n,) float32 array
    """

    def encoder_input(y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.float32]:
        return _interpolated(lambda y, x: low_res[y, x], y, x, rows.inner, cols.inner)

    return _interpolated(encoder_input, y, x, rows.outer, cols.outer)


def whole_logits(
    low_res: NDArray[np.float32],
    encoder: int,
    input_size: tuple[int, int],
    size: tuple[int, int],
) -> NDArray[np.float32]:
    """Logits of a whole image, as two calls of PyTorch's `interpolate` give them but for rounding.

    Parameters
    ----------
    low_res : (h, w) float32 array
    encoder : int
        Side of the encoder's input.
    input_size, size : tuple of int
        Height and width of the image in the encoder's input, and of the image.

    Returns
    -------
    (H, W) float32 array

    Examples
    --------
    >>> whole_logits(np.array([[0, 4], [0, 4]], np.float32), 2, (2, 2), (1, 4))
    array([[0., 1., 3., 4.]], dtype=float32)
    """
    logits = low_res
    for axis in (0, 1):
        logits = _along(logits, _bilinear(low_res.shape[axis], encoder), axis)
    logits = logits[: input_size[0], : input_size[1]]
    for axis in (0, 1):
        logits = _along(logits, _bilinear(input_size[axis], size[axis]), axis)
    return logits


def _along(values: NDArray[np.float32], taps: Taps, axis: int) -> NDArray[np.float32]:
    """Interpolate rows (axis 0) or columns (axis 1)."""
    low, high = (
        values.take(source, axis) * np.expand_dims(weights, 1 - axis)
        for source, weights in zip(taps.source, taps.weights, strict=True)
    )
    low += high
    return low


def _interpolated(
    source: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]],
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    rows: Taps,
    cols: Taps,
) -> NDArray[np.float32]:
    """Pixels (y, x) of an interpolation of `source`."""
    (a, b), (c, d) = (
        [source(rows.source[i, y], cols.source[j, x]) for j in (0, 1)] for i in (0, 1)
    )
    (top, bottom), (left, right) = rows.weights[:, y], cols.weights[:, x]
    if rows.weights.shape[1] + cols.weights.shape[1] > _SMALL:
        above, below = _fused(left, a, right * b), _fused(left, c, right * d)
        return _fused(top, above, bottom * below)
    total = _fused(top * left, a, (top * right) * b)
    total = _fused(bottom * left, c, total)
    return _fused(bottom * right, d, total)


def _fused(
    weight: NDArray[np.float32], value: NDArray[np.float32], total: NDArray[np.float32]
) -> NDArray[np.float32]:
    """weight · value + total, rounded once: in float64 the product is exact."""
    return (weight.astype(np.float64) * value + total).astype(np.float32)
