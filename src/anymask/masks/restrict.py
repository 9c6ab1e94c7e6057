"""Restrict masks to a region of interest: a mask, a box or a polygon."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.masks.objects import Masks, as_set, counts_of_crop, in_form_of, objects_of
from anymask.masks.rle import centroid_of

How = Literal["cut", "inside", "touching", "centre"]


def restrict(masks: Masks, region: ArrayLike, how: How = "cut") -> Masks:
    """Keep the masks, or parts of masks, in a region of interest.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
        All pixels of an id are one object.
    region : (H, W) bool array, 4 numbers, or (P, 2) array_like
        A mask of the image's size; a box XYXY, edges included; or the corners (x, y) of a polygon.
        Coordinates are in pixels, with pixel centres at whole numbers. A pixel is in a box or
        polygon if its centre is.
    how : {"cut", "inside", "touching", "centre"}
        "cut" cuts objects at the region's outline; "inside" keeps objects that are completely
        inside, "touching" those with at least one pixel inside, and "centre" those whose
        centroid's pixel is inside.

    Returns
    -------
    Of the same form, ids unchanged. Objects left without pixels are dropped.

    Raises
    ------
    AnymaskError
        If the region has none of these forms or not the masks' size, or `how` is unknown.

    Examples
    --------
    >>> labels = np.array([[5, 5, 5, 0], [0, 0, 0, 0], [7, 7, 0, 9]])
    >>> restrict(labels, (0, 0, 1, 2))
    array([[5, 5, 0, 0],
           [0, 0, 0, 0],
           [7, 7, 0, 0]])
    >>> restrict(labels, (0, 0, 1, 2), "inside")[[0, 2]]
    array([[0, 0, 0, 0],
           [7, 7, 0, 0]])
    """
    if how not in get_args(How):
        raise AnymaskError(
            f"{how!r} is not a way to restrict masks; choose from {', '.join(get_args(How))}."
        )
    given = as_set(masks)
    wanted = region_mask(region, given.image_size)
    counts, keep = list(given.counts), np.zeros(len(given), np.bool_)
    for index, crop in objects_of(given):
        inside = crop.pixels & wanted[crop.window]
        pixels = int(np.count_nonzero(inside))
        if how == "inside":
            keep[index] = pixels == given.areas[index]
        elif how == "centre":
            x, y = centroid_of(given.counts[index], given.image_size)
            keep[index] = wanted[int(y + 0.5), int(x + 0.5)]
        else:
            keep[index] = pixels > 0
            if how == "cut" and pixels < given.areas[index]:
                counts[index] = counts_of_crop(replace(crop, pixels=inside), given.image_size)
    return in_form_of(masks, given.with_counts(counts).select(keep))


def region_mask(region: Any, image_size: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw a region of interest as a mask, from the forms that `restrict` takes.

    Parameters
    ----------
    region : (H, W) bool array, 4 numbers, or (P, 2) array_like
    image_size : tuple of int
        Height and width.

    Returns
    -------
    (H, W) bool array

    Raises
    ------
    AnymaskError
        If it has none of these forms, not the image's size, or no pixel in the image.

    Examples
    --------
    >>> region_mask([(0, 0), (3, 0), (0, 3)], (3, 4)).astype(int)
    array([[1, 1, 1, 1],
           [1, 1, 1, 0],
           [1, 1, 0, 0]])
    """
    try:
        shape = np.asarray(region)
        if shape.dtype != np.bool_:
            shape = shape.astype(np.float64)
    except (TypeError, ValueError):
        shape = np.zeros(0)
    height, width = image_size
    mask = np.zeros(image_size, np.bool_)
    if shape.dtype == np.bool_ and shape.ndim == 2:
        if shape.shape != image_size:
            raise AnymaskError(
                f"The region of interest is {shape.shape[1]}×{shape.shape[0]} pixels and the "
                f"image is {width}×{height}; give a mask of the image's size."
            )
        mask = shape
    elif not np.isfinite(shape).all():
        raise AnymaskError("The region of interest has a coordinate that is not a finite number.")
    elif shape.shape == (4,):
        x0, y0, x1, y1 = shape
        if x1 < x0 or y1 < y0:
            raise AnymaskError(
                f"The region of interest ({x0:g}, {y0:g}, {x1:g}, {y1:g}) ends before it begins; "
                "give left, top, right and bottom."
            )
        rows, columns = np.arange(height), np.arange(width)
        mask = ((rows >= y0) & (rows <= y1))[:, None] & (columns >= x0) & (columns <= x1)
    elif shape.ndim == 2 and shape.shape[1] == 2 and len(shape) >= 3:
        from skimage.draw import polygon

        mask[polygon(shape[:, 1], shape[:, 0], image_size)] = True
    else:
        raise AnymaskError(
            "A region of interest must be a boolean mask (H, W), a box of 4 numbers (x0, y0, x1, "
            "y1) or a polygon with at least three corners (x, y)."
        )
    if not mask.any():
        raise AnymaskError(
            f"The region of interest has no pixel in the image, which is {width} wide and "
            f"{height} high; give it in pixels of the image."
        )
    return mask
