"""Convert masks to polygons and back without losing a pixel.

Outlines follow the sides of pixels. Coordinates are those of drawing programs and file formats
(COCO, ImageJ, LabelMe, GDAL): pixel (x, y) is the square from (x, y) to (x + 1, y + 1), so its
centre, which is (x, y) for prompts, is at (x + 0.5, y + 0.5). A pixel belongs to a polygon that
contains its centre. Filling an outline therefore returns exactly the same pixels, even after each
corner has moved by less than half a pixel.

A polygon is a list of rings (K, 2) of (x, y): the outer ring, then one ring per hole. Rings do not
repeat the first corner at the end. Pixels of one polygon are connected through their sides, so that
no ring touches itself; pixels that only meet at a corner are in separate polygons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import objects_of
from anymask.masks.rle import Counts, counts_of_changes, runs_of

Ring = NDArray
Polygon = list[Ring]

# At most this many crossings of columns by sides of one mask's polygons: some gigabytes.
_MOST_CROSSINGS = 50_000_000
_NEAR = 2_000  # corners that `joined` searches for the nearest
_FALLING, _RISING = 6, 9  # the two pixels of a corner that meet only there


def outlines(masks: MaskSet) -> Iterator[tuple[int, list[Polygon]]]:
    """Yield the outline of each mask that is not empty.

    Parameters
    ----------
    masks : MaskSet

    Yields
    ------
    index : int
        Index of the mask in the set.
    polygons : list of polygons
        As `polygons_of` returns them, in image coordinates.
    """
    for index, crop in objects_of(masks):
        origin = np.array([crop.left, crop.top])
        polygons = polygons_of(crop.pixels)
        yield index, [[ring + origin for ring in polygon] for polygon in polygons]


def polygons_of(pixels: NDArray[np.bool_]) -> list[Polygon]:
    """Outline a mask along the sides of its pixels.

    Parameters
    ----------
    pixels : (H, W) bool array

    Returns
    -------
    list of polygons
        From top to bottom. Rings are int64; the outer ring has a positive area by the shoelace
        formula (clockwise on a screen, where y points down), and holes have a negative area.

    Examples
    --------
    >>> mask = np.ones((3, 4), bool)
    >>> mask[1, 1] = False
    >>> [ring.tolist() for ring in polygons_of(mask)[0]]
    [[[0, 0], [4, 0], [4, 3], [0, 3]], [[1, 1], [1, 2], [2, 2], [2, 1]]]
    """
    padded = np.pad(pixels, 1).view(np.uint8)
    code = padded[:-1, :-1] + 2 * padded[:-1, 1:] + 4 * padded[1:, :-1] + 8 * padded[1:, 1:]
    rings = _rings(code)
    outer = [ring for ring in rings if code[ring[0, 1], ring[0, 0]] & 8]
    holes = [ring for ring in rings if not code[ring[0, 1], ring[0, 0]] & 8]
    polygons = [[ring] for ring in outer]
    if len(outer) == 1:
        polygons[0] += [_reversed(hole) for hole in holes]
    elif holes:
        parts, _ = ndimage.label(pixels)  # through sides
        part_of = {int(parts[ring[0, 1], ring[0, 0]]): i for i, ring in enumerate(outer)}
        for hole in holes:  # the pixel above a hole's first pixel belongs to its object
            x, y = hole[0]
            polygons[part_of[int(parts[y - 1, x])]].append(_reversed(hole))
    return polygons


def fill_polygons(polygons: Sequence[Sequence[ArrayLike]], size: tuple[int, int]) -> Counts:
    """Fill polygons to one run-length mask.

    Parameters
    ----------
    polygons : sequence of polygons
        Each is a sequence of rings (K, 2); a point is inside if an odd number of rings contain it.
        The mask is the union of the polygons, cut off at the image border.
    size : tuple of int
        Height and width of the image.

    Raises
    ------
    AnymaskError
        If a ring is malformed, a coordinate is not finite, or the polygons are absurdly large.

    Examples
    --------
    >>> fill_polygons([[[[1, 1], [3, 1], [3, 2], [1, 2]]]], (3, 4))
    array([4, 1, 2, 1, 4], dtype=uint32)
    """
    pieces = [_runs_of_polygon(polygon, size) for polygon in polygons]
    total = size[0] * size[1]
    if not pieces:
        return counts_of_changes(np.zeros(0, np.int64), total)
    changes = pieces[0]
    if len(pieces) > 1:
        changes = _union([(piece[::2], piece[1::2]) for piece in pieces])
    return counts_of_changes(changes[changes < total], total)


def union_of_counts(several: Sequence[Counts], size: tuple[int, int]) -> Counts:
    """Run lengths of the union of masks of one image."""
    total = size[0] * size[1]
    changes = _union([runs_of(counts) for counts in several])
    return counts_of_changes(changes[changes < total], total)


def joined(polygons: Sequence[Polygon]) -> Ring:
    """Join all rings of a mask into one, for formats that allow only one.

    The connection between rings goes there and back along the same straight line, which encloses
    nothing, so the joined ring fills to the same pixels.

    Parameters
    ----------
    polygons : sequence of polygons
        At least one.

    Returns
    -------
    (K, 2) array

    Examples
    --------
    >>> squares = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    >>> joined([[squares], [squares + 5]]).tolist()
    [[0, 0], [1, 0], [1, 1], [5, 5], [6, 5], [6, 6], [5, 6], [5, 5], [1, 1], [0, 1]]
    """
    rings = [np.asarray(ring) for polygon in polygons for ring in polygon]
    # A linked list of corners: `after` is the next one. A bridge repeats both its ends.
    corners = np.concatenate([np.concatenate([ring, ring[:2]]) for ring in rings])
    after: list[int] = []
    done = 0
    for ring in rings:
        n = len(ring)
        after += [*range(done + 1, done + n), done, -1, -1]
        if done:
            # Rings come from top to bottom, so near corners were added recently.
            near = corners[max(0, done - _NEAR) : done].astype(np.float64)
            apart = ((near[:, None] - ring) ** 2).sum(-1)
            here, there = (int(i) for i in np.unravel_index(apart.argmin(), apart.shape))
            here, there = here + max(0, done - _NEAR), there + done
            back_there, back_here = done + n, done + n + 1
            corners[[back_there, back_here]] = corners[[there, here]]
            after[done + (there - done - 1) % n] = back_there
            after[back_there], after[back_here] = back_here, after[here]
            after[here] = there
            done += n + 2
        else:
            done = n
            del after[n:]
            corners = np.concatenate([ring, corners[n + 2 :]])
    path, at = [0], after[0]
    while at != 0:
        path.append(at)
        at = after[at]
    return corners[path]


def simplified(ring: Ring, tolerance: float) -> Ring:
    """Simplify a ring by leaving out corners within `tolerance` of the simplified ring.

    Uses the Douglas–Peucker algorithm of scikit-image. A ring that would become a line is returned
    unchanged.
    """
    from skimage.measure import approximate_polygon

    if tolerance <= 0:
        return ring
    # Split at the corner farthest from the first; otherwise the closing side would fix two corners.
    far = int(((ring - ring[0]) ** 2).sum(-1).argmax())
    halves = np.split(np.concatenate([ring, ring[:1]]), [far + 1])
    halves[1] = np.concatenate([halves[0][-1:], halves[1]])
    kept = np.concatenate([approximate_polygon(half, tolerance)[:-1] for half in halves])
    return kept if len(kept) > 2 else ring


def signed_area(ring: Ring) -> float:
    """Area by the shoelace formula: positive if counter-clockwise with y pointing up."""
    x, y = ring[:, 0], ring[:, 1]
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _rings(code: NDArray[np.uint8]) -> list[Ring]:
    """The closed borders between inside and outside, each from its topmost, then leftmost corner.

    From there they go right, so that the inside of the ring is below.

    Parameters
    ----------
    code : (H + 1, W + 1) uint8 array
        Which of the four pixels around each grid point are set: 1 and 2 above, 4 and 8 below.
    """
    turns = np.array([c in (1, 2, 4, 8, 7, 11, 13, 14, _FALLING, _RISING) for c in range(16)])
    y, x = np.nonzero(turns[code])
    kinds = code[y, x]
    falling, rising = np.flatnonzero(kinds == _FALLING), np.flatnonzero(kinds == _RISING)
    twice = np.concatenate([falling, rising])
    n = len(x)
    # Where two pixels meet only at a corner, there are two turns; the copy belongs to the lower
    # pixel. These ranks decide which of the two comes first along the row and the column.
    in_row, in_column = np.zeros(n + len(twice), np.int64), np.zeros(n + len(twice), np.int64)
    in_row[falling] = 1
    in_row[n + len(falling) :] = 1
    in_column[n:] = 1
    x, y = np.append(x, x[twice]), np.append(y, y[twice])
    beside = _paired(np.lexsort([in_row, x, y]))
    above = _paired(np.lexsort([in_column, y, x]))
    start_order = np.lexsort([in_row, x, y]).tolist()
    points = list(zip(x.tolist(), y.tolist(), strict=True))
    rings = []
    left = bytearray(b"\1" * len(points))
    for start in start_order:
        if not left[start]:
            continue
        ring: list[tuple[int, int]] = []
        at = start
        while left[at]:
            across = beside[at]
            left[at] = left[across] = 0
            ring += (points[at], points[across])
            at = above[across]
        rings += _without_touching(ring) if len(twice) else [np.array(ring)]
    return rings


def _paired(order: NDArray[np.int64]) -> list[int]:
    """The partner of each item: items 1 and 2 of an order are a pair, then 3 and 4, and so on."""
    partner = np.empty(len(order), np.int64)
    partner[order[::2]], partner[order[1::2]] = order[1::2], order[::2]
    return partner.tolist()


def _without_touching(ring: list[tuple[int, int]]) -> list[Ring]:
    """Split a ring that touches itself at corners into rings that do not."""
    if len(set(ring)) == len(ring):
        return [np.array(ring)]
    rings: list[Ring] = []
    path: list[tuple[int, int]] = []
    place: dict[tuple[int, int], int] = {}
    for point in ring:
        if point in place:
            first = place[point]
            rings.append(_from_its_top(path[first:]))
            for gone in path[first:]:
                del place[gone]
            del path[first:]
        place[point] = len(path)
        path.append(point)
    rings.append(_from_its_top(path))
    return rings


def _from_its_top(path: list[tuple[int, int]]) -> Ring:
    top = min(range(len(path)), key=lambda i: path[i][::-1])
    ring = np.roll(np.array(path), -top, 0)
    return ring if ring[1, 1] == ring[0, 1] else _reversed(ring)


def _reversed(ring: Ring) -> Ring:
    """The ring in reverse, from the same corner."""
    return np.roll(ring[::-1], 1, 0)


def _runs_of_polygon(polygon: Sequence[ArrayLike], size: tuple[int, int]) -> NDArray[np.int64]:
    """Column-major indices where a polygon begins and ends, alternating."""
    height, width = size
    starts, stops = [], []
    for ring in polygon:
        points = _checked(ring)
        starts.append(points)
        stops.append(np.roll(points, -1, 0))
    a = np.concatenate(starts) if starts else np.zeros((0, 2))
    b = np.concatenate(stops) if stops else np.zeros((0, 2))
    swap = a[:, 0] > b[:, 0]
    a[swap], b[swap] = b[swap], a[swap]
    # Columns whose centre lies between the ends of each side, including the left end.
    first = np.ceil(np.clip(a[:, 0], 0, width) - 0.5).astype(np.int64)
    last = np.ceil(np.clip(b[:, 0], 0, width) - 0.5).astype(np.int64)
    times = last - first
    if times.sum() > _MOST_CROSSINGS:
        raise AnymaskError(
            f"Polygons of {len(a)} corners cross {times.sum():,} columns of an image of "
            f"{width}×{height} pixels, which is too much to fill; check their coordinates."
        )
    side = np.repeat(np.arange(len(a)), times)
    column = np.arange(len(side)) - np.repeat(np.cumsum(times) - times - first, times)
    slope = (b[side, 1] - a[side, 1]) / (b[side, 0] - a[side, 0])
    y = a[side, 1] + (column + 0.5 - a[side, 0]) * slope
    row = np.ceil(np.clip(y, 0, height) - 0.5).astype(np.int64)
    changes, times = np.unique(column * height + row, return_counts=True)
    return changes[times % 2 == 1]


def _checked(ring: ArrayLike) -> NDArray[np.float64]:
    try:
        points = np.array(ring, np.float64)
    except (TypeError, ValueError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise AnymaskError(
            f"The outline {_shortened(ring)} is not a list of at least three points (x, y); "
            "export the polygons again."
        )
    if not (np.abs(points) < 1e9).all():
        raise AnymaskError(
            f"The outline {_shortened(ring)} has coordinates far outside any image; check their "
            "unit."
        )
    return points


def _shortened(ring: ArrayLike) -> str:
    text = " ".join(str(ring).split())  # an array prints on several lines
    return text if len(text) <= 60 else text[:57] + "..."


def _union(pieces: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> NDArray[np.int64]:
    """Indices where the union of sets of runs begins and ends, alternating."""
    starts = np.concatenate([piece[0] for piece in pieces])
    stops = np.concatenate([piece[1] for piece in pieces])
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(stops[order])
    opens = np.ones(len(starts), np.bool_)
    opens[1:] = starts[1:] > reach[:-1]
    closes = np.roll(opens, -1)
    return np.stack([starts[opens], reach[closes]], 1).reshape(-1)
