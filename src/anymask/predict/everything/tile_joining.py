"""Join the masks of overlapping tiles of an image.

An object inside a tile is found completely there. Where tiles overlap, it is found several times,
and non-maximum suppression keeps one mask. An object cut by the edge of a tile is found in parts.
If the neighbouring tile also has a part and both agree in the strip that the two tiles share, the
parts become one mask, and so on from tile to tile. A part of an object that the neighbour has
completely adds nothing, and a part that no neighbour has is dropped.

Masks stay run lengths throughout, and the result does not depend on the order of the tiles.
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
from anymask.predict.everything.duplicates import without_duplicates
from anymask.predict.everything.grids import Tile
from anymask.predict.everything.options import EverythingOptions
from anymask.predict.everything.small_regions import without_small

# Parts in neighbouring tiles are one object if their IoU in the common strip is at least this; more
# if one of them is not cut, because an object inside another resembles a part of it.
_AGREEMENT = 0.5
_AGREEMENT_WITH_UNCUT = 0.75

_LEFT, _TOP, _RIGHT, _BOTTOM = range(4)


def masks_of_tiles(
    found: Iterable[tuple[Tile, MaskSet]],
    image_size: tuple[int, int],
    options: EverythingOptions,
    reach: float,
) -> MaskSet:
    """Return the masks of an image from those of its tiles, each object once, best first.

    Parameters
    ----------
    found, image_size, reach
        As for `join_tiles`.
    options : EverythingOptions
    """
    parts = list(found)
    if len(parts) == 1:
        return without_small(parts[0][1], options)
    masks = join_tiles(parts, image_size, reach)
    masks = masks.select(without_duplicates(masks, options.crop_nms_thresh, options))
    return without_small(masks, options)


def join_tiles(
    found: Iterable[tuple[Tile, MaskSet]], image_size: tuple[int, int], reach: float
) -> MaskSet:
    """Join the masks of all tiles of an image; objects cut by tile edges become one mask.

    Parameters
    ----------
    found : iterable of (Tile, MaskSet)
        In any order. The masks have the size of the image and are inside their tile.
    image_size : tuple of int
        Height and width of the image.
    reach : float
        A mask counts as cut if it is within this many pixels of an inner edge of its tile.

    Returns
    -------
    MaskSet
        Complete and joined masks, in the order of the tiles; masks found in several tiles occur
        several times. The scores of a joined mask are the area-weighted means of its parts' scores;
        its point is that of the largest part, and its crop is the box around all parts' crops.
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
            if place in tiles:
                here, there = members[row, column], members[place]
                window = (tiles[place].x0, tiles[place].y0, tile.x1, tile.y1)
                agreement = _agreement(masks, here, there, window)
                linked, known = _same_objects(agreement, cut[here, side], cut[there, opposite])
                both = np.concatenate([here, there])
                links.append(both[linked])
                fragments.append(both[known])
    one, other = np.concatenate(links, 1)
    graph = sparse.coo_array((np.ones(len(one)), (one, other)), shape=(len(masks),) * 2)
    _, group = connected_components(graph, directed=False)
    return _merged(masks, group, np.any(cut, axis=1), np.concatenate(fragments))


def _cut_sides(
    boxes: NDArray[np.int64], tile: Tile, image_size: tuple[int, int], reach: float
) -> NDArray[np.bool_]:
    """The sides on which a tile cuts masks, (N, 4): left, top, right, bottom."""
    height, width = image_size
    edges = np.array([tile.x0, tile.y0, tile.x1 - 1, tile.y1 - 1])
    within = edges != np.array([0, 0, width - 1, height - 1])
    return (np.abs(boxes - edges) <= reach) & within


