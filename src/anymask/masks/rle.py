"""Masks as run lengths: exact, small, and measured without unpacking.

A mask is read column by column (down the first column, then the second …) and written as the
lengths of its runs, which alternate: first background, then mask, and so on. A mask whose first
pixel is set begins with a run of length 0. This is the "uncompressed RLE" of COCO and of Segment
Anything's records; COCO's compressed form packs the same lengths into text.

`encode`, `decode`, `area`, `box` and the conversions work on dictionaries as in files. The
functions on plain arrays of run lengths, such as `counts_of` and `mask_of`, are for code with many
masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.masks import coco_text

Counts = NDArray[np.uint32]
_MOST_PIXELS = np.iinfo(np.uint32).max  # that one run can have
# Longer runs are painted one by one, which costs as much as indexing this many pixels.
_LONG_RUN = 64
_SHORT_RUNS_AT_ONCE = 2**16


class Rle(TypedDict):
    """Uncompressed run lengths: `size` is [H, W], `counts` begins with background."""

    size: list[int]
    counts: list[int]


class CocoRle(TypedDict):
    """COCO's compressed run lengths: `size` is [H, W], `counts` is ASCII text."""

    size: list[int]
    counts: str


def encode(mask: NDArray[np.bool_]) -> Rle:
    """Write a mask as uncompressed run lengths.

    Parameters
    ----------
    mask : (H, W) bool array

    Returns
    -------
    dict
        `size` [H, W] and `counts`, a list of int.

    Raises
    ------
    AnymaskError
        If the mask is not a boolean array with two axes.

    Examples
    --------
    >>> encode(np.array([[False, True, True], [False, False, True]]))
    {'size': [2, 3], 'counts': [2, 1, 1, 2]}
    """
    height, width = check_mask(mask).shape
    return {"size": [height, width], "counts": counts_of(mask).tolist()}


