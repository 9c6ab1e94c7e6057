"""Cleaning masks: small holes are filled, small islands are removed."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.masks.rle import check_mask

_EIGHT_NEIGHBOURS = np.ones((3, 3), np.int64)


def remove_small_regions(
    mask: NDArray[np.bool_], min_area: float, mode: Literal["holes", "islands"]
) -> tuple[NDArray[np.bool_], bool]:
    """Fill the small holes of a mask, or remove its small islands.

    Regions are connected through sides and corners (arXiv 2304.02643, appendix B,
    "Postprocessing").

    Parameters
    ----------
    mask : (H, W) bool array
    min_area : float
        Regions of fewer pixels are small.
    mode : {"holes", "islands"}
        "holes" fills small regions of background, also those at the image's border. "islands"
        removes small regions of the mask; if all are small, the largest stays, and of equally
        large ones the topmost.

    Returns
    -------
    cleaned : (H, W) bool array
        `mask` itself if there was nothing to do.
    changed : bool

    Raises
    ------
    AnymaskError
        If the mask is not a boolean array with two axes.

    Examples
    --------
    >>> mask = np.array([[1, 1, 1, 0, 0, 1], [1, 0, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]], bool)
    >>> remove_small_regions(mask, 2, "holes")[0].astype(int)
    array([[1, 1, 1, 0, 0, 1],
           [1, 1, 1, 0, 0, 0],
           [1, 1, 1, 0, 0, 0]])
    >>> remove_small_regions(mask, 2, "islands")[0].astype(int)
    array([[1, 1, 1, 0, 0, 0],
           [1, 0, 1, 0, 0, 0],
           [1, 1, 1, 0, 0, 0]])
    """
    holes = mode == "holes"
    regions, _ = ndimage.label(check_mask(mask) ^ holes, _EIGHT_NEIGHBOURS)
    sizes = np.bincount(regions.ravel())
    small = sizes < min_area
    small[0] = False  # all that is not a region
    if not small.any():
        return mask, False
    if holes:
        return mask | small[regions], True
    stays = ~small
    stays[0] = False
    if not stays.any():
        stays[1 + sizes[1:].argmax()] = True
    return stays[regions], True
