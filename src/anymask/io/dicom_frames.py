"""What DICOM says about the frames of one file: functional groups, tables of values, positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.notices import tell

_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_LIFTED = (
    *("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType"),
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"),
)
_SCALES = ("RescaleSlope", "RescaleIntercept")
# Positions are written with few digits; slices that differ by less are evenly spaced.
_UNEVEN = 0.01


def lift_groups(data: Any, frames: int) -> None:
    """Copy what is said in functional groups to where files of one frame say it.

    Where frames differ, the window is that of the first frame; `apply_frame_scales` sees to slope
    and intercept; anything else is left out, with a notice.

    Parameters
    ----------
    data : pydicom.Dataset
        Changed in place.
    frames : int
    """
    if not any(name in data for name in _GROUPS):
        return
    for name in _LIFTED:
        values = [_value(data, name, frame) for frame in range(frames)]
        if all(value == values[0] for value in values) or name.startswith("Window"):
            if values[0] is not None:
                setattr(data, name, values[0])
        elif name not in _SCALES:
            tell(f"The frames differ in {name}, which is left out.")
            if name in data:
                delattr(data, name)


def apply_frame_scales(data: Any, array: NDArray[Any]) -> NDArray[Any]:
    """Convert stored to measured values where frames differ in slope or intercept.

    Parameters
    ----------
    data : pydicom.Dataset
        Afterwards without slope and intercept if they were applied.
    array : (frames, H, W) array

    Returns
    -------
    ndarray
        The array itself if one slope and intercept hold for all frames; otherwise floats, with NaN
        for padding.
    """
    if not any(name in data for name in _GROUPS) or array.ndim < 3:
        return array
    slopes = [_value(data, "RescaleSlope", frame) for frame in range(len(array))]
    intercepts = [_value(data, "RescaleIntercept", frame) for frame in range(len(array))]
    pairs = [
        (1.0 if slope is None else float(slope) or 1.0, float(intercept or 0))
        for slope, intercept in zip(slopes, intercepts, strict=True)
    ]
    if len(set(pairs)) == 1:
        return array
    wide = np.float32 if array.dtype.itemsize <= 2 else np.float64
    values = np.empty(array.shape, wide)
    padding = data.get("PixelPaddingValue")
    for frame, (slope, intercept) in enumerate(pairs):
        np.multiply(array[frame], slope, out=values[frame], dtype=wide, casting="unsafe")
        values[frame] += intercept
        if padding is not None:
            values[frame][array[frame] == int(padding)] = np.nan
    for name in _SCALES:
        if name in data:
            delattr(data, name)
    return values


def apply_table(data: Any, array: NDArray[Any], pydicom: Any) -> NDArray[Any]:
    """Convert stored to measured values by the file's table (Modality LUT), if it has one.

    Parameters
    ----------
    data : pydicom.Dataset
        Afterwards it describes the converted values.
    array : array of integers
    pydicom : module
    """
    if not data.get("ModalityLUTSequence") or array.dtype.kind == "f":
        return array
    padding = data.get("PixelPaddingValue")
    if padding is not None:
        stored = np.array([padding]).astype(array.dtype)
        data.PixelPaddingValue = int(pydicom.pixels.apply_modality_lut(stored, data)[0])
    measured: NDArray[Any] = pydicom.pixels.apply_modality_lut(array, data)
    bits = int(data.ModalityLUTSequence[0].LUTDescriptor[2])
    data.BitsStored, data.BitsAllocated = bits, measured.dtype.itemsize * 8
    data.PixelRepresentation = 0
    for name in _SCALES:  # a table stands instead of them
        if name in data:
            delattr(data, name)
    return measured


def step_of_frames(data: Any, frames: int) -> float | None:
    """Distance of the frames of a file, from their positions; None if unknown or uneven."""
    positions = [position_of(data, frame) for frame in range(frames)]
    return step_between([p for p in positions if p is not None]) if None not in positions else None


def position_of(data: Any, frame: int = 0) -> float | None:
    """Place of a frame along the normal of its plane, in mm; None if unknown."""
    place = _floats(_value(data, "ImagePositionPatient", frame))
    plane = _floats(_value(data, "ImageOrientationPatient", frame))
    if len(place) != 3 or len(plane) != 6:
        return None
    return float(np.dot(np.cross(plane[:3], plane[3:]), place))


def orientation_of(data: Any) -> tuple[float, ...]:
    """Directions of rows and columns, rounded so that equal ones compare equal."""
    return tuple(round(number, 3) for number in _floats(data.get("ImageOrientationPatient")))


def step_between(positions: Sequence[float]) -> float | None:
    """Distance of evenly spaced positions; None if there are fewer than two, or they are uneven.

    >>> step_between([0.0, 2.5, 5.0]), step_between([0.0, 2.5, 7.5])
    (2.5, None)
    """
    steps = np.abs(np.diff(positions))
    if not steps.size or steps.max() - steps.min() > _UNEVEN * steps.mean() or not steps.min():
        return None
    return float(steps.mean().round(6))


def _value(data: Any, name: str, frame: int) -> Any:
    """A value for one frame: its own, else that of all frames, else that of the file."""
    for item in _items(data, frame):
        for element in item:
            if element.VR == "SQ" and len(element.value) and name in element.value[0]:
                return element.value[0].get(name)
    return data.get(name)


def _items(data: Any, frame: int) -> Iterator[Any]:
    own: Any = data.get(_GROUPS[0]) or ()
    shared: Any = data.get(_GROUPS[1]) or ()
    if frame < len(own):
        yield own[frame]
    if len(shared):
        yield shared[0]


def _floats(value: Any) -> list[float]:
    try:
        return [float(number) for number in value or ()]
    except (TypeError, ValueError):
        return []
