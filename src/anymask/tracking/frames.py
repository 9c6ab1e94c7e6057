"""Frames to follow objects in: of a folder, a video, a series, a stack or an array.

A source is read a frame at a time, when it is needed, so that memory does not hold the whole of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.images.image import Image
from anymask.images.lazy import take
from anymask.images.normalize import to_rgb
from anymask.io.listing import is_image_folder, list_images
from anymask.io.read_images import read, read_rgb
from anymask.tracking.errors import TrackingError

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
"""Files that are read as videos."""

# Frames from which the contrast of all is taken, and every how many values of them.
_SAMPLED_FRAMES, _SAMPLED_STEP = 8, 4
_PERCENTILES = (0.5, 99.5)


class Frames(Protocol):
    """A source of frames of one size."""

    def __len__(self) -> int:
        """How many frames there are."""
        ...

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """The frame with an index from 0, H×W×3 RGB."""
        ...


def open_frames(source: Any, *, t: int | None = None, z: int | None = None) -> Frames:
    """Open a source of frames.

    Parameters
    ----------
    source
        One of

        - a folder of images, in the order of their names (numbers by value, so that 10 follows 9);
        - a video file, which needs the extra ``video``;
        - an image file with time points or planes, such as a TIFF stack or an OME-Zarr: the frames
          are its time points, or its planes if it has one time point or `t` is given;
        - an :class:`anymask.Image` with such axes;
        - an array T×H×W or T×H×W×3, or a list of arrays or paths;
        - anything with a length whose items are ``uint8`` arrays H×W×3.
    t, z
        Of an image with time points and planes, the time point whose planes are the frames, or the
        plane that is followed through time.

    Returns
    -------
    Frames
        8-bit images keep their values. Others are stretched with limits common to all frames, so
        that brightness does not flicker; images of several channels each by themselves.

    Raises
    ------
    TrackingError
        If it is no such source, or has no frames.
    ImageError
        If a file cannot be read.

    Examples
    --------
    >>> frames = open_frames(np.zeros((12, 60, 80), np.uint8))
    >>> len(frames), frames[3].shape
    (12, (60, 80, 3))
    """
    frames = _opened(source, t, z)
    if not len(frames):
        raise TrackingError(f"{_called(source)} has no frames; give one that has some.")
    return frames


def _opened(source: Any, t: int | None, z: int | None) -> Frames:
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        is_video = path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
        is_folder = path.is_dir() and not is_image_folder(path)
        if (is_video or is_folder) and not (t is None and z is None):
            raise TrackingError(
                f"{path} is a {'video' if is_video else 'folder'}, and t and z choose from a file "
                "with time points and planes; leave them out."
            )
        if is_video:
            from anymask.tracking.video import VideoFrames

            return VideoFrames(path)
        if is_folder:
            return _Files(sorted(list_images(path), key=_natural))
        return _Planes.of(read(path), t, z)
    if isinstance(source, Image):
        return _Planes.of(source, t, z)
    if isinstance(source, np.ndarray):
        if source.ndim not in (3, 4) or (source.ndim == 4 and source.shape[3] not in (3, 4)):
            shape = "×".join(map(str, source.shape))
            raise TrackingError(f"The array has the shape {shape}; give T×H×W or T×H×W×3.")
        return _Planes.of(Image(source, "TYX" if source.ndim == 3 else "TYXS"), t, z)
    if isinstance(source, Sequence):
        if all(isinstance(item, (str, os.PathLike)) for item in source):
            return _Files([Path(item) for item in source])
        return _Arrays(source)
    if hasattr(source, "__len__") and hasattr(source, "__getitem__"):
        return source
    raise TrackingError(
        f"Frames cannot be read from a {type(source).__name__}; give a folder, a video, a stack, "
        "an array or a list of images."
    )


class _Files:
    """Image files, each of them a frame."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.limits = _limits_of(read(paths[i]) for i in _sampled(len(paths)))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        if self.limits is None:
            return read_rgb(self.paths[index])
        low, high = self.limits
        return to_rgb(read(self.paths[index]), low=low, high=high)


