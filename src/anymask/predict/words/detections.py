"""Boxes that detectors for words found: joined over tiles and texts, each object once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.predict.everything.grids import Tile, tiles_of

Find = Callable[[NDArray[np.uint8], list[str]], "Detections"]
"""``find(image, words)`` for an (H, W, 3) uint8 array."""

# Neighbouring tiles overlap by this share, so that what one cuts is whole in the other.
_TILE_OVERLAP = 0.25
# A box that ends within so many pixels of a tile's inner side is taken for cut.
_CUT = 3.0
# Boxes that overlap more than this (IoU) show one object.
_SAME = 0.7


@dataclass(frozen=True)
class Detections:
    """Boxes that a detector found in an image.

    Attributes
    ----------
    boxes : (N, 4) array_like
        XYXY in pixels of the image.
    class_names : sequence of N str
        The word that each box answers.
    scores : (N,) array_like
        From 0 to 1.
    """

    boxes: ArrayLike
    class_names: Sequence[str]
    scores: ArrayLike

    def select(self, rows: NDArray[np.int64]) -> Detections:
        """Return some boxes, in the order of `rows`."""
        boxes, scores = np.asarray(self.boxes).reshape(-1, 4), np.asarray(self.scores)
        return Detections(boxes[rows], [self.class_names[i] for i in rows], scores[rows])


def joined(parts: Sequence[Detections]) -> Detections:
    """Join what was found in several steps."""
    return Detections(
        np.concatenate([np.asarray(part.boxes, np.float64).reshape(-1, 4) for part in parts]),
        [name for part in parts for name in part.class_names],
        np.concatenate([np.asarray(part.scores, np.float64).reshape(-1) for part in parts]),
    )


def find_in_tiles(
    find: Find, image: NDArray[np.uint8], words: list[str], tile_size: int
) -> Detections:
    """Look at an image as a whole, for what is large, and at its tiles, for what is small.

    Parameters
    ----------
    find : callable
    image : (H, W, 3) uint8 array
    words : list of str
    tile_size : int
        Side of a tile in pixels.
    """
    height, width = image.shape[:2]
    parts = [find(image, words)]
    for tile in tiles_of((height, width), tile_size, int(_TILE_OVERLAP * tile_size)):
        if tile.size == (height, width):
            break
        seen = np.ascontiguousarray(image[tile.y0 : tile.y1, tile.x0 : tile.x1])
        found = find(seen, words)
        boxes = np.asarray(found.boxes, np.float64).reshape(-1, 4)
        boxes = boxes + np.array([tile.x0, tile.y0, tile.x0, tile.y0])
        moved = Detections(boxes, found.class_names, found.scores)
        parts.append(moved.select(np.flatnonzero(_is_whole(boxes, tile, (height, width)))))
    return joined(parts)


def _is_whole(boxes: NDArray[np.float64], tile: Tile, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether boxes (N, 4) keep away from the sides of a tile that are not sides of the image."""
    height, width = size
    inner = np.array([tile.x0 > 0, tile.y0 > 0, tile.x1 < width, tile.y1 < height])
    away = np.abs(boxes - np.array(tile.box))
    return ((away > _CUT) | ~inner).all(1)


def each_once(boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose boxes that do not show the same object as one with a higher score.

    Parameters
    ----------
    boxes : (N, 4) float64 array
    scores : (N,) float64 array

    Returns
    -------
    (K,) int64 array
        Indices, the highest score first.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]], float)
    >>> each_once(boxes, np.array([0.5, 0.9, 0.6])).tolist()
    [1, 2]
    """
    left = np.argsort(-scores, kind="stable")
    chosen: list[int] = []
    while len(left):
        best, left = int(left[0]), left[1:]
        chosen.append(best)
        left = left[_overlaps(boxes[best], boxes[left]) <= _SAME]
    return np.array(chosen, np.int64)


def _overlaps(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of a box with others (N, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = (high - low).clip(min=0).prod(1)
    areas = (others[:, 2:] - others[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    ratio: NDArray[np.float64] = shared / np.maximum(areas - shared, 1e-9)
    return ratio
