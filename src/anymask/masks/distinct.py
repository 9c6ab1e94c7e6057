"""Remove duplicate masks, by the overlap of their boxes or of the masks themselves.

Meta's code compares boxes. That is fast, but treats a cup and its content as duplicates if they
have the same box. Comparing the masks tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.nms import MANY, among_neighbours, box_iou, nms
from anymask.masks.rle import CocoRle, compress

Compared = Literal["box", "mask"]


def distinct(
    masks: MaskSet, scores: ArrayLike, iou_threshold: float, by: Compared
) -> NDArray[np.int64]:
    """Choose masks in order of score, skipping those that overlap a chosen one too much.

    Parameters
    ----------
    masks : MaskSet
        N masks.
    scores : (N,) array_like
    iou_threshold : float
        A mask is skipped if its IoU with a chosen one is above this. Empty masks overlap nothing.
    by : {"box", "mask"}
        Whether to compare bounding boxes (with `nms`) or masks.

    Returns
    -------
    (K,) int64 array
        Indices of the chosen masks, best score first; equal scores keep their order.

    Raises
    ------
    AnymaskError
        If `by` is unknown.

    Examples
    --------
    >>> stack = np.zeros((2, 4, 4), bool)
    >>> stack[0], stack[1, 0], stack[1, :, 0] = True, True, True
    >>> masks = MaskSet.from_masks(stack)
    >>> distinct(masks, [0.5, 0.9], 0.7, "box"), distinct(masks, [0.5, 0.9], 0.7, "mask")
    (array([1]), array([1, 0]))
    """
    _check(by)
    if by == "box":
        return nms(masks.boxes, scores, iou_threshold)
    waiting = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    if iou_threshold >= 1:
        return waiting
    overlaps = _MaskOverlaps(masks)
    if len(masks) > MANY:
        return among_neighbours(
            masks.boxes,
            waiting,
            lambda one, others: overlaps.of(one, others, iou_threshold) > iou_threshold,
        )
    chosen = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        chosen.append(best)
        waiting = waiting[overlaps.of(best, waiting, iou_threshold) <= iou_threshold]
    return np.array(chosen, np.int64)


def conflicts(masks: MaskSet, by: Compared, least: float) -> Callable[[float], NDArray[np.bool_]]:
    """Find the pairs of masks that overlap too much, for any threshold.

    Parameters
    ----------
    masks : MaskSet
        N masks.
    by : {"box", "mask"}
    least : float
        The lowest threshold that will be used.

    Returns
    -------
    callable
        Takes a threshold and returns an (N, N) bool array: whether the IoU is above it.
    """
    _check(by)
    overlaps = _MaskOverlaps(masks)
    first, second, iou = [], [], []
    for index in range(len(masks)):
        others = np.arange(index, len(masks))
        if by == "box":
            row = box_iou(masks.boxes[index], masks.boxes[others]).astype(np.float64)
        else:
            row = overlaps.of(index, others, least)
        near = row > least
        first.append(np.full(int(near.sum()), index))
        second.append(others[near])
        iou.append(row[near])
    pairs = [np.concatenate(each or [np.zeros(0, np.int64)]) for each in (first, second)]
    overlap = np.concatenate(iou or [np.zeros(0)])

    def above(threshold: float) -> NDArray[np.bool_]:
        found = np.zeros((len(masks), len(masks)), np.bool_)
        one, other = (each[overlap > threshold] for each in pairs)
        found[one, other] = found[other, one] = True
        return found

    return above


def _check(by: str) -> None:
    if by not in get_args(Compared):
        raise AnymaskError(f"Masks cannot be compared by {by!r}; choose 'box' or 'mask'.")


class _MaskOverlaps:
    """IoU of masks, computed only where boxes and areas allow a high one."""

    def __init__(self, masks: MaskSet) -> None:
        self._masks = masks
        self._areas = masks.areas.astype(np.float64)
        self._boxes = masks.boxes
        self._packed: dict[int, CocoRle] = {}

    def of(self, one: int, others: NDArray[np.int64], least: float) -> NDArray[np.float64]:
        """IoU of a mask with others; 0 where it certainly is not above `least`."""
        from pycocotools import mask as coco_mask

        box, boxes = self._boxes[one], self._boxes[others]
        corners = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
        common = np.maximum(corners[1] - corners[0] + 1, 0).prod(1)
        area, areas = self._areas[one], self._areas[others]
        shared = np.minimum(common, np.minimum(area, areas))
        with np.errstate(invalid="ignore"):
            near = np.flatnonzero(shared / (area + areas - shared) > least)
        iou = np.zeros(len(others))
        if len(near):
            packed = [self._pack(index) for index in others[near]]
            found = coco_mask.iou([self._pack(one)], packed, [0] * len(packed))
            iou[near] = np.asarray(found, np.float64)[0]
        return iou

    def _pack(self, index: int) -> CocoRle:
        if index not in self._packed:
            self._packed[index] = compress(self._masks.counts[index], self._masks.image_size)
        return self._packed[index]