class _Arrays:
    """Arrays, each of them a frame."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = arrays
        flat = (np.asarray(arrays[i]) for i in _sampled(len(arrays)))
        self.limits = _limits_of(Image(each, "YX") for each in flat if each.ndim == 2)

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        frame = np.asarray(self.arrays[index])
        low, high = self.limits if self.limits and frame.ndim == 2 else (None, None)
        return to_rgb(frame, low=low, high=high)


class _Planes:
    """Time points or planes of an image."""

    def __init__(self, image: Image, axis: str, fixed: dict[str, int]) -> None:
        self.image, self.axis, self.fixed = image, axis, fixed
        self.limits = _limits(image, axis)

    @classmethod
    def of(cls, image: Image, t: int | None, z: int | None) -> _Planes:
        lengths = {a: image.shape[image.axes.index(a)] for a in "TZ" if a in image.axes}
        longer = [axis for axis, length in lengths.items() if length > 1]
        chosen = {axis: at for axis, at in (("T", t), ("Z", z)) if at is not None}
        for axis, at in chosen.items():
            if not 0 <= at < lengths.get(axis, 0):
                what = {"T": "time point", "Z": "plane"}[axis]
                raise TrackingError(
                    f"{_called(image)} has no {what} {at}; it has {lengths.get(axis, 0)}, counted "
                    "from 0."
                )
        free = [axis for axis in longer if axis not in chosen] or [*lengths][:1]
        if len(free) != 1:
            raise TrackingError(
                f"{_called(image)} has {lengths['T']} time points of {lengths['Z']} planes; choose "
                "the plane to follow through time (z=) or the time point whose planes to go "
                "through (t=)."
                if free
                else f"{_called(image)} is a single image; give a folder, a video or a stack."
            )
        rest = {axis.lower(): chosen.get(axis, 0) for axis in lengths if axis != free[0]}
        return cls(image, free[0], rest)

    def __len__(self) -> int:
        return self.image.shape[self.image.axes.index(self.axis)]

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        at: dict[str, Any] = {self.axis.lower(): index, **self.fixed}
        low, high = self.limits or (None, None)
        return to_rgb(self.image, **at, low=low, high=high)


def _limits(image: Image, axis: str) -> tuple[float, float] | None:
    """Limits of the contrast of all frames; None where each value is shown as it is."""
    place = image.axes.index(axis)

    def frame(index: int) -> Image:
        at: list[Any] = [slice(None)] * image.ndim
        at[place] = slice(index, index + 1)
        values = image.without_nodata(np.asarray(take(image.array, tuple(at))))
        return Image(values, image.axes)

    if _is_shown_by_itself(image):
        return None
    return _limits_of(frame(i) for i in _sampled(image.shape[place]))


def _sampled(count: int) -> list[int]:
    """Indices of the frames from which the contrast of all is taken."""
    return [
        *map(int, np.unique(np.linspace(0, count - 1, min(count, _SAMPLED_FRAMES))).astype(int))
    ]


def _is_shown_by_itself(image: Image) -> bool:
    return image.dtype in (np.uint8, np.bool_) or "C" in image.axes


def _limits_of(images: Iterable[Image]) -> tuple[float, float] | None:
    """Limits of contrast common to images; None if any is 8-bit or has channels of its own."""
    values = []
    for image in images:
        if _is_shown_by_itself(image):
            return None
        known = image.without_nodata(np.asarray(image.array))
        values.append(known.ravel()[::_SAMPLED_STEP])
    known = np.concatenate(values) if values else np.zeros(0)
    known = known[np.isfinite(known)]
    if not known.size:
        return None
    low, high = np.percentile(known, _PERCENTILES)
    if low == high:
        low, high = known.min(), known.max()
    return (float(low), float(high)) if low < high else None


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """A key that sorts numbers in names by their value."""
    parts, digits = [], ""
    for char in path.name + "\0":
        if char.isdecimal():
            digits += char
            continue
        if digits:
            parts.append((0, int(digits), digits))
            digits = ""
        parts.append((1, 0, char))
    return parts


def _called(source: Any) -> str:
    if isinstance(source, Image):
        return str(source.path or source.name or "The image")
    return str(source) if isinstance(source, (str, os.PathLike)) else "The source"


def frame_of(frames: Frames, index: int) -> NDArray[np.uint8]:
    """Read a frame and check it.

    Raises
    ------
    TrackingError
        If it is no ``uint8`` image H×W×3, or cannot be read.
    """
    try:
        frame = np.asarray(frames[index])
    except AnymaskError:
        raise
    except Exception as error:  # whatever a user's own source raises
        raise TrackingError(f"Frame {index} cannot be read: {error}.") from error
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        shape = "×".join(map(str, frame.shape))
        raise TrackingError(
            f"Frame {index} is {frame.dtype} of shape {shape}; frames are uint8 of shape H×W×3."
        )
    return frame
