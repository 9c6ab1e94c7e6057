"""Where an image lies on a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Transform = tuple[float, float, float, float, float, float]
"""From pixels to the map, in GDAL's order: x of the upper left corner, x by column, x by row, y of
the corner, y by column, y by row."""


def shifted(geo: Mapping[str, Any] | None, top: int, left: int) -> Mapping[str, Any] | None:
    """Return the geo-reference of a part of an image.

    Parameters
    ----------
    geo
        As in ``Image.geo``.
    top, left
        Row and column at which the part begins.

    Examples
    --------
    >>> shifted({"transform": (500.0, 2.0, 0.0, 900.0, 0.0, -2.0)}, top=10, left=5)
    {'transform': (510.0, 2.0, 0.0, 880.0, 0.0, -2.0)}
    """
    if geo is None or "transform" not in geo:
        return geo
    x, by_column, by_row, y, y_by_column, y_by_row = geo["transform"]
    x += left * by_column + top * by_row
    y += left * y_by_column + top * y_by_row
    return {**geo, "transform": (x, by_column, by_row, y, y_by_column, y_by_row)}
