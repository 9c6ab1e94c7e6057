"""Where an image lies on a map, and what its reference system says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.units import unit_symbol

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


def pixel_size_of(transform: Transform) -> tuple[float, float]:
    """Height and width of a pixel on the ground, for any rotation of the grid.

    >>> pixel_size_of((500_000.0, 0.5, 0.0, 5_400_000.0, 0.0, -0.25))
    (0.25, 0.5)
    """
    _, a, b, _, d, e = transform
    return math.hypot(b, e), math.hypot(a, d)


def unit_of_wkt(wkt: str) -> str | None:
    """The unit of the coordinates of a reference system in WKT; "degree" for geographic ones.

    >>> unit_of_wkt('PROJCS["a",GEOGCS["b",UNIT["Degree",0.017]],UNIT["Meter",1.0]]')
    'm'
    """
    if re.match(r"\s*GEOG", wkt, re.IGNORECASE):
        return "degree"
    # The last one: those before belong to the parts that it is built of.
    units = re.findall(r'UNIT\s*\[\s*"([^"]+)"', wkt, re.IGNORECASE)
    return unit_symbol(units[-1]) if units else None


def mapped(points: NDArray[Any], transform: Transform) -> NDArray[np.float64]:
    """Send points (N, 2) through a transform, such as from pixels (x, y) to the map.

    Examples
    --------
    >>> mapped(np.array([[10, 1]]), (500.0, 2.0, 0.0, 900.0, 0.0, -2.0))
    array([[520., 898.]])
    """
    x0, xc, xr, y0, yc, yr = transform
    x, y = points[:, 0], points[:, 1]
    return np.stack([x0 + xc * x + xr * y, y0 + yc * x + yr * y], 1)


def inverse(transform: Transform) -> Transform:
    """Return the transform from the map to pixels.

    Raises
    ------
    ImageError
        If there is none.

    Examples
    --------
    >>> inverse((500.0, 2.0, 0.0, 900.0, 0.0, -2.0))
    (-250.0, 0.5, 0.0, 450.0, 0.0, -0.5)
    """
    x0, xc, xr, y0, yc, yr = (float(value) for value in transform)
    area = xc * yr - xr * yc
    if not math.isfinite(area) or area == 0:
        raise ImageError("The transform from pixels to the map cannot be inverted; correct it.")
    a, b, c, d = (value + 0.0 for value in (yr / area, -xr / area, -yc / area, xc / area))
    return (-a * x0 - b * y0, a, b, -c * x0 - d * y0, c, d)
