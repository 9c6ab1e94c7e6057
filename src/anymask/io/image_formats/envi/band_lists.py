"""The lists of a header that have one entry a band: names, wavelengths, marks of bad bands.

They are written by hand or by many programs. None of them is needed to read the cube, so one that
cannot be understood is left out with a notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.images.units import wavelengths_in_nm
from anymask.notices import tell

# A comma that is not within parentheses, as in "Blue (0,45 um), Green (0,55 um)".
_COMMA = re.compile(r",(?![^(]*\))")


def bands_of(header: Mapping[str, Any], bands: int, path: Path) -> dict[str, Any]:
    """Names, wavelengths and bad bands, as attributes of an `Image`."""
    known: dict[str, Any] = {}
    names = _names(header.get("band names"), bands, path)
    if names is not None:
        known["channel_names"] = names
    key = "wavelength" if header.get("wavelength") else "wavelengths"
    waves = _numbers(header.get(key), key, bands, path)
    if waves is not None:
        unit = header.get("wavelength units")
        known["wavelengths"] = wavelengths_in_nm(waves, None if unit is None else str(unit))
    bad = _numbers(header.get("bbl"), "bbl", bands, path)
    if bad is not None:
        known["bad_bands"] = bad == 0
    return known


def numbers_in(value: Any) -> list[float]:
    """The numbers of a list however it is written; empty if it is not a list of numbers."""
    return next(_readings(value), [])


def _names(value: Any, bands: int, path: Path) -> tuple[str, ...] | None:
    if not value:
        return None
    items = _items(value)
    if len(items) != bands:
        items = [item.strip() for item in _COMMA.split(",".join(items))]
    if len(items) == bands:
        return tuple(items)
    _leave_out("band names", len(_items(value)), bands, path)
    return None


def _numbers(value: Any, name: str, bands: int, path: Path) -> NDArray[np.float64] | None:
    if not value:
        return None
    for numbers in _readings(value):
        if len(numbers) == bands:
            return np.array(numbers)
    _leave_out(name, len(_items(value)), bands, path)
    return None


def _readings(value: Any) -> Iterator[list[float]]:
    """The numbers of a list, separated by commas, by semicolons or by spaces."""
    items = _items(value)
    text = ",".join(items)
    ways = [items, re.split(r"[\s,]+", text)]
    if ";" in text:  # then a comma is a decimal point
        ways.append([item.replace(",", ".") for item in text.split(";")])
    for way in ways:
        try:
            yield [float(item) for item in way if item.strip()]
        except ValueError:
            continue


def _items(value: Any) -> list[str]:
    """The entries as the parser found them, without brackets and an empty last one."""
    if not isinstance(value, Sequence):
        return []
    items = [value.strip().strip("[]")] if isinstance(value, str) else [str(v) for v in value]
    return items[:-1] if items and not items[-1] else items


def _leave_out(name: str, entries: int, bands: int, path: Path) -> None:
    count = "1 entry" if entries == 1 else f"{entries} entries"
    wrong = "something else than numbers" if entries == bands else f"{count} for {bands} bands"
    tell(f"{path} has {wrong} in {name!r}, so this list is left out; correct it.")
