"""Areas on the ground of pixels whose sides are in degrees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The ellipsoid of WGS 84; those of other reference systems give areas within 0.03 % of these.
_A, _FLATTENING = 6_378_137.0, 1 / 298.257223563
_B = _A * (1 - _FLATTENING)
_E = math.sqrt(_FLATTENING * (2 - _FLATTENING))


def row_areas(geo: Mapping[str, Any] | None, height: int) -> NDArray[np.float64] | None:
    """Area of one pixel of each row in m², for longitude and latitude in degrees.

    A pixel lies between two meridians and two parallels, whose area on the ellipsoid has a closed
    form.

    Parameters
    ----------
    geo
        As in ``Image.geo``, with ``transform`` in degrees.
    height
        Number of rows.

    Returns
    -------
    numpy.ndarray or None
        ``float64`` (height,); None if there is no transform, the grid is turned, or it reaches
        beyond a pole.

    Examples
    --------
    >>> areas = row_areas({"transform": (7.0, 0.001, 0.0, 47.0, 0.0, -0.001)}, 2)
    >>> areas.round(1).tolist()
    [8455.3, 8455.4]
    """
    transform = (geo or {}).get("transform")
    if transform is None:
        return None
    _, wide, x_by_row, top, y_by_column, high = (float(number) for number in transform)
    edges = top + high * np.arange(height + 1)
    if x_by_row or y_by_column or not high or np.abs(edges).max() > 90 + 1e-9:
        return None
    strips = np.abs(np.diff(_from_equator(np.radians(np.clip(edges, -90, 90)))))
    areas: NDArray[np.float64] = strips * math.radians(abs(wide))
    return areas


def _from_equator(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area between the equator and a latitude, for one radian of longitude."""
    sine = np.sin(latitude)
    return _B**2 / 2 * (sine / (1 - (_E * sine) ** 2) + np.arctanh(_E * sine) / _E)