def _agreement(
    masks: MaskSet,
    here: NDArray[np.int64],
    there: NDArray[np.int64],
    window: tuple[int, int, int, int],
) -> NDArray[np.float64]:
    """IoU of the masks of two tiles in their common strip, (n, m)."""
    agreement = np.zeros((len(here), len(there)))
    chosen = np.concatenate([here, there])
    shown = [clipped(masks.counts[i], masks.image_size, window) for i in chosen]
    strip = MaskSet.from_counts(masks.image_size, shown)
    pairs = overlaps(strip)
    between = (pairs.first < len(here)) & (pairs.second >= len(here))
    ious = pairs.measured(strip.areas, "iou")[between]
    agreement[pairs.first[between], pairs.second[between] - len(here)] = ious
    return agreement


def _same_objects(
    agreement: NDArray[np.float64], cut_here: NDArray[np.bool_], cut_there: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decide which masks of two tiles are one object.

    Parameters
    ----------
    agreement : (n, m) float64 array
    cut_here, cut_there : (n,) and (m,) bool arrays
        Which masks are cut by their tile's edge that lies in the other tile.

    Returns
    -------
    links : (2, k) int64 array
        Pairs of one object: cut masks that are each other's best match (among equal ones, that with
        about the same rank), and other cut masks with their best match among the uncut masks of
        the other tile. Masks of the second tile are numbered from n.
    fragments : (l,) int64 array
        The cut masks of the second kind.
    """
    links, fragments = [np.zeros((2, 0), np.int64)], [np.zeros(0, np.int64)]
    n = len(agreement)
    if agreement.size == 0:
        return links[0], fragments[0]
    here, there = np.indices(agreement.shape)
    both_cut = (agreement - 1e-9 * abs(here - there)) * (cut_here[:, None] & cut_there)
    best_there, best_here = both_cut.argmax(1), both_cut.argmax(0)
    own = np.arange(n)
    mutual = (best_here[best_there] == own) & (both_cut[own, best_there] >= _AGREEMENT)
    links.append(np.stack([own[mutual], n + best_there[mutual]]))
    left_here, left_there = cut_here & ~mutual, cut_there.copy()
    left_there[best_there[mutual]] = False

    for table, part, is_whole, first_part, first_whole in (
        (agreement, left_here, ~cut_there, 0, n),
        (agreement.T, left_there, ~cut_here, n, 0),
    ):
        agreed = table * (part[:, None] & is_whole)
        known = np.flatnonzero(agreed.max(1) >= _AGREEMENT_WITH_UNCUT)
        links.append(np.stack([first_part + known, first_whole + agreed[known].argmax(1)]))
        fragments.append(first_part + known)
    return np.concatenate(links, 1), np.concatenate(fragments)


def _merged(
    masks: MaskSet,
    group: NDArray[np.int32],
    cut: NDArray[np.bool_],
    fragments: NDArray[np.int64],
) -> MaskSet:
    """One mask per group, without its fragments; cut masks without a match are dropped."""
    is_fragment = np.zeros(len(masks), np.bool_)
    is_fragment[fragments] = True
    counts, leads = list(masks.counts), []
    columns = [masks.predicted_iou.copy(), masks.stability_score.copy()]
    points, crops = masks.point_coords.copy(), masks.crop_box.copy()
    order = np.argsort(group, kind="stable")
    for parts in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        parts = parts[~is_fragment[parts]]
        if len(parts) == 0 or (len(parts) == 1 and cut[parts[0]]):
            continue
        lead = parts[0]
        leads.append(lead)
        if len(parts) > 1:
            counts[lead] = union([masks.counts[i] for i in parts], masks.image_size)
            weights = masks.areas[parts] / masks.areas[parts].sum()
            for column in columns:
                column[lead] = column[parts] @ weights
            points[lead] = masks.point_coords[parts[weights.argmax()]]
            low = masks.crop_box[parts, :2]
            high = (low + masks.crop_box[parts, 2:]).max(0)
            crops[lead] = np.concatenate([low.min(0), high - low.min(0)])
    joined = MaskSet.from_counts(
        masks.image_size,
        counts,
        predicted_iou=columns[0],
        stability_score=columns[1],
        point_coords=points,
        crop_box=crops,
    )
    return joined.select(np.sort(np.array(leads, np.int64)))
