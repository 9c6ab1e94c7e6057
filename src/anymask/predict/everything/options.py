"""The options of `SamAutomaticMaskGenerator`: what each may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.predict.everything.grids import point_grids as regular_grids

_CHOICES = {
    "output_mode": ("binary_mask", "uncompressed_rle", "coco_rle"),
    "nms_by": ("box", "mask"),
}


def check_options(
    *,
    points_per_side: int | None,
    points_per_batch: int,
    pred_iou_thresh: float,
    stability_score_thresh: float,
    stability_score_offset: float,
    box_nms_thresh: float,
    crop_n_layers: int,
    crop_nms_thresh: float,
    crop_overlap_ratio: float,
    crop_n_points_downscale_factor: float,
    point_grids: Sequence[ArrayLike] | None,
    min_mask_region_area: float,
    output_mode: str,
    tile_size: int | None,
    tile_overlap: int | None,
    max_mask_share: float,
    nms_by: str,
) -> list[NDArray[np.float64]]:
    """Refuse options that make no sense; return the grid of points of each layer of crops.

    Returns
    -------
    list of (N, 2) float64 arrays
        (x, y) in 0 … 1, for the image and for each layer of crops.

    Raises
    ------
    AnymaskError
        One sentence with the option, its value and what it may be.
    """
    _check_whole("points_per_batch", points_per_batch, 1)
    _check_whole("crop_n_layers", crop_n_layers, 0)
    _check_number("pred_iou_thresh", pred_iou_thresh)
    _check_number("stability_score_thresh", stability_score_thresh)
    _check_number("stability_score_offset", stability_score_offset, 0)
    _check_number("box_nms_thresh", box_nms_thresh, 0, 1)
    _check_number("crop_nms_thresh", crop_nms_thresh, 0, 1)
    _check_number("crop_overlap_ratio", crop_overlap_ratio, 0, 1)
    _check_number("crop_n_points_downscale_factor", crop_n_points_downscale_factor, 1)
    _check_number("min_mask_region_area", min_mask_region_area, 0)
    _check_number("max_mask_share", max_mask_share, 0, 1)
    for name, value in {"output_mode": output_mode, "nms_by": nms_by}.items():
        if value not in _CHOICES[name]:
            known = ", ".join(map(repr, _CHOICES[name]))
            raise AnymaskError(f"{name} is {value!r}; it can be {known}.")
    _check_tiles(tile_size, tile_overlap)
    if (points_per_side is None) == (point_grids is None):
        raise AnymaskError(
            "The points to ask at come from points_per_side or from point_grids: give one of the "
            "two and None for the other."
        )
    if point_grids is not None:
        return _check_grids(point_grids, crop_n_layers)
    _check_whole("points_per_side", points_per_side, 1)
    assert points_per_side is not None
    return regular_grids(points_per_side, crop_n_layers, crop_n_points_downscale_factor)


def _check_tiles(tile_size: int | None, tile_overlap: int | None) -> None:
    if tile_size is not None:
        _check_whole("tile_size", tile_size, 2)
    if tile_overlap is None:
        return
    if tile_size is None:
        raise AnymaskError(
            f"tile_overlap is {tile_overlap!r} and there are no tiles; give tile_size as well."
        )
    _check_whole("tile_overlap", tile_overlap, 1)
    if tile_overlap >= tile_size:
        raise AnymaskError(
            f"tile_overlap is {tile_overlap} and tile_size {tile_size}; tiles must overlap by less "
            "than their size."
        )


def _check_whole(name: str, value: Any, low: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
        raise AnymaskError(f"{name} is {value!r}; it must be a whole number of at least {low}.")


def _check_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> None:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and low <= value <= high:
        return
    limits = f" from {low} to {high}" if high < math.inf else f" of at least {low}"
    raise AnymaskError(
        f"{name} is {value!r}; it must be a number{limits if low > -math.inf else ''}."
    )


def _check_grids(grids: Sequence[ArrayLike], crop_n_layers: int) -> list[NDArray[np.float64]]:
    if len(grids) <= crop_n_layers:
        raise AnymaskError(
            f"point_grids holds {len(grids)} grids and crop_n_layers is {crop_n_layers}; give one "
            f"grid for the image and one for each layer, {crop_n_layers + 1} in all."
        )
    checked = []
    for layer, grid in enumerate(grids):
        try:
            points = np.asarray(grid, np.float64)
        except (TypeError, ValueError):
            points = np.empty(0)
        if points.ndim != 2 or points.shape[1] != 2 or not ((points >= 0) & (points <= 1)).all():
            raise AnymaskError(
                f"point_grids[{layer}] must be an array (N, 2) of points (x, y) as fractions of "
                "the image's width and height, from 0 to 1."
            )
        checked.append(points)
    return checked
