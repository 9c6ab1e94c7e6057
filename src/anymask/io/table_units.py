"""Convert the lengths and areas of tables to another unit."""

from __future__ import annotations

from anymask.images.units import length_ratio
from anymask.masks.measure import Measurements

_NO_LENGTH = ("", "pixels", "rad")


def length_unit(unit: str) -> str | None:
    """Return the unit of length in the unit of a column; None if it has none.

    >>> length_unit("mm²"), length_unit("mm"), length_unit("pixels")
    ('mm', 'mm', None)
    """
    return None if unit in _NO_LENGTH else unit.removesuffix("²")


def conversion(unit: str, length: str) -> tuple[float, str]:
    """Return the factor from the unit of a column to the same in another length, and that unit.

    A unit that cannot be converted stays as it is.

    >>> conversion("µm²", "mm"), conversion("rad", "mm")
    ((1e-06, 'mm²'), (1.0, 'rad'))
    """
    own = length_unit(unit)
    ratio = None if own is None else length_ratio(own, length)
    if ratio is None:
        return 1.0, unit
    return (ratio**2, f"{length}²") if unit.endswith("²") else (ratio, length)


def in_unit(table: Measurements, length: str) -> Measurements:
    """Return measurements with lengths and areas in another unit of length.

    Columns in pixels stay so.

    Examples
    --------
    >>> import numpy as np
    >>> in_unit(Measurements({"area": np.array([5e6])}, {"area": "µm²"}), "mm")
    {'area': array([5.])}
    """
    columns, units = {}, {}
    for name, column in table.items():
        factor, unit = conversion(table.units.get(name, ""), length)
        columns[name] = column if factor == 1 else column * factor
        if name in table.units:
            units[name] = unit
    return Measurements(columns, units, table.notes)
