"""Statistics of any value that each pixel has, such as an index, over the pixels of objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import objects_of

STATISTICS = ("mean", "median", "std", "pixels")
"""What is measured; the standard deviation is the population one."""


def value_columns(masks: MaskSet, name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Measure the values of the pixels of each mask.

    Parameters
    ----------
    masks : MaskSet
    name : str
        The name of the value; columns begin with it.
    values : (H, W) array of numbers or booleans
        A pixel without a finite value counts nowhere. Booleans are 0 and 1, so that their mean is
        the share of pixels for which they hold.

    Returns
    -------
    dict of (N,) array
        ``NAME_mean``, ``NAME_median``, ``NAME_std``, float64, NaN where no pixel has a value, and
        ``NAME_pixels``, int64, the number of pixels with one.

    Raises
    ------
    AnymaskError
        If `values` has another shape than the masks, or no numbers.

    Examples
    --------
    >>> masks = MaskSet.from_labels(np.array([[1, 1, 1, 2]]))
    >>> found = value_columns(masks, "ndvi", np.array([[0.2, 0.4, np.nan, 0.9]]))
    >>> found["ndvi_mean"].round(3).tolist(), found["ndvi_pixels"].tolist()
    ([0.3, 0.9], [2, 1])
    """
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise AnymaskError(
            f"The values of {name!r} must be an array (H, W) of numbers, but are {values.dtype} of "
            f"shape {values.shape}."
        )
    if values.shape != tuple(masks.image_size):
        (height, width), (rows, columns) = masks.image_size, values.shape
        raise AnymaskError(
            f"The masks are {width}×{height} pixels and the values of {name!r} {columns}×{rows}; "
            "compute them from the image that the masks were made from."
        )
    found: dict[str, NDArray[Any]] = {
        f"{name}_{kind}": np.full(len(masks), np.nan) for kind in STATISTICS[:-1]
    }
    found[f"{name}_pixels"] = np.zeros(len(masks), np.int64)
    for index, crop in objects_of(masks):
        inside = values[crop.window][crop.pixels].astype(np.float64)
        known = inside[np.isfinite(inside)]
        found[f"{name}_pixels"][index] = known.size
        if known.size:
            found[f"{name}_mean"][index] = known.mean()
            found[f"{name}_median"][index] = np.median(known)
            found[f"{name}_std"][index] = known.std()
    return found
