"""The objects of a layer as a table, with measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.images.image import Image
from anymask.io.tables import measure_in_image
from anymask.masks.mask_set import MaskSet
from anymask.session.records import ObjectInfo


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """The objects of a layer, one row each, sorted by id.

    Attributes
    ----------
    columns : dict of str to (N,) array
        "id", "class_name", "predicted_iou", "stability_score", "quality", "reviewed", "origin",
        "area" in pixels, and the requested measurements.
    units : dict of str
        Units of the measurements.
    """

    columns: dict[str, NDArray[Any]]
    units: dict[str, str]

    @property
    def ids(self) -> NDArray[np.int64]:
        """Ids of the objects."""
        return self.columns["id"]

    def __len__(self) -> int:
        return len(self.ids)


def table_of(ids: list[int], infos: list[ObjectInfo], areas: list[int]) -> ObjectTable:
    """Make a table of objects without measurements."""
    columns: dict[str, NDArray[Any]] = {
        "id": np.array(ids, np.int64),
        "class_name": np.array([o.class_name for o in infos], np.str_),
        "predicted_iou": np.array([o.predicted_iou for o in infos], np.float64),
        "stability_score": np.array([o.stability_score for o in infos], np.float64),
        "quality": np.array([o.quality for o in infos], np.float64),
        "reviewed": np.array([o.reviewed for o in infos], np.bool_),
        "origin": np.array([o.origin for o in infos], np.str_),
        "area": np.array(areas, np.int64),
    }
    return ObjectTable(columns, {})


def measured(
    table: ObjectTable, labels: NDArray[Any], image: Image, measurements: Sequence[str]
) -> ObjectTable:
    """Add measurements of a label image (H, W) and its image; NaN for absent objects."""
    found = measure_in_image(
        MaskSet.from_labels(labels),
        image,
        properties=[name for name in measurements if name != "area"] or ["centroid"],
    )
    columns = dict(table.columns)
    rows = np.searchsorted(found["id"], columns["id"])
    there = np.isin(columns["id"], found["id"])
    for name, column in found.items():
        if name not in columns:
            whole = np.full(len(there), np.nan)
            whole[there] = column[rows[there]]
            columns[name] = whole
    return ObjectTable(columns, {n: unit for n, unit in found.units.items() if n in columns})
