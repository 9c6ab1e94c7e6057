"""Ids in label images: what may be one, whichever way it comes in.

Files, arrays, data sets, sessions and tables all ask here, so that none of them takes for an object
what another takes for background.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError


def checked_labels(
    labels: NDArray,
    what: str = "The label image",
    *,
    ndim: int = 2,
    error: type[AnymaskError] = AnymaskError,
) -> NDArray[np.integer]:
    """Check an image of ids, whoever wrote it, and return it as integers.

    Parameters
    ----------
    labels : (H, W) array
        0 for background; integers, booleans, or floats that are whole numbers, as ImageJ and MATLAB
        save ids.
    what : str
        What it is, which begins the error.
    ndim : int
        Number of axes; 3 for a stack.
    error : type
        The error to raise.

    Raises
    ------
    AnymaskError
        If it has other axes, or has fractions, or ids below 0 or above 2⁶³−1.

    Examples
    --------
    >>> checked_labels(np.array([[0.0, 7.0]]))
    array([[0, 7]])
    """
    if labels.ndim != ndim or labels.dtype.kind not in "buif":
        raise error(
            f"{what} is {labels.dtype} of shape {labels.shape}; masks must have one channel of "
            "whole numbers: one id per object, 0 for background."
        )
    if labels.dtype == np.bool_:
        return labels.view(np.uint8)
    if labels.dtype.kind == "f":
        labels = _whole_numbers(labels, what, error)
    least, most = labels.min(initial=0), labels.max(initial=0)
    if least < 0:
        raise error(
            f"{what} has the id {least}, but ids begin at 1 and background is 0; save background "
            "as 0, or renumber the objects."
        )
    if most > np.iinfo(np.int64).max:
        raise error(f"{what} has the id {most}, but ids end at 2⁶³−1; renumber the objects from 1.")
    return labels


def _whole_numbers(labels: NDArray, what: str, error: type[AnymaskError]) -> NDArray[np.int64]:
    exact = 2 ** min(np.finfo(labels.dtype).nmant + 1, 53)
    largest = np.abs(labels).max(initial=0)
    if not np.isfinite(labels).all() or largest > exact or (labels != np.floor(labels)).any():
        raise error(
            f"{what} has fractions instead of ids; it may be the image itself or a probability "
            "map, so save whole numbers, one per object."
        )
    return labels.astype(np.int64)
