"""One row about all objects of an image: how many there are, sums and means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks.intensities import COUNT
from anymask.masks.measure import SIZES, Measurements

# Positions, directions and names, of which neither sums nor means say anything.
_LEFT_OUT = ("id", "class_name", "centroid_x", "centroid_y", "orientation")


def summary(table: Measurements) -> Measurements:
    """Summarise a table of objects in one row.

    Parameters
    ----------
    table : Measurements
        One row per object.

    Returns
    -------
    Measurements
        "objects", their number; for each column "mean_…", NaN without objects, and for lengths,
        areas and numbers of pixels also "sum_…". Objects without a value count in neither. Units
        are those of the columns.

    Examples
    --------
    >>> from anymask.masks.measure import measure
    >>> found = measure(np.array([[1, 1, 1, 2]]), properties=["area", "extent"])
    >>> {name: column.tolist() for name, column in summary(found).items()}
    {'objects': [2], 'sum_area': [4.0], 'mean_area': [2.0], 'mean_extent': [1.0]}
    """
    row: dict[str, NDArray[Any]] = {"objects": np.array([len(table["id"])])}
    units: dict[str, str] = {}
    for name, column in table.items():
        if name in _LEFT_OUT or name.startswith("bbox_") or column.dtype.kind not in "buif":
            continue
        known = column[np.isfinite(column)]
        unit = table.units.get(name)
        if _adds_up(name, unit):
            row[f"sum_{name}"] = known.sum(keepdims=True)
        row[f"mean_{name}"] = known.mean(keepdims=True) if known.size else np.array([np.nan])
        units |= {f"{kind}_{name}": unit for kind in ("sum", "mean") if unit is not None}
    units = {name: unit for name, unit in units.items() if name in row}
    return Measurements(row, units, table.notes)


def _adds_up(name: str, unit: str | None) -> bool:
    counts = name in ("num_pixels", "area_px") or name.startswith(COUNT) or name.endswith("_pixels")
    return name in SIZES or (counts and unit == "pixels")
