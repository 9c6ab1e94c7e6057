"""Edges of an image from the masks of a grid of points (arXiv 2304.02643, section D.2).

No model of the family was trained to find edges; they are where its masks end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from anymask.masks.distinct import distinct
from anymask.masks.mask_set import MaskSet
from anymask.predict.everything.grids import point_grid
from anymask.predict.full_size import full_size_masks
from anymask.predict.predictor import SamPredictor

if TYPE_CHECKING:
    from anymask.model.sam import Sam

_POINTS_AT_A_TIME = 16
# Edges are smoothed this much, in pixels, before their direction is taken.
_SMOOTHING = 1.5
# An edge is kept if it is at most so much weaker than its neighbours across.
_TOLERANCE = 1.01


def edge_map(
    image: ArrayLike,
    model: Sam | SamPredictor | None = None,
    *,
    points_per_side: int = 16,
    box_nms_thresh: float = 0.7,
    thin: bool = True,
) -> NDArray[np.float32]:
    """Find the edges of an image.

    A grid of points is asked, with three masks each. Duplicates are dropped, and the gradient of
    each mask's probability is taken along the mask's outer boundary. The strength of an edge is the
    largest over all masks.

    Parameters
    ----------
    image : (H, W, 3) uint8 array_like
    model : Sam or SamPredictor, optional
        The shipped model by default.
    points_per_side : int
        Points along each side of the grid; 16 as in the paper.
    box_nms_thresh : float
        Of two masks whose boxes overlap more than this (IoU), only the better one is used.
    thin : bool
        Keep only the ridges of edges, which makes them about one pixel wide.

    Returns
    -------
    (H, W) float32 array
        From 0 to 1, which the strongest edge of the image has.

    Raises
    ------
    ImageError
        If the image is not RGB.
    PromptError
        If `points_per_side` is not positive.
    """
    from anymask.checkpoints import load
    from anymask.errors import PromptError

    if points_per_side < 1:
        raise PromptError(f"points_per_side is {points_per_side}; give a positive number.")
    predictor = model if isinstance(model, SamPredictor) else SamPredictor(model or load())
    predictor.set_image(np.asarray(image))
    low_res, iou = _asked(predictor, points_per_side)
    masks = MaskSet.from_masks(low_res > predictor.model.mask_threshold)
    edges = np.zeros(_sizes(predictor)[1], np.float32)
    for index in distinct(masks, iou, box_nms_thresh, "box"):
        if masks.areas[index]:
            _add(edges, _probability(predictor, low_res[index]))
    strongest = edges.max()
    if strongest > 0:
        edges /= strongest
    return thinned(edges) if thin else edges


def _sizes(predictor: SamPredictor) -> tuple[tuple[int, int], tuple[int, int]]:
    """Height and width of the image for the encoder, and of the image."""
    assert predictor.input_size is not None
    assert predictor.original_size is not None
    inner, outer = (tuple(map(int, s)) for s in (predictor.input_size, predictor.original_size))
    return (inner[0], inner[1]), (outer[0], outer[1])


def _asked(
    predictor: SamPredictor, points_per_side: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Low-resolution logits (3·N, h, w) of the masks of N points, and their predicted IoU."""
    _, (height, width) = _sizes(predictor)
    points = point_grid(points_per_side) * [width, height]
    found: list[tuple[Any, Any]] = []
    for start in range(0, len(points), _POINTS_AT_A_TIME):
        some = points[start : start + _POINTS_AT_A_TIME, None]
        labels = np.ones(some.shape[:2], np.int64)
        _, iou, low_res = predictor.predict(
            point_coords=some, point_labels=labels, multimask_output=True, batched=True
        )
        found.append((np.asarray(low_res), np.asarray(iou)))
    logits = np.concatenate([each.reshape(-1, *each.shape[2:]) for each, _ in found])
    return logits, np.concatenate([iou.ravel() for _, iou in found]).astype(np.float64)


def _probability(predictor: SamPredictor, low_res: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probability of a mask at each pixel of the image."""
    from scipy.special import expit

    given: Any = low_res[None, None]
    if not isinstance(predictor.model.device, str) and hasattr(predictor.model, "mask_decoder"):
        import torch

        given = torch.from_numpy(np.ascontiguousarray(given))
    logits = full_size_masks(predictor.model, given, *_sizes(predictor), True)
    probability: NDArray[np.float32] = expit(np.asarray(logits)[0, 0])
    return probability


def _add(edges: NDArray[np.float32], probability: NDArray[np.float32]) -> None:
    """Raise edges to the gradient of a mask's probability along its outer boundary."""
    inside = probability > 0.5
    if not inside.any() or inside.all():
        return
    (rows, columns) = ndimage.find_objects(inside.astype(np.uint8))[0]
    part = tuple(
        slice(max(0, side.start - 2), min(length, side.stop + 2))
        for side, length in zip((rows, columns), inside.shape, strict=True)
    )
    seen = probability[part]
    gradient = np.hypot(ndimage.sobel(seen, 0), ndimage.sobel(seen, 1))
    outer = ndimage.binary_dilation(inside[part], np.ones((3, 3), bool)) & ~inside[part]
    np.maximum(edges[part], gradient, out=edges[part], where=outer)


def thinned(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep an edge where it is not weaker than one pixel away across it.

    Parameters
    ----------
    edges : (H, W) float32 array

    Returns
    -------
    (H, W) float32 array
        Zero elsewhere.

    Examples
    --------
    >>> edges = np.zeros((9, 9), np.float32)
    >>> edges[:, 3:6] = [0.5, 1, 0.5]
    >>> thinned(edges)[4].tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    smooth = ndimage.gaussian_filter(edges, _SMOOTHING)
    by_row, by_column = np.gradient(smooth)
    (yy, yx), (_, xx) = np.gradient(by_row), np.gradient(by_column)
    # Across a ridge the curvature is strongest: most negative on it, most positive beside it.
    across = 0.5 * np.arctan2(2 * yx, xx - yy) + np.where(xx + yy < 0, np.pi / 2, 0)
    y, x = np.indices(edges.shape, np.float32)
    step = np.sin(across), np.cos(across)
    kept = edges.copy()
    for sign in (-1, 1):
        beside = ndimage.map_coordinates(
            smooth, [y + sign * step[0], x + sign * step[1]], order=1, mode="nearest"
        )
        kept[smooth * _TOLERANCE < beside] = 0
    return kept
