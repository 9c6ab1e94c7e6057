"""Video files: frames by index, and films of results. Needs PyAV, the extra ``video``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anymask.errors import OutputError
from anymask.files import whole_file
from anymask.tracking.errors import TrackingError

# Decoded frames in memory: going backward, a video must be decoded from the last key frame on.
_MOST_BYTES = 128 * 2**20
# H.264 plays everywhere; MPEG-4 is there where a build of FFmpeg lacks it.
_CODECS = ("libx264", "mpeg4")


def import_av() -> Any:
    """Return PyAV.

    Raises
    ------
    TrackingError
        If it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise TrackingError(
            "Video files need PyAV, which is not installed; install it with "
            "pip install 'anymask[video]', or give the frames as a folder of images."
        ) from error
    return av


class VideoFrames:
    """The frames of a video file, upright.

    Parameters
    ----------
    path

    Attributes
    ----------
    rate : Fraction
        Frames per second.
    default_rate : Fraction
        That of a file that states none.

    Raises
    ------
    TrackingError
        If PyAV is missing, or the file is no video or damaged.
    """

    default_rate: ClassVar[Fraction] = Fraction(25)

    def __init__(self, path: Path) -> None:
        av = import_av()
        self.path = path
        self._errors = (av.FFmpegError, ValueError, IndexError)
        try:
            self._container = av.open(str(path))
            self._stream = self._container.streams.video[0]
            self._stream.thread_type = "AUTO"
            packets = self._container.demux(self._stream)
            self._times = sorted(p.pts for p in packets if p.pts is not None)
        except self._errors as error:
            raise TrackingError(
                f"{path} cannot be read as a video ({_first_line(error)}); give another file, or a "
                "folder with its frames."
            ) from error
        self._index = {time: index for index, time in enumerate(self._times)}
        self.rate = Fraction(self._stream.average_rate or self.default_rate)
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._decoding: Iterator[Any] | None = None
        self._next = 0

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        if index not in self._kept:
            try:
                self._decode_until(index)
            except self._errors as error:
                raise self._damaged(index, _first_line(error)) from error
        return self._kept[index]

    def _decode_until(self, index: int) -> None:
        if self._decoding is None or not self._next <= index < self._next + 2:
            self._container.seek(self._times[index], stream=self._stream)
            self._decoding = self._container.decode(self._stream)
        for frame in self._decoding:
            at = self._index.get(frame.pts)
            if at is None:
                continue
            self._next = at + 1
            self._keep(at, _upright(frame))
            if at >= index:
                break
        if index not in self._kept:
            raise self._damaged(index, "the video ends before it")

    def _keep(self, index: int, frame: NDArray[np.uint8]) -> None:
        self._kept[index] = frame
        while len(self._kept) > max(1, _MOST_BYTES // frame.nbytes):
            self._kept.popitem(last=False)

    def _damaged(self, index: int, reason: str) -> TrackingError:
        self._decoding = None
        return TrackingError(f"Frame {index} of {self.path} cannot be decoded: {reason}.")


def _upright(frame: Any) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    quarters = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels


@contextmanager
def film(path: Path, rate: Fraction) -> Iterator[Any]:
    """Write an MP4 file, whole or not at all; yields a function that adds a frame H×W×3.

    Raises
    ------
    TrackingError
        If PyAV is missing.
    OutputError
        If the file cannot be written.
    """
    av = import_av()
    with whole_file(path) as temporary:
        try:
            with av.open(str(temporary), "w", format="mp4") as container:
                writer = _Film(av, container, rate)
                yield writer.add
                writer.close()
        except av.FFmpegError as error:
            raise OutputError(f"{path} cannot be written ({_first_line(error)}).") from error


class _Film:
    def __init__(self, av: Any, container: Any, rate: Fraction) -> None:
        self._av, self._container, self._rate = av, container, rate
        self._stream: Any = None

    def add(self, frame: NDArray[np.uint8]) -> None:
        # The usual pixel format halves colours in both directions, so sides must be even.
        height, width = frame.shape[:2]
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._open(frame.shape[1], frame.shape[0])
        image = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        self._container.mux(self._stream.encode(image))

    def _open(self, width: int, height: int) -> Any:
        codec = next(name for name in _CODECS if name in self._av.codecs_available)
        stream = self._container.add_stream(codec, rate=self._rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        return stream

    def close(self) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode())


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")