def decode(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Unpack uncompressed run lengths.

    Parameters
    ----------
    rle : dict
        `size` [H, W] and `counts`, as `encode` returns them.

    Returns
    -------
    (H, W) bool array

    Raises
    ------
    AnymaskError
        If `size` or `counts` is missing, or the run lengths do not add up to H·W.

    Examples
    --------
    >>> decode({"size": [2, 3], "counts": [2, 1, 1, 2]}).astype(int)
    array([[0, 1, 1],
           [0, 0, 1]])
    """
    counts, size = read_rle(rle)
    return mask_of(counts, size)


def area(rle: Mapping[str, Any]) -> int:
    """Number of pixels of a mask in uncompressed run lengths.

    Examples
    --------
    >>> area({"size": [2, 3], "counts": [2, 1, 1, 2]})
    3
    """
    return area_of(read_rle(rle)[0])


def box(rle: Mapping[str, Any]) -> NDArray[np.int64]:
    """Bounding box of a mask in uncompressed run lengths.

    Returns
    -------
    (4,) int64 array
        XYXY: the first and last column and row with a pixel, all inclusive; zeros for an empty
        mask.

    Examples
    --------
    >>> box({"size": [2, 3], "counts": [2, 1, 1, 2]})
    array([1, 0, 2, 1])
    """
    counts, size = read_rle(rle)
    return box_of(counts, size)


def to_coco(rle: Mapping[str, Any]) -> CocoRle:
    """Compress run lengths to COCO's text form, with pycocotools.

    Examples
    --------
    >>> to_coco({"size": [2, 3], "counts": [2, 1, 1, 2]})
    {'size': [2, 3], 'counts': '2111'}
    """
    counts, size = read_rle(rle)
    return compress(counts, size)


def from_coco(coco: Mapping[str, Any]) -> Rle:
    """Convert any run lengths from a COCO file to uncompressed ones.

    Parameters
    ----------
    coco : dict
        `size` [H, W] and `counts`: text or bytes (compressed) or a list (uncompressed).

    Returns
    -------
    dict
        `size` [H, W] and `counts`, a list of int.

    Raises
    ------
    AnymaskError
        If the run lengths do not describe a mask of that size.

    Examples
    --------
    >>> from_coco({"size": [2, 3], "counts": "2111"})
    {'size': [2, 3], 'counts': [2, 1, 1, 2]}
    """
    counts, size = read_rle(coco)
    return {"size": list(size), "counts": counts.tolist()}


def check_mask(mask: Any) -> NDArray[np.bool_]:
    """Return `mask` if it is a boolean array with two axes, else raise an AnymaskError."""
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype != np.bool_:
        what = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask)
        raise AnymaskError(
            f"A mask must be a boolean array (H, W), but this is {what}; "
            "threshold logits with '> 0' and take one mask of a stack at a time."
        )
    return mask


def read_rle(rle: Mapping[str, Any]) -> tuple[Counts, tuple[int, int]]:
    """Read any run lengths as checked, uncompressed lengths and the size (H, W).

    Raises
    ------
    AnymaskError
        If a field is missing or the lengths do not add up to H·W.
    """
    try:
        height, width = (int(n) for n in rle["size"])
        counts = rle["counts"]
    except (KeyError, TypeError, ValueError):
        raise AnymaskError(
            "Run lengths must be a dictionary with 'size' [H, W] and 'counts', but this is "
            f"{_shortened(rle)}; check where the mask comes from."
        ) from None
    if isinstance(counts, (str, bytes)):
        lengths = coco_text.read(counts)
    else:
        try:
            lengths = np.asarray(counts, np.int64)
        except (TypeError, ValueError, OverflowError):
            lengths = np.full(1, -1)
    fits = min(height, width) >= 0 and height * width <= _MOST_PIXELS
    fits = fits and bool(np.all((lengths >= 0) & (lengths <= _MOST_PIXELS)))
    if not fits or lengths.ndim != 1 or lengths.sum() != height * width:
        raise AnymaskError(
            f"The run lengths {_shortened(counts)} do not add up to a mask of {width}×{height} "
            "pixels; the mask is damaged or its size is wrong."
        )
    return lengths.astype(np.uint32), (height, width)


def counts_of(mask: NDArray[np.bool_]) -> Counts:
    """Run lengths of a boolean mask (H, W)."""
    pixels = np.ascontiguousarray(mask.T).reshape(-1)
    if pixels.size == 0:
        return np.zeros(0, np.uint32)
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    return counts_of_changes(np.concatenate([[0], changes]) if pixels[0] else changes, pixels.size)


def counts_of_changes(changes: NDArray[np.int64], size: int) -> Counts:
    """Run lengths of a mask of `size` pixels from the indices where its value changes.

    Parameters
    ----------
    changes : (N,) int array
        Ascending column-major indices of the first pixel of every run except the first background
        run; begins with 0 if the first pixel is set.
    size : int
        Number of pixels of the image.
    """
    return np.diff(changes, prepend=0, append=size).astype(np.uint32)


def mask_of(counts: Counts, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Boolean mask (H, W) of run lengths."""
    height, width = size
    values = np.zeros(len(counts), np.bool_)
    values[1::2] = True
    return np.repeat(values, counts).reshape(width, height).T


def runs_of(counts: Counts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Column-major indices of each run of mask: its first pixel, and the one after its last."""
    ends = np.cumsum(counts, dtype=np.int64)
    starts, stops = ends[: len(counts) // 2 * 2 : 2], ends[1::2]
    filled = starts < stops
    return starts[filled], stops[filled]


def counts_of_runs(
    starts: NDArray[np.int64], stops: NDArray[np.int64], size: tuple[int, int]
) -> Counts:
    """Run lengths from runs as `runs_of` returns them, ordered and not touching."""
    total = size[0] * size[1]
    changes = np.stack([starts, stops], 1).reshape(-1)
    return counts_of_changes(changes[changes < total], total)


def clipped(counts: Counts, size: tuple[int, int], window: tuple[int, int, int, int]) -> Counts:
    """Run lengths of the part of a mask in a window XYXY, x1 and y1 exclusive.

    Examples
    --------
    >>> mask = np.ones((3, 4), bool)
    >>> mask_of(clipped(counts_of(mask), (3, 4), (1, 0, 3, 2)), (3, 4)).astype(int)
    array([[0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    x0, y0, x1, y1 = window
    height = size[0]
    starts, stops = runs_of(counts)
    starts, stops = np.maximum(starts, x0 * height), np.minimum(stops, x1 * height)
    starts, stops = starts[starts < stops], stops[starts < stops]
    if (y0, y1) != (0, height) and len(starts):
        starts, stops = column_by_column(starts, stops, height)
        top = starts // height * height
        starts, stops = np.maximum(starts, top + y0), np.minimum(stops, top + y1)
        starts, stops = starts[starts < stops], stops[starts < stops]
    return counts_of_runs(starts, stops, size)


def paint(pixels: NDArray[Any], counts: Counts, value: float) -> None:
    """Set the pixels of a mask in an image.

    Parameters
    ----------
    pixels : (H·W,) array
        The image, column by column.
    counts : array
        Run lengths of the mask.
    value : number

    Examples
    --------
    >>> labels = np.zeros(6, int)
    >>> paint(labels, counts_of(np.array([[False, True, True], [False, False, True]])), 7)
    >>> labels.reshape(3, 2).T
    array([[0, 7, 7],
           [0, 0, 7]])
    """
    starts, stops = runs_of(counts)
    is_long = stops - starts > _LONG_RUN
    for start, stop in zip(starts[is_long].tolist(), stops[is_long].tolist(), strict=True):
        pixels[start:stop] = value
    # Short runs are painted together, by pixel indices, in portions that limit memory.
    starts, stops = starts[~is_long], stops[~is_long]
    for first in range(0, len(starts), _SHORT_RUNS_AT_ONCE):
        part = slice(first, first + _SHORT_RUNS_AT_ONCE)
        lengths = stops[part] - starts[part]
        before = np.cumsum(lengths) - lengths
        pixels[np.repeat(starts[part] - before, lengths) + np.arange(lengths.sum())] = value


def column_by_column(
    starts: NDArray[np.int64], stops: NDArray[np.int64], height: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut runs at the end of each image column."""
    first = starts // height
    pieces = (stops - 1) // height - first + 1
    run = np.repeat(np.arange(len(starts)), pieces)
    column = first[run] + np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    begins = np.maximum(starts[run], column * height)
    return begins, np.minimum(stops[run], (column + 1) * height)


def union(several: Sequence[Counts], size: tuple[int, int]) -> Counts:
    """Run lengths of the union of several masks.

    Examples
    --------
    >>> union([counts_of(np.eye(2, dtype=bool)), counts_of(np.eye(2, dtype=bool)[::-1])], (2, 2))
    array([0, 4], dtype=uint32)
    """
    starts, stops = (np.concatenate(each) for each in zip(*map(runs_of, several), strict=True))
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(stops[order])
    apart = starts[1:] > reach[:-1]
    begins = np.concatenate([starts[:1], starts[1:][apart]])
    return counts_of_runs(begins, np.concatenate([reach[:-1][apart], reach[-1:]]), size)


def area_of(counts: Counts) -> int:
    """Number of pixels of a mask in run lengths."""
    return int(counts[1::2].sum(dtype=np.int64))


def box_of(counts: Counts, size: tuple[int, int]) -> NDArray[np.int64]:
    """Bounding box XYXY, inclusive, of a mask in run lengths; zeros if it is empty."""
    starts, stops = runs_of(counts)
    if len(starts) == 0:
        return np.zeros(4, np.int64)
    height = size[0]
    first_x, first_y = starts // height, starts % height
    last_x, last_y = (stops - 1) // height, (stops - 1) % height
    # A run that continues in the next column touches the bottom and the top.
    wraps = bool((first_x != last_x).any())
    top = 0 if wraps else first_y.min()
    bottom = height - 1 if wraps else last_y.max()
    return np.array([first_x[0], top, last_x[-1], bottom], np.int64)


def centroid_of(counts: Counts, size: tuple[int, int]) -> tuple[float, float]:
    """Mean (x, y) of the pixels of a mask in run lengths; NaN if it is empty."""
    starts, stops = runs_of(counts)
    total = int((stops - starts).sum())
    if total == 0:
        return float("nan"), float("nan")
    height = size[0]
    sum_of_indices = int(((starts + stops - 1) * (stops - starts)).sum()) // 2
    sum_of_x = int((_sum_of_columns(stops, height) - _sum_of_columns(starts, height)).sum())
    return sum_of_x / total, (sum_of_indices - height * sum_of_x) / total


def compress(counts: Counts, size: tuple[int, int]) -> CocoRle:
    """Compress run lengths to COCO's text form."""
    return {"size": list(size), "counts": coco_text.write(counts, size)}


def _sum_of_columns(stops: NDArray[np.int64], height: int) -> NDArray[np.int64]:
    """Sum of the column numbers of the pixels 0 … stop-1 in column-major order."""
    columns, rest = stops // height, stops % height
    return height * (columns * (columns - 1) // 2) + columns * rest


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
