"""From low-resolution logits to the masks worth keeping, without ever painting a whole one.

"Segment everything" asks for some thousands of masks and keeps a hundred. Each is judged at the
size of the image: its stability, how little it changes with the threshold, and whether the crop
cuts it off (arXiv 2304.02643, appendix B). Enlarging every mask for that costs most of the time.
Here the image is divided into blocks (see `enlarging`). A pixel's logit is a weighted mean of the
few low-resolution logits that its block sees, so a block that sees none on one side of a threshold
is known without enlarging it. Only blocks through which a boundary runs are enlarged, and the
boundary is read off them (see `block_masks`).

Masks are those of the whole enlarged logits at every pixel, and the same to the last bit
whichever other masks are judged in the same call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.masks.boxes import touches_inner_edge
from anymask.masks.rle import Counts, box_of, counts_of_changes
from anymask.predict.everything.block_masks import BlockMasks, Blocks, Grid
from anymask.predict.everything.enlarging import TOLERANCE, Enlarger, axis_of, exact_logits

# Masks judged, and pixels enlarged, at a time: large enough to hide Python's own time, small
# enough for the processor's caches.
_MASKS_AT_ONCE = 8
_PIXELS_AT_ONCE = 2**16


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
    whole : tuple of int, optional
        XYXY of what is looked at as a whole, the image or a tile of it: a crop cuts masks off at
        those of its edges that lie within. By default the image.
    stretched : bool
        Whether the crop was stretched to the whole square. Its logits are then enlarged to it in
        one step, not by way of the encoder's input.
    """

    encoder_size: int
    input_size: tuple[int, int]
    crop_box: tuple[int, int, int, int]
    image_size: tuple[int, int]
    whole: tuple[int, int, int, int] | None = None
    stretched: bool = False


@dataclass(frozen=True)
class Criteria:
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

    @property
    def levels(self) -> NDArray[np.float32]:
        """The lower, the middle and the upper threshold."""
        offset = self.stability_offset
        return np.array([self.mask - offset, self.mask, self.mask + offset], np.float32)


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
    low_res: NDArray[np.float32], frame: Frame, criteria: Criteria
) -> Iterator[Survivor]:
    """Drop masks that are unstable or cut off by the crop; turn the others into run lengths.

    Parameters
    ----------
    low_res : (N, h, w) float32 array
        Logits as the decoder returned them.
    frame : Frame
    criteria : Criteria

    Yields
    ------
    Survivor
        In the order of `low_res`.
    """
    x0, y0, x1, y1 = frame.crop_box
    (low_height, low_width), (height, width) = low_res.shape[1:], frame.input_size
    across = down = frame.encoder_size
    if frame.stretched:
        height, width = down, across = low_height, low_width
    rows = axis_of(low_height, down, height, y1 - y0, repeat_last=True)
    cols = axis_of(low_width, across, width, x1 - x0, repeat_last=False)
    grid = Grid(rows, cols, (y0, x0), frame.image_size)
    for start in range(0, len(low_res), _MASKS_AT_ONCE):
        few = low_res[start : start + _MASKS_AT_ONCE]
        for index, score, changes in _stable(few, grid, criteria):
            counts = counts_of_changes(changes, frame.image_size[0] * frame.image_size[1])
            if not _is_cut_off(counts, frame):
                yield Survivor(start + index, score, counts)


def _is_cut_off(counts: Counts, frame: Frame) -> bool:
    """Whether a mask ends at an edge of the crop that is none of the whole."""
    x0, y0, x1, y1 = frame.whole or (0, 0, frame.image_size[1], frame.image_size[0])
    if frame.crop_box == (x0, y0, x1, y1):
        return False
    # An empty mask lies at the corner of its crop.
    box = box_of(counts, frame.image_size) if len(counts) > 1 else frame.crop_box[:2] * 2
    corner = np.array([x0, y0, x0, y0])
    crop_box = np.array(frame.crop_box) - corner
    return bool(touches_inner_edge(box - corner, crop_box, (y1 - y0, x1 - x0)))


def _stable(
    low_res: NDArray[np.float32], grid: Grid, criteria: Criteria
) -> Iterator[tuple[int, float, NDArray[np.int64]]]:
    """Index, stability score and run ends of the masks of a few that are stable enough."""
    seen = _sides_seen(low_res, grid, criteria.levels)
    limit = np.float32(criteria.min_stability)
    hopeful = np.arange(len(low_res))
    if limit > 0:
        # At best, every pixel is above the upper threshold that may be, and none above the lower
        # one but those that must be.
        most = _pixels(seen & _ABOVE_UPPER != 0, grid)
        least = _pixels(seen & _BELOW_LOWER == 0, grid)
        hopeful = np.flatnonzero(~(_ratio(most, least) < limit))
        low_res, seen = low_res[hopeful], seen[hopeful]
    masks, lower, upper = _survey(low_res, seen, grid, criteria.levels)
    scores = _ratio(upper, lower)
    kept = np.flatnonzero(scores >= limit) if limit > 0 else hopeful
    for index, changes in zip(kept, masks.changes(kept), strict=True):
        yield int(hopeful[index]), float(scores[index]), changes


