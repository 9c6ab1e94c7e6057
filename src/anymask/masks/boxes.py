"""Bounding boxes of masks, as XYXY and XYWH.

XYXY boxes have the first and last column and row of a mask, all inclusive, so that a mask of one
pixel has x0 = x1. XYWH boxes have the first column and row, and a width and height. In Segment
Anything's records, width and height are x1 - x0 and y1 - y0; in COCO files, one more. All arrays
are (N, 4) or (4,).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def boxes_of_masks(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Bounding boxes of a stack of masks.

    Parameters
    ----------
    masks : (N, H, W) bool array

    Returns
    -------
    (N, 4) int64 array
        XYXY, inclusive; zeros where a mask is empty.

    Examples
    --------
    >>> masks = np.zeros((2, 5, 6), bool)
    >>> masks[0, 1:3, 2:6] = True
    >>> boxes_of_masks(masks)
    array([[2, 1, 5, 2],
           [0, 0, 0, 0]])
    """
    sides = []
    for axis in (1, 2):  # columns, rows
        occupied = np.asarray(masks.any(axis))
        first = occupied.argmax(1)
        last = occupied.shape[1] - 1 - occupied[:, ::-1].argmax(1)
        sides.append((first, last))
    (x0, x1), (y0, y1) = sides
    found = np.asarray(masks.any((1, 2)))
    return np.where(found[:, None], np.stack([x0, y0, x1, y1], 1), 0)


def xyxy_to_xywh(boxes: ArrayLike) -> NDArray:
    """Convert XYXY to XYWH, with width and height as differences of the coordinates.

    Examples
    --------
    >>> xyxy_to_xywh([2, 1, 5, 2])
    array([2, 1, 3, 1])
    """
    corners = np.asarray(boxes)
    return np.concatenate([corners[..., :2], corners[..., 2:] - corners[..., :2]], -1)


def extents(boxes: NDArray[np.int64], areas: ArrayLike) -> NDArray[np.int64]:
    """Convert inclusive XYXY to COCO's XYWH, where a mask of one pixel has width and height 1.

    Parameters
    ----------
    boxes : (N, 4) int array
        XYXY, inclusive.
    areas : (N,) array_like
        Areas of the masks; the boxes of empty masks become zeros.

    Examples
    --------
    >>> extents(np.array([[2, 1, 5, 2], [0, 0, 0, 0]]), [6, 0])
    array([[2, 1, 4, 2],
           [0, 0, 0, 0]])
    """
    grown = xyxy_to_xywh(boxes) + np.array([0, 0, 1, 1])
    return np.where(np.asarray(areas)[:, None] > 0, grown, 0)


def touches_inner_edge(
    boxes: ArrayLike, crop_box: ArrayLike, image_size: tuple[int, int], tolerance: float = 20.0
) -> NDArray[np.bool_]:
    """Whether boxes end at an edge of a crop that is not an edge of the image.

    Such masks are cut off by the crop (arXiv 2304.02643, appendix B, "Cropping").

    Parameters
    ----------
    boxes : (N, 4) array_like
        XYXY in pixels of the image.
    crop_box : (4,) array_like
        XYXY of the crop in the image.
    image_size : tuple of int
        Height and width of the image.
    tolerance : float
        Distance in pixels within which a box is at an edge.

    Returns
    -------
    (N,) bool array

    Examples
    --------
    >>> touches_inner_edge([[0, 0, 45, 30], [60, 30, 75, 45]], [0, 0, 50, 100], (100, 100), 20)
    array([ True, False])
    """
    height, width = image_size
    sides = np.asarray(boxes)
    at_crop_edge = np.abs(sides - np.asarray(crop_box)) <= tolerance
    at_image_edge = np.abs(sides - np.array([0, 0, width, height])) <= tolerance
    return (at_crop_edge & ~at_image_edge).any(-1)
