"""Shared by image formats: naming axes, and choosing one array of several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from anymask.errors import ImageError
from anymask.images.image import AXES, take
from anymask.images.nodata import Nodata, joined, parse_nodata

# At most this many names in a message; nobody reads more.
_MOST_NAMES = 12

# Attributes that name a missing value, without capitals, "_" and " ".
_NODATA = ("fillvalue", "missingvalue", "nodata", "nodatavalue", "dataignorevalue", "ignorevalue")

_LETTERS = {
    "T": ("t", "time", "frame", "frames"),
    "Z": ("z", "depth", "slice", "slices"),
    "C": ("c", "channel", "channels", "band", "bands", "wavelength", "wavelengths"),
    "Y": ("y", "row", "rows", "line", "lines", "height"),
    "X": ("x", "column", "columns", "col", "cols", "sample", "samples", "width"),
    "S": ("s", "rgb", "rgba"),
}


def name_of(path: Path) -> str:
    """The name of the image in a file.

    >>> name_of(Path("scans/leaf.v2.ome.tif"))
    'leaf.v2'
    """
    return path.stem[:-4] if path.stem.lower().endswith(".ome") else path.stem


def nodata_in(attributes: Mapping[str, Any], dtype: DTypeLike) -> Nodata:
    """What the attributes of an array say is "no data", as NetCDF's ``_FillValue`` does.

    Parameters
    ----------
    attributes
        As Python values; several missing values may be a list.
    dtype
        Type of the values. Those outside the ``valid_range`` of NetCDF, or below ``valid_min`` or
        above ``valid_max``, are missing too.

    Examples
    --------
    >>> nodata_in({"_FillValue": -9999, "units": "K"}, np.int16)
    -9999
    >>> nodata_in({"missing_value": [0, 255], "valid_max": 250}, np.uint8)
    (0, 255, (251, inf))
    """
    found: list[float | tuple[float, float] | None] = []
    limits: dict[str, Any] = {}
    for name, value in attributes.items():
        plain = str(name).lower().replace("_", "").replace(" ", "")
        several = value if isinstance(value, list | tuple) else [value]
        numbers = [None if isinstance(v, bool) else parse_nodata(v) for v in several]
        if plain in _NODATA:
            found += numbers
        elif plain == "validrange" and len(numbers) == 2:
            limits |= {"validmin": numbers[0], "validmax": numbers[1]}
        elif plain in ("validmin", "validmax") and len(numbers) == 1:
            limits[plain] = numbers[0]
    least, most = limits.get("validmin"), limits.get("validmax")
    if least is not None and np.isfinite(least):
        found.append((-np.inf, _beside(least, -1, dtype)))
    if most is not None and np.isfinite(most):
        found.append((_beside(most, 1, dtype), np.inf))
    return joined(found)


def _beside(value: float, step: int, dtype: DTypeLike) -> float:
    """The next value of a dtype below or above a value."""
    if np.dtype(dtype).kind != "f":
        return value + step
    own: Any = np.dtype(dtype).type
    return float(np.nextafter(own(value), own(step * np.inf)))


def check_numbers(dtype: DTypeLike, path: Path) -> None:
    """Refuse values that are neither booleans nor numbers."""
    if np.dtype(dtype).kind not in "buifc":
        raise ImageError(
            f"{path} has values of type {np.dtype(dtype)}, not numbers; save the image as an array "
            "of numbers."
        )


def axes_for(
    shape: Sequence[int],
    dtype: DTypeLike,
    axes: str | None,
    path: Path,
    channels: int | None = None,
) -> str:
    """Name the axes of an array that has no axis names.

    Parameters
    ----------
    shape, dtype
        Of the array.
    axes
        The axes given by the user; None to guess. Two axes are rows and columns. Of three axes, a
        last one of length 3 or 4 is colour; otherwise the shorter of the first and last axis holds
        the channels.
    channels
        Number of channels, if known.

    Returns
    -------
    str
        One letter per axis.

    Raises
    ------
    ImageError
        If the given axes do not fit, or there are too few or too many to guess.

    Examples
    --------
    >>> [axes_for(s, "u2", None, Path("a")) for s in ((9, 8), (9, 8, 3), (9, 8, 5), (2, 9, 8))]
    ['YX', 'YXS', 'YXC', 'CYX']
    """
    described = "×".join(map(str, shape)) or "one number"
    if axes is not None:
        axes = axes.upper()
        if len(axes) != len(shape) or len(set(axes)) < len(axes) or not set(axes) <= set(AXES):
            raise ImageError(
                f"axes={axes!r} does not fit the array of shape {described} in {path}; give one "
                f"letter per axis from {AXES}, each at most once."
            )
        return axes
    if len(shape) == 2:
        return "YX"
    if len(shape) == 3:
        if channels in (shape[0], shape[2]) and shape[0] != shape[2]:
            return "YXC" if channels == shape[2] else "CYX"
        if shape[2] in (3, 4) and np.dtype(dtype).kind != "c":
            return "YXS"
        return "YXC" if shape[2] <= shape[0] else "CYX"
    if len(shape) < 2:
        raise ImageError(f"{path} has an array of shape {described}, which is not an image.")
    hint = AXES[5 - len(shape) : 5] if len(shape) <= 5 else AXES
    raise ImageError(
        f"{path} has an array of shape {described}; name its axes, as in "
        f'axes="{hint}" (T time, Z depth, C channel, Y row, X column, '
        "S colour)."
    )


def axes_called(names: Iterable[Any], ndim: int) -> str | None:
    """The letters of the axes named in a file; None unless all names are known.

    >>> axes_called(["Band", "row", "column"], 3)
    'CYX'
    """
    known = {name: letter for letter, names in _LETTERS.items() for name in names}
    letters = "".join(known.get(str(name).strip().lower(), "?") for name in names)
    complete = len(letters) == ndim == len(set(letters)) and "?" not in letters
    return letters if complete and {"Y", "X"} <= set(letters) else None


def pick_dataset(
    path: Path,
    arrays: Mapping[str, Sequence[int] | None],
    dataset: str | None,
    candidates: Sequence[str] | None = None,
) -> str:
    """Choose the array of a file to read.

    Parameters
    ----------
    arrays
        Names and shapes of all arrays that can be chosen.
    dataset
        The requested name, if any.
    candidates
        Names of the arrays that look like images; all of them if None.

    Raises
    ------
    ImageError
        If there is no such array, no array at all, or several and none was chosen.
    """
    if dataset is not None:
        for name in (dataset, dataset.strip("/")):
            if name in arrays:
                return name
        raise ImageError(f"{path} has no array {dataset!r}; it has {listed(arrays)}.")
    names = list(arrays) if candidates is None else list(candidates)
    if len(names) == 1:
        return names[0]
    if not names:
        found = f"; it has {listed(arrays)}" if arrays else ""
        raise ImageError(f"{path} has no array of numbers with rows and columns{found}.")
    choices = {name: arrays[name] for name in names}
    raise ImageError(
        f"{path} has {len(names)} arrays; choose one with dataset=: {listed(choices)}."
    )


def listed(arrays: Mapping[str, Sequence[int] | None]) -> str:
    """Names with their shapes, if known, for a message."""
    parts = []
    for name, shape in arrays.items():
        known = f" ({'×'.join(map(str, shape)) or 'one value'})" if shape is not None else ""
        parts.append(f"{name}{known}")
    more = f" and {len(parts) - _MOST_NAMES} more" if len(parts) > _MOST_NAMES else ""
    return ", ".join(parts[:_MOST_NAMES]) + more


def upright(array: Any, orientation: int) -> Any:
    """Undo one of the eight TIFF and EXIF orientations of an array (H, W, …)."""
    if orientation in (5, 6, 7, 8):  # rows and columns are swapped
        array = array.transpose([1, 0, *range(2, array.ndim)])
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else None)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else None)
    return take(array, (rows, columns))


def whole_number(value: Any, what: str, length: int, path: Path) -> int:
    """Check that a user's index is a whole number within the length."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ImageError(f"{what}={value!r} for {path} is not a whole number; count from 0.")
    if not -length <= value < length:
        there = f"{what}=0 to {what}={length - 1}" if length > 1 else f"only {what}=0"
        raise ImageError(f"{path} has no {what}={value}; there is {there}.")
    return int(value) % length
