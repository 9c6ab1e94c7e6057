"""From low-resolution logits to the masks worth keeping, without ever painting a whole one.

"Segment everything" asks for some thousands of masks and keeps a hundred. Each is judged at the
size of the image: its stability, how little it changes with the threshold, and whether the crop
cuts it off (arXiv 2304.02643, appendix B). Enlarging every mask for that costs most of the time.
Here the image is divided into tiles. A pixel's logit is a weighted mean of a few low-resolution
logits (two bilinear enlargements in a row), so a tile whose logits all lie on one side of a
threshold is judged by their least and greatest value. Only tiles through which a boundary runs
are enlarged, and the boundary is read off them as run lengths.

Every number is computed element by element in a fixed order, so it is the same to the last bit
whichever other masks are judged in the same call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from anymask.masks.boxes import touches_inner_edge
from anymask.masks.rle import Counts, box_of, counts_of_changes

# Masks judged, and tiles enlarged, at a time: large enough to hide Python's own time, small
# enough for the processor's caches.
_MASKS_AT_ONCE = 8
_TILES_AT_ONCE = 256


@dataclass(frozen=True)
class Frame:
    """How low-resolution logits lie in an image.

    Attributes
    ----------
    encoder_size : int
        Side of the square that the encoder sees.
    input_size : tuple of int
        Height and width of the crop as resized for the encoder, without padding.
    crop_box : tuple of int
        XYXY of the crop in the image, x1 and y1 exclusive.
    image_size : tuple of int
        Height and width of the image.
    """

    encoder_size: int
    input_size: tuple[int, int]
    crop_box: tuple[int, int, int, int]
    image_size: tuple[int, int]


@dataclass(frozen=True)
class Thresholds:
    """What makes a pixel part of a mask, and a mask worth keeping.

    Attributes
    ----------
    mask : float
        Logits above it are mask.
    stability_offset : float
        How far the threshold is moved to and fro to see whether the mask changes.
    min_stability : float
        Masks of a lower stability score are dropped; 0 keeps all, even those whose score is NaN
        as they have no pixel at the lower threshold.
    """

    mask: float
    stability_offset: float
    min_stability: float


@dataclass(frozen=True)
class Survivor:
    """A mask that passed.

    Attributes
    ----------
    index : int
        Its place among the masks given.
    stability_score : float
    counts : array
        Run lengths in the image.
    """

    index: int
    stability_score: float
    counts: Counts


def judge_masks(
    low_res: NDArray[np.float32], frame: Frame, thresholds: Thresholds
) -> Iterator[Survivor]:
    """Drop masks that are unstable or cut off by the crop; turn the others into run lengths.

    Parameters
    ----------
    low_res : (N, h, w) float32 array
        Logits as the decoder returned them.
    frame : Frame
    thresholds : Thresholds

    Yields
    ------
    Survivor
        In the order of `low_res`.
    """
    x0, y0, x1, y1 = frame.crop_box
    rows = _axis(low_res.shape[1], frame.encoder_size, frame.input_size[0], y1 - y0)
    cols = _axis(low_res.shape[2], frame.encoder_size, frame.input_size[1], x1 - x0)
    for start in range(0, len(low_res), _MASKS_AT_ONCE):
        few = low_res[start : start + _MASKS_AT_ONCE]
        for index, score, changes in _stable(few, rows, cols, frame, thresholds):
            counts = counts_of_changes(changes, frame.image_size[0] * frame.image_size[1])
            # An empty mask lies at the corner of its crop.
            empty = len(changes) == 0
            box = np.array([x0, y0] * 2) if empty else box_of(counts, frame.image_size)
            if not touches_inner_edge(box, frame.crop_box, frame.image_size):
                yield Survivor(start + index, score, counts)


@dataclass(frozen=True)
class _Axis:
    """Rows or columns of the crop in tiles, and the low-resolution logits that each tile sees.

    `weights` (tile, window, tiles) is NaN for pixels of the last tile past the end of the crop:
    their logits are NaN, which is above no threshold.
    """

    size: int
    tile: int
    starts: NDArray[np.int64]
    window: int
    weights: NDArray[np.float32]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Pixels of each tile that are in the crop."""
        return np.minimum(self.size - self.tile * np.arange(len(self.starts)), self.tile)


@dataclass(frozen=True)
class _Survey:
    """What is known of a few masks at the lower, the middle and the upper threshold.

    Attributes
    ----------
    counts : (2, N) int64 array
        Pixels above the lower and above the upper threshold.
    full : (N, rows, cols) bool array
        Tiles that lie above the middle threshold as a whole.
    mixed : tuple of three int64 arrays
        Mask, row and column of each enlarged tile.
    pixels : (tile, tile, tiles) bool array
        Enlarged tiles at the middle threshold.
    """

    counts: NDArray[np.int64]
    full: NDArray[np.bool_]
    mixed: tuple[NDArray[np.int64], ...]
    pixels: NDArray[np.bool_]


