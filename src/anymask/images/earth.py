"""Areas on the ground of pixels whose sides are in degrees, or in the metres of a Mercator map."""

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


# Maps of the world whose metres grow towards the poles: twice as long at 60°. Those of the sphere,
# as web maps use them, and that of the ellipsoid.
_WEB_MERCATOR = {"EPSG:3857", "EPSG:900913", "EPSG:3785", "EPSG:102100", "ESRI:102100"}
_MERCATOR = {"EPSG:3395", "ESRI:54004"}
_STEPS = 8  # of an iteration that gains three digits a step


def row_areas(
    geo: Mapping[str, Any] | None, height: int, unit: str | None = "degree"
) -> NDArray[np.float64] | None:
    """Area of one pixel of each row in m², where the sides of pixels do not tell it.

    So it is in degrees of longitude and latitude, and in Mercator's projection. A pixel lies
    between two meridians and two parallels, whose area on the ellipsoid has a closed form.

    Parameters
    ----------
    geo
        As in ``Image.geo``.
    height
        Number of rows.
    unit
        Of the coordinates.

    Returns
    -------
    numpy.ndarray or None
        ``float64`` (height,); None if the sides of pixels tell their area, there is no transform,
        the grid is turned, or it reaches beyond a pole.

    Examples
    --------
    >>> areas = row_areas({"transform": (7.0, 0.001, 0.0, 47.0, 0.0, -0.001)}, 2)
    >>> areas.round(1).tolist()
    [8455.3, 8455.4]
    >>> on_the_web = {"transform": (0.0, 1.0, 0.0, 8_399_738.0, 0.0, -1.0), "crs": "EPSG:3857"}
    >>> row_areas(on_the_web, 1, "m").round(3).tolist()
    [0.251]
    """
    crs = str((geo or {}).get("crs") or "").upper()
    if unit == "degree":
        return _of_degrees(geo, height)
    if geo is None or crs not in _WEB_MERCATOR | _MERCATOR:
        return None
    transform = geo.get("transform")
    if transform is None or transform[2] or transform[4] or not transform[5]:
        return None
    edges = float(transform[3]) + float(transform[5]) * np.arange(height + 1, dtype=np.float64)
    latitude = _latitude(edges, 0.0 if crs in _WEB_MERCATOR else _E)
    strips = np.abs(np.diff(_from_equator(latitude)))
    areas: NDArray[np.float64] = strips * (abs(float(transform[1])) / _A)
    return areas


def _latitude(northing: NDArray[np.float64], eccentricity: float) -> NDArray[np.float64]:
    """Latitude of a northing of Mercator's projection.

    John P. Snyder, "Map projections: a working manual" (1987), equations 7-9 and 7-4.
    """
    small = np.exp(-northing / _A)
    latitude = math.pi / 2 - 2 * np.arctan(small)
    for _ in range(_STEPS if eccentricity else 0):
        sine = eccentricity * np.sin(latitude)
        latitude = math.pi / 2 - 2 * np.arctan(
            small * ((1 - sine) / (1 + sine)) ** (eccentricity / 2)
        )
    return latitude


def _of_degrees(geo: Mapping[str, Any] | None, height: int) -> NDArray[np.float64] | None:
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
