"""Making one result of what was found in overlapping tiles of a picture.

An object that lies within a tile is found whole there; where tiles overlap it is found several
times, and non-maximum suppression keeps one. An object that a tile's edge cuts in two is found in
part. If the neighbour has found a part as well and both agree about the strip that the two tiles
share, the parts become one mask, and so on from tile to tile. A part that no neighbour carries on
is dropped, and so are parts of an object that a neighbour shows whole.

Masks stay run lengths throughout, and the result does not depend on the order in which tiles were
segmented.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from anymask.masks.mask_set import MaskSet
from anymask.masks.overlap import overlaps
from anymask.masks.rle import clipped, union
from anymask.predict.grids import Tile

# Parts in neighbouring tiles are one object if they share at least this much (intersection over
# union) of what either has in the strip that both tiles show.
_AGREEMENT = 0.5

_LEFT, _TOP, _RIGHT, _BOTTOM = range(4)


def join_tiles(
    found: Iterable[tuple[Tile, MaskSet]], image_size: tuple[int, int], reach: float
) -> MaskSet:
    """Join the masks of all tiles of a picture; objects cut by tiles' edges become one mask.

    Parameters
    ----------
    found : iterable of (Tile, MaskSet)
        In any order. The masks have the size of the picture and lie in their tile.
    image_size : tuple of int
        Height and width of the picture.
    reach : float
        A mask is cut if it comes as near as this to an edge of its tile within the picture, in
        pixels.

    Returns
    -------
    MaskSet
        Masks found whole and masks put together, in the order of the tiles; masks that were found
        in several tiles are there several times. The scores of a mask put together are the means
        of its parts', by area; its point is that of its largest part, its crop the box around
        those of all parts.
    """
    parts = sorted(found, key=lambda part: part[0])
    masks = MaskSet.concatenate([each for _, each in parts], image_size)
    ends = np.cumsum([0, *(len(each) for _, each in parts)])
    members = {
        (tile.row, tile.column): np.arange(ends[i], ends[i + 1])
        for i, (tile, _) in enumerate(parts)
    }
    tiles = {(tile.row, tile.column): tile for tile, _ in parts}
    cut = np.zeros((len(masks), 4), np.bool_)
    for place, tile in tiles.items():
        cut[members[place]] = _cut_sides(masks.boxes[members[place]], tile, image_size, reach)

    links = [np.zeros((2, 0), np.int64)]
    fragments = [np.zeros(0, np.int64)]
    for (row, column), tile in tiles.items():
        for place, side, opposite in (
            ((row, column + 1), _RIGHT, _LEFT),
            ((row + 1, column), _BOTTOM, _TOP),
        ):
            if place not in tiles:
                continue
            neighbour = tiles[place]
            here, there = members[row, column], members[place]
            window = (neighbour.x0, neighbour.y0, tile.x1, tile.y1)
            linked, seen_whole = _compared(
                masks, here, there, window, cut[here, side], cut[there, opposite]
            )
            links.append(linked)
            fragments.append(seen_whole)
    one, other = np.concatenate(links, 1)
    graph = sparse.coo_array((np.ones(len(one)), (one, other)), shape=(len(masks),) * 2)
    _, group = connected_components(graph, directed=False)
    hopeless = np.isin(group, group[np.concatenate(fragments)])
    return _merged(masks, group, np.any(cut, axis=1), hopeless)


def _cut_sides(
    boxes: NDArray[np.int64], tile: Tile, image_size: tuple[int, int], reach: float
) -> NDArray[np.bool_]:
    """At which sides a tile cuts masks, (N, 4): left, top, right, bottom."""
    height, width = image_size
    edges = np.array([tile.x0, tile.y0, tile.x1 - 1, tile.y1 - 1])
    within = edges != np.array([0, 0, width - 1, height - 1])
    return (np.abs(boxes - edges) <= reach) & within


def _compared(
    masks: MaskSet,
    here: NDArray[np.int64],
    there: NDArray[np.int64],
    window: tuple[int, int, int, int],
    cut_here: NDArray[np.bool_],
    cut_there: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Compare the masks of two tiles in the strip that both show.

    Parameters
    ----------
    masks : MaskSet
    here, there : (n,) and (m,) int64 arrays
        Masks of either tile.
    window : tuple of int
        XYXY of the strip.
    cut_here, cut_there : (n,) and (m,) bool arrays
        Which of them are cut by their tile's edge that lies in the other tile.

    Returns
    -------
    links : (2, k) int64 array
        Cut masks that are parts of one object: each is the other's best match.
    fragments : (l,) int64 array
        Cut masks without such a match, which the other tile shows uncut.
    """
    chosen = np.concatenate([here, there])
    shown = [clipped(masks.counts[i], masks.image_size, window) for i in chosen]
    strip = MaskSet.from_counts(masks.image_size, shown)
    pairs = overlaps(strip)
    between = (pairs.first < len(here)) & (pairs.second >= len(here))
    agreement = np.zeros((len(here), len(there)))
    agreement[pairs.first[between], pairs.second[between] - len(here)] = pairs.measured(
        strip.areas, "iou"
    )[between]
    agreement[agreement < _AGREEMENT] = 0

    both_cut = agreement * (cut_here[:, None] & cut_there)
    best = (both_cut > 0) & (both_cut == both_cut.max(1, initial=0)[:, None])
    best &= both_cut == both_cut.max(0, initial=0)
    # Of equally good matches the first.
    best &= (best.cumsum(1) == 1) & (best.cumsum(0) == 1)
    one, other = np.nonzero(best)
    alone_here = cut_here & ~best.any(1) & (agreement[:, ~cut_there] > 0).any(1)
    alone_there = cut_there & ~best.any(0) & (agreement[~cut_here] > 0).any(0)
    fragments = np.concatenate([here[alone_here], there[alone_there]])
    return np.stack([here[one], there[other]]), fragments


def _merged(
    masks: MaskSet,
    group: NDArray[np.int32],
    cut: NDArray[np.bool_],
    fragments: NDArray[np.bool_],
) -> MaskSet:
    """One mask for each group; groups of fragments and single cut masks are dropped."""
    order = np.argsort(group, kind="stable")
    counts, first = list(masks.counts), []
    columns = [masks.predicted_iou.copy(), masks.stability_score.copy()]
    points, crops = masks.point_coords.copy(), masks.crop_box.copy()
    for parts in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(parts) == 0 or fragments[parts[0]] or (len(parts) == 1 and cut[parts[0]]):
            continue
        lead = parts[0]
        first.append(lead)
        if len(parts) > 1:
            counts[lead] = union([masks.counts[i] for i in parts], masks.image_size)
            weights = masks.areas[parts] / masks.areas[parts].sum()
            for column in columns:
                column[lead] = column[parts] @ weights
            points[lead] = masks.point_coords[parts[weights.argmax()]]
            corners = crops[parts] + np.pad(crops[parts, :2], ((0, 0), (2, 0)))
            low, high = corners[:, :2].min(0), corners[:, 2:].max(0)
            crops[lead] = np.concatenate([low, high - low])
    joined = MaskSet.from_counts(
        masks.image_size,
        counts,
        predicted_iou=columns[0],
        stability_score=columns[1],
        point_coords=points,
        crop_box=crops,
    )
    return joined.select(np.sort(np.array(first, np.int64)))
