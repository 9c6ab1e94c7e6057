"""The slices of a DICOM series, in a folder, as one volume in the order of their positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.images.memory import check_fits
from anymask.io.dicom_frames import orientation_of, position_of, step_between
from anymask.notices import tell

_INDEX = "DICOMDIR"  # lists the files of a disc
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class _Slice:
    path: Path
    series: str
    number: int
    position: float | None
    orientation: tuple[float, ...]
    shape: tuple[int, int]


def read_series(
    folder: Path, slices: Sequence[Path], read: Callable[[Path], Image], series: int | None
) -> Image:
    """Read the slices of one series as a volume, ZYX.

    Slices are put in the order of their positions along the normal of their plane, or of their
    numbers if they have no positions.

    Parameters
    ----------
    folder : Path
    slices : sequence of Path
        The DICOM files in the folder.
    read : callable
        Reads one file.
    series : int, optional
        Which series, if the folder has several.

    Raises
    ------
    ImageError
        If there are several series and none is chosen, or its slices do not form a volume.

    Warns
    -----
    ReadingNotice
        If the slices have no positions or are not evenly spaced; the distance is then unknown.
    """
    chosen = _chosen(folder, [found for path in slices if (found := _look_at(path))], series)
    first = chosen[0]
    for name in ("shape", "orientation"):
        if len({getattr(one, name) for one in chosen}) > 1:
            raise ImageError(
                f"{folder} has slices of different {name} in one series; read its files one by one."
            )
    positions = [one.position for one in chosen]
    if None in positions:
        tell(f"{folder}: slices have no positions, so they are in the order of their numbers.")
        chosen.sort(key=lambda one: (one.number, one.path.name))
    else:
        chosen.sort(key=lambda one: (one.position or 0.0, one.number))
        again = [place for place, times in Counter(positions).items() if times > 1]
        if again:
            raise ImageError(
                f"{folder} has several slices at the position {again[0]:g} mm, such as a series in "
                "time; read its files one by one."
            )
    advice = "read its slices one by one"
    check_fits((len(chosen), *first.shape), 4, str(folder), advice)
    images = [read(one.path) for one in chosen]
    if any(image.axes != "YX" for image in images):
        raise ImageError(f"{folder} has files with colours or frames; read them one by one.")
    step = None if None in positions else step_between([one.position or 0.0 for one in chosen])
    if step is None and None not in positions and len(chosen) > 1:
        gaps = np.diff([one.position or 0.0 for one in chosen])
        tell(
            f"{folder}: slices are {gaps.min():g} to {gaps.max():g} mm apart, so one may be "
            "missing; the distance of planes is left out."
        )
    return replace(
        images[0],
        array=np.stack([np.asarray(image.array) for image in images]),
        axes="ZYX",
        z_step=step,
        path=folder,
        name=folder.name,
        metadata={**images[0].metadata, "slices": [one.path.name for one in chosen]},
    )


def is_index(path: Path) -> bool:
    """Whether a DICOM file only lists others, as on a CD."""
    return path.name.upper() == _INDEX


def _chosen(folder: Path, slices: Sequence[_Slice], series: int | None) -> list[_Slice]:
    by_series: dict[str, list[_Slice]] = {}
    for one in sorted(slices, key=lambda one: one.path.name):
        by_series.setdefault(one.series, []).append(one)
    several = list(by_series.values())
    if not several:
        raise ImageError(f"{folder} has DICOM files but no image; check the folder.")
    if series is None and len(several) > 1:
        listed = ", ".join(
            f"series={i}: {len(part)} images from {part[0].path.name}"
            for i, part in enumerate(several[:5])
        )
        raise ImageError(f"{folder} has {len(several)} series; choose one ({listed}).")
    if not -len(several) <= (series or 0) < len(several):
        raise ImageError(f"{folder} has {len(several)} series; there is no series={series}.")
    return several[series or 0]


def _look_at(path: Path) -> _Slice | None:
    """What a file says about its place in a series; None if it has no pixels."""
    import pydicom

    names = ("SeriesInstanceUID", "InstanceNumber", "ImagePositionPatient", "Rows", "Columns")
    data: Any = pydicom.dcmread(
        str(path), specific_tags=[*names, "ImageOrientationPatient", *_PIXELS], defer_size=1024
    )
    if not any(name in data for name in _PIXELS):
        return None
    return _Slice(
        path,
        str(data.get("SeriesInstanceUID", "")),
        int(data.get("InstanceNumber") or 0),
        position_of(data),
        orientation_of(data),
        (int(data.Rows), int(data.Columns)),
    )