def _stable(
    low_res: NDArray[np.float32], rows: _Axis, cols: _Axis, frame: Frame, thresholds: Thresholds
) -> list[tuple[int, float, NDArray[np.int64]]]:
    """Index, stability score and run ends of the masks of a few that are stable enough."""
    survey = _survey(low_res, rows, cols, thresholds)
    scores = _stability(survey)
    kept = np.arange(len(scores))
    if thresholds.min_stability > 0:
        kept = np.flatnonzero(scores >= np.float32(thresholds.min_stability))
    ends = _changes(survey, kept, rows, cols, frame)
    return list(zip(kept.tolist(), scores[kept].tolist(), ends, strict=True))


@lru_cache(maxsize=64)
def _axis(low_res: int, encoder: int, resized: int, size: int) -> _Axis:
    """Tile `size` pixels that `low_res` logits are enlarged to by way of `encoder` pixels."""
    outer_low, outer_high, outer = _bilinear(resized, size)
    inner_low, inner_high, inner = _bilinear(low_res, encoder)
    # Four terms a pixel: both neighbours of both neighbours.
    taps = np.stack(
        [inner_low[outer_low], inner_high[outer_low], inner_low[outer_high], inner_high[outer_high]]
    )
    a, b, c = inner[outer_low], inner[outer_high], outer
    factors = np.stack([(1 - c) * (1 - a), (1 - c) * a, c * (1 - b), c * b])

    tile = int(np.clip(round(2 * size * encoder / (resized * low_res)), 8, 32))
    tiles = -(-size // tile)
    first = np.arange(tiles) * tile
    last = np.minimum(first + tile, size) - 1
    window = int((taps[3, last] - taps[0, first]).max()) + 1
    starts = np.minimum(taps[0, first], low_res - window)
    weights = np.full((tile, window, tiles), np.nan, np.float64)
    pixel = np.arange(size)
    weights[pixel % tile, :, pixel // tile] = 0
    for tap, factor in zip(taps, factors, strict=True):
        np.add.at(weights, (pixel % tile, tap - starts[pixel // tile], pixel // tile), factor)
    return _Axis(size, tile, starts, window, weights.astype(np.float32))


def _bilinear(
    size_in: int, size_out: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Both source pixels of each target pixel, and the weight of the second, as torch has them."""
    scale = np.float64(np.float32(size_in) / np.float32(size_out))
    place = np.maximum(scale * (np.arange(size_out) + 0.5) - 0.5, 0).astype(np.float32)
    low = np.minimum(place.astype(np.int64), size_in - 1)
    high = np.minimum(low + 1, size_in - 1)
    return low, high, np.clip(place.astype(np.float64) - low, 0, 1)


def _survey(
    low_res: NDArray[np.float32], rows: _Axis, cols: _Axis, thresholds: Thresholds
) -> _Survey:
    offset = thresholds.stability_offset
    levels = np.array([thresholds.mask + d for d in (-offset, 0.0, offset)], np.float32)
    least = _extreme(low_res, rows, cols, np.minimum)
    greatest = _extreme(low_res, rows, cols, np.maximum)
    above = least > levels[:, None, None, None]  # (3, N, rows, cols)
    crossed = ~above & (greatest > levels[:, None, None, None])
    mixed = _where(np.logical_or.reduce(crossed))
    for level in above:
        level[mixed] = False  # these are counted pixel by pixel
    areas = (rows.lengths[:, None] * cols.lengths).astype(np.float64).ravel()
    outer = [0, 2]
    counts = (above[outer].reshape(2, len(low_res), -1) @ areas).astype(np.int64)

    pixels = np.empty((rows.tile, cols.tile, len(mixed[0])), np.bool_)
    for start in range(0, len(mixed[0]), _TILES_AT_ONCE):
        part = slice(start, start + _TILES_AT_ONCE)
        mask, row, col = (where[part] for where in mixed)
        logits = _enlarge(low_res, mask, row, col, rows, cols)
        for level, count in zip(levels[outer], counts, strict=True):
            found = logits > level
            # Two steps: sums of at most 32 rows fit the uint8 that is added fastest.
            in_tile = np.add.reduce(found.view(np.uint8), 0, np.uint8).sum(0)
            count += np.bincount(mask, in_tile, len(low_res)).astype(np.int64)
        np.greater(logits, levels[1], out=pixels[..., part])
    return _Survey(counts, above[1], mixed, pixels)


def _extreme(
    low_res: NDArray[np.float32], rows: _Axis, cols: _Axis, which: np.ufunc
) -> NDArray[np.float32]:
    """Least or greatest logit that any pixel of each tile depends on, (N, rows, cols)."""
    by_row = _sliding(low_res, rows.window, 1, which)[:, rows.starts]
    return _sliding(by_row, cols.window, 2, which)[:, :, cols.starts]


def _sliding(
    values: NDArray[np.float32], window: int, axis: int, which: np.ufunc
) -> NDArray[np.float32]:
    """Extreme of each run of `window` values along an axis, by doubling the run's length."""

    def shifted(array: NDArray[np.float32], first: int, count: int) -> NDArray[np.float32]:
        return array[(slice(None),) * axis + (slice(first, first + count),)]

    reach = 1
    while reach < window:
        step = min(reach, window - reach)
        count = values.shape[axis] - step
        values = which(shifted(values, 0, count), shifted(values, step, count))
        reach += step
    return values


def _enlarge(
    low_res: NDArray[np.float32],
    mask: NDArray[np.int64],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    rows: _Axis,
    cols: _Axis,
) -> NDArray[np.float32]:
    """Logits of tiles at the size of the image, (tile, tile, tiles)."""
    ys = rows.starts[row] + np.arange(rows.window)[:, None]
    xs = cols.starts[col] + np.arange(cols.window)[:, None]
    seen = low_res[mask, ys[:, None], xs]  # (window, window, tiles)
    along_y = _contract(rows.weights[:, :, row], seen)  # (tile, window, tiles)
    return _contract(along_y, cols.weights[:, :, col].swapaxes(0, 1))


def _contract(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Matrix products (a, b, n) by (b, c, n) for each n, summed in order without fused rounding."""
    total = left[:, 0, None] * right[0]
    term = np.empty_like(total)
    for b in range(1, len(right)):
        total += np.multiply(left[:, b, None], right[b], out=term)
    return total


def _changes(
    survey: _Survey, kept: NDArray[np.int64], rows: _Axis, cols: _Axis, frame: Frame
) -> Iterator[NDArray[np.int64]]:
    """Where each kept mask begins and ends, column by column of the image."""
    if len(kept) == 0:
        return
    x0, y0, _, _ = frame.crop_box
    height = frame.image_size[0]
    span = height * frame.image_size[1] + 1
    place = np.full(len(survey.full), -1)
    place[kept] = np.arange(len(kept))
    chosen = np.flatnonzero(place[survey.mixed[0]] >= 0)
    mask, row, col = (
        place[survey.mixed[0][chosen]],
        survey.mixed[1][chosen],
        survey.mixed[2][chosen],
    )
    pixels = survey.pixels[:, :, chosen]

    def at(mask: NDArray, y: NDArray, x: NDArray) -> NDArray[np.int64]:
        return mask * span + (x + x0) * height + (y + y0)

    # Within a tile: where a pixel differs from the one above it.
    y, x, t = _where(pixels[1:] != pixels[:-1])
    inside = at(mask[t], row[t] * rows.tile + y + 1, col[t] * cols.tile + x)

    # Between tiles: where a tile's first row differs from the last row of the tile above it.
    # Above the first tile and below the last one there is no mask.
    edges = np.zeros((2, len(kept), len(rows.starts) + 1, len(cols.starts), cols.tile), np.bool_)
    edges[0, :, :-1] = edges[1, :, 1:] = survey.full[kept][..., None]
    edges[0, mask, row, col] = pixels[0].T
    edges[1, mask, row + 1, col] = pixels[-1].T
    joined = edges.reshape(2, len(kept), len(rows.starts) + 1, -1)[..., : cols.size]
    m, border, x = _where(joined[0] != joined[1])
    between = at(m, np.minimum(border * rows.tile, rows.size), x)

    every, times = np.unique(np.concatenate([inside, between]), return_counts=True)
    # The bottom of a column and the top of the next are one place where the crop is as high as
    # the image: a mask that ends and begins there goes on. At the image's last pixel it ends.
    every = every[times == 1]
    every = every[every % span != span - 1]
    bounds = np.searchsorted(every, np.arange(len(kept) + 1) * span)
    for index in range(len(kept)):
        yield every[bounds[index] : bounds[index + 1]] - index * span


def _where(found: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """As `numpy.nonzero`, several times faster on arrays of many axes."""
    return np.unravel_index(np.flatnonzero(found), found.shape)


def _stability(survey: _Survey) -> NDArray[np.float32]:
    """Area above the upper threshold over area above the lower one; NaN if neither has any."""
    lower, upper = survey.counts.astype(np.float32)
    with np.errstate(invalid="ignore"):
        return upper / lower
