"""Masks as single rings, for programs whose polygons have neither parts nor holes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import joined, outlines, simplified


def rings_of(masks: MaskSet, share: float = 0.0) -> list[tuple[int, list[NDArray[np.float64]]]]:
    """Return each mask that is not empty with a ring for each of its parts.

    Holes are cut in by a line to the hole and back, as in LabelMe.

    Parameters
    ----------
    masks : MaskSet
    share : float
        Corners are left out within this share of the outline's length.

    Returns
    -------
    list of (int, list of (K, 2) float64 arrays)
        The index of the mask, and (x, y) of corners, where the first pixel reaches from (0, 0) to
        (1, 1).
    """
    found = []
    for index, polygons in outlines(masks):
        rings = []
        for polygon in polygons:
            sides = np.diff(polygon[0], axis=0, append=polygon[0][:1])
            tolerance = share * float(np.abs(sides).sum())
            rings.append(joined([[simplified(ring, tolerance) for ring in polygon]]))
        found.append((index, [ring.astype(np.float64) for ring in rings]))
    return found