def _ratio(upper: NDArray[np.int64], lower: NDArray[np.int64]) -> NDArray[np.float32]:
    """Stability scores from the areas above both thresholds; NaN if neither has a pixel."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.divide(upper.astype(np.float32), lower.astype(np.float32))


# What a block sees: bits 0, 1 and 2 say whether there are logits above the lower, the middle and
# the upper threshold, bits 3, 4 and 5 whether there are others.
_ABOVE_UPPER, _BELOW_LOWER, _BELOW_MIDDLE = (np.uint8(1 << bit) for bit in (2, 3, 4))
_MIDDLE, _OUTER = np.uint8(0b010), np.uint8(0b101)


def _sides_seen(
    low_res: NDArray[np.float32], grid: Grid, levels: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """On which sides of the thresholds the logits are that each block sees, (N, rows, cols)."""
    rows, cols = grid.rows, grid.cols
    needed = low_res[:, : rows.starts[-1] + rows.window, : cols.starts[-1] + cols.window]
    # Products, as numpy shifts bytes one by one.
    sides = (needed > levels[0]).view(np.uint8)
    for bit, level in enumerate(levels[1:], 1):
        sides |= (needed > level).view(np.uint8) * np.uint8(1 << bit)
    sides |= (sides ^ np.uint8(0b111)) * np.uint8(1 << 3)
    by_row = _union(sides, rows.window, 1).take(rows.starts, 1)
    return _union(by_row, cols.window, 2).take(cols.starts, 2)


def _union(sides: NDArray[np.uint8], window: int, axis: int) -> NDArray[np.uint8]:
    """Bits of each run of `window` values along an axis, by doubling the run's length."""

    def shifted(first: int, count: int) -> NDArray[np.uint8]:
        return sides[(slice(None),) * axis + (slice(first, first + count),)]

    reach = 1
    while reach < window:
        step = min(reach, window - reach)
        count = sides.shape[axis] - step
        sides = shifted(0, count) | shifted(step, count)
        reach += step
    return sides


def _pixels(blocks: NDArray[np.bool_], grid: Grid) -> NDArray[np.int64]:
    """How many pixels the chosen blocks (N, rows, cols) of each mask have."""
    by_row = blocks @ grid.cols.lengths.astype(np.float32)
    return (by_row @ grid.rows.lengths.astype(np.float64)).astype(np.int64)


def _survey(
    low_res: NDArray[np.float32],
    seen: NDArray[np.uint8],
    grid: Grid,
    levels: NDArray[np.float32],
) -> tuple[BlockMasks, NDArray[np.int64], NDArray[np.int64]]:
    """Masks in blocks, and their pixels above the lower and above the upper threshold."""
    rows, cols = grid.rows, grid.cols
    crossed = seen & (seen >> np.uint8(3)) & (_MIDDLE | _OUTER)
    # Blocks crossed by any threshold are counted pixel by pixel.
    lower = _pixels((seen & _BELOW_LOWER == 0) & (crossed == 0), grid)
    upper = _pixels((seen & _ABOVE_UPPER != 0) & (crossed == 0), grid)
    on_boundary = Blocks.where(crossed & _MIDDLE != 0)
    # Where only the others run through, there is no boundary.
    counted = Blocks.where((crossed & _MIDDLE == 0) & (crossed != 0))
    at_once = max(1, _PIXELS_AT_ONCE // (rows.block * cols.block))
    enlarge = Enlarger(rows, cols, min(at_once, max(len(on_boundary), len(counted))))
    pixels = np.empty((rows.block, cols.block, len(on_boundary)), np.bool_)
    for index, logits_seen in enumerate(low_res):
        doubt = np.float32(TOLERANCE * max(logits_seen.max(), -logits_seen.min()))
        for blocks, wanted in ((on_boundary, True), (counted, False)):
            for part in blocks.parts(index, at_once):
                row, col = blocks.row[part], blocks.col[part]
                logits = enlarge(logits_seen, row, col)
                repeated = rows.block - rows.lengths[row]
                lower[index] += _count(logits > levels[0], repeated)
                upper[index] += _count(logits > levels[2], repeated)
                if wanted:
                    above = pixels[:, :, part]
                    np.greater(logits, levels[1] + doubt, out=above)
                    maybe = logits > levels[1] - doubt
                    if np.count_nonzero(maybe) != np.count_nonzero(above):
                        _settle(above, maybe, logits_seen, row, col, grid, levels[1])
    return BlockMasks(grid, seen & _BELOW_MIDDLE == 0, on_boundary, pixels), lower, upper


def _count(found: NDArray[np.bool_], repeated: NDArray[np.int64]) -> int:
    """Pixels found in blocks (block, block, n), of which so often the last row is repeated."""
    in_last = np.add.reduce(found[-1].view(np.uint8), 0, np.min_scalar_type(found.shape[1]))
    return int(np.count_nonzero(found) - in_last @ repeated)


def _settle(
    above: NDArray[np.bool_],
    maybe: NDArray[np.bool_],
    low_res: NDArray[np.float32],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    grid: Grid,
    level: np.float32,
) -> None:
    """Decide the pixels of blocks that may be above a level and may not be, but for rounding."""
    rows, cols = grid.rows, grid.cols
    y, x, block = np.unravel_index(np.flatnonzero(above != maybe), above.shape)
    r, c = row[block], col[block]
    y_in_crop = rows.first[r] + np.minimum(y, rows.lengths[r] - 1)
    logits = exact_logits(low_res, y_in_crop, cols.first[c] + x, rows, cols)
    above[y, x, block] = logits > level
