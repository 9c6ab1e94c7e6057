"""An image as its file stores it: unchanged values, named axes, and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from anymask.errors import ImageError
from anymask.images.axes import AXES, check_axes, check_lists, check_valid
from anymask.images.channel_labels import channel_index, is_coloured, short_names
from anymask.images.chunks import unpacked_together
from anymask.images.earth import row_areas
from anymask.images.lazy import Box, take
from anymask.images.memory import check_fits, is_mapped
from anymask.images.nodata import Nodata, holes, without_nodata
from anymask.images.place import Transform, shifted
from anymask.images.projection import Choice, choose
from anymask.images.validity import gaps

__all__ = ["AXES", "Choice", "Image", "Transform", "take"]


@dataclass(frozen=True, eq=False, repr=False)
class Image:
    """An array with named axes and the metadata of its file.

    Attributes
    ----------
    array
        NumPy array, memory-mapped array, or lazy array (with ``shape``, ``dtype`` and indexing),
        with the file's own values and dtype.
    axes
        One letter per axis of ``array``, from "TZCYXS": time, depth, channel, row, column,
        colour sample. "YX" is a grayscale image, "YXS" a photograph, "CYX" fluorescence, "YXC" a
        spectral cube.
    channel_names
        A name for each channel.
    wavelengths
        ``float64`` (C,): centre of each channel in nanometres.
    bad_bands
        ``bool`` (C,): channels that the file marks as unusable.
    pixel_size
        Height and width of a pixel (y, x) in ``unit``.
    z_step
        Distance between two planes of a stack in ``unit``.
    unit
        "µm", "mm", "m", "degree", …
    geo
        Geo-reference as in the file. In addition, where known, ``transform``: six
        numbers in GDAL's order (x of the upper left corner, x by column, x by row, y of the
        corner, y by column, y by row), and ``crs``: "EPSG:32632" or WKT.
    path
        The file.
    name
        Name of the image: the file's name without its suffix.
    metadata
        Other metadata. Always ``format``; if the file has them, ``nodata`` (what means "no data":
        a value, or a tuple of values and (lowest, highest) ranges), ``window`` ((level, width) for
        display) and ``dpi``.
    valid
        ``bool`` (Y, X), may be lazy: which pixels hold data, as a mask or the alpha channel of the
        file says; None if all do.

    Examples
    --------
    >>> cube = Image(np.zeros((40, 30, 5), np.uint16), "YXC", name="leaf")
    >>> cube
    <Image leaf: YXC 40×30×5 uint16>
    >>> cube.region(top=10, left=0, height=20, width=30).channel(4).shape
    (20, 30)
    """

    array: Any
    axes: str
    channel_names: tuple[str, ...] | None = None
    wavelengths: NDArray[np.float64] | None = None
    bad_bands: NDArray[np.bool_] | None = None
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    unit: str | None = None
    geo: Mapping[str, Any] | None = None
    path: Path | None = None
    name: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    valid: Any | None = None

    def __post_init__(self) -> None:
        """Refuse axes that do not fit the array, and lists that do not fit the channels.

        Raises
        ------
        ImageError
            With the two things that do not fit each other.
        """
        check_axes(self._what(), self.array.shape, self.axes)
        lists = {
            "channel names": self.channel_names,
            "wavelengths": self.wavelengths,
            "marks of bad bands": self.bad_bands,
        }
        check_lists(self._what(), lists, self.n_channels)
        check_valid(self._what(), self.valid, (self.height, self.width))

    def __repr__(self) -> str:
        parts = [f"{self.axes} {'×'.join(map(str, self.array.shape))} {self.dtype}"]
        if self.wavelengths is not None:
            parts.append(f"{self.wavelengths.min():g}–{self.wavelengths.max():g} nm")
        if self.pixel_size is not None:
            y, x = self.pixel_size
            parts.append(f"pixels of {y:g}×{x:g} {self.unit or ''}".rstrip())
        return f"<Image {self.name or 'without name'}: {', '.join(parts)}>"

    @property
    def height(self) -> int:
        """Number of rows."""
        return self._length("Y")

    @property
    def width(self) -> int:
        """Number of columns."""
        return self._length("X")

    @property
    def n_channels(self) -> int:
        """Number of channels times colour samples; 1 for a grayscale image."""
        return self._length("C") * self._length("S")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, in native byte order."""
        return np.dtype(self.array.dtype).newbyteorder("=")

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(self.array.shape)

    @property
    def nodata(self) -> Nodata:
        """What means "no data": a value, or a tuple of values and (lowest, highest) ranges."""
        nodata: Nodata = self.metadata.get("nodata")
        return nodata

    def without_nodata(
        self, values: NDArray[Any], axes: str | None = None, box: Box | None = None
    ) -> NDArray[Any]:
        """Return values that were read from this image with NaN in place of "no data".

        The same array if no value is missing, otherwise floats. Everything that measures or shows
        an image reads its values through this, so that holes are holes everywhere: values that
        mean "no data", and pixels that a mask or the alpha channel of the file leaves out.

        Parameters
        ----------
        values
        axes
            The axes of the values; by default the last two are rows and columns.
        box
            The part of the image that the values are from, one slice per axis; all by default.

        Examples
        --------
        >>> image = Image(np.array([[500, -9999]], np.int16), "YX", metadata={"nodata": -9999})
        >>> image.without_nodata(image.numpy())
        array([[500.,  nan]], dtype=float32)
        """
        return without_nodata(values, self.nodata, self._gaps(values, axes, box))

    def holes(
        self, values: NDArray[Any], axes: str | None = None, box: Box | None = None
    ) -> NDArray[np.bool_] | None:
        """Mark the values that `without_nodata` replaces; None if there are none."""
        return holes(values, self.nodata, self._gaps(values, axes, box))

    def _gaps(
        self, values: NDArray[Any], axes: str | None, box: Box | None
    ) -> NDArray[np.bool_] | None:
        return gaps(self.valid, axes or "?" * (values.ndim - 2) + "YX", box)

    def numpy(self) -> NDArray[Any]:
        """Read the whole array into memory, in native byte order.

        Raises
        ------
        ImageError
            If it does not fit into memory, or the file is damaged.
        """
        self._check_fits(self.shape)
        values = np.asarray(self.array)
        in_memory = isinstance(self.array, np.ndarray) and not is_mapped(self.array)
        return values if in_memory and values.dtype.isnative else np.array(values, self.dtype)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        values = self.numpy()
        if dtype is not None and values.dtype != dtype:
            return values.astype(dtype)
        return values.copy() if copy else values

    def channel(self, index: int | str) -> NDArray[Any]:
        """Read one channel.

        Parameters
        ----------
        index
            Position from 0 (negative from the end), or a name in ``channel_names``.

        Returns
        -------
        numpy.ndarray
            The channel as (Y, X), with T and Z before them if the image has these axes. For a
            memory-mapped file, a read-only view.

        Raises
        ------
        ImageError
            If there is no such channel, or it does not fit into memory.
        """
        index = self._channel_index(index)
        picks: list[Any] = [slice(None)] * self.ndim
        if "C" in self.axes:
            picks[self.axes.index("C")] = index // self._length("S")
        if "S" in self.axes:
            picks[self.axes.index("S")] = index % self._length("S")
        rest = [axis for axis in self.axes if axis not in "CS"]
        self._check_fits([self._length(axis) for axis in rest])
        plane = np.asarray(self.array[tuple(picks)])
        order = [rest.index(axis) for axis in "TZYX" if axis in rest]
        return plane.transpose(order).astype(self.dtype, copy=False)

    def channels(self, indices: Sequence[int | str] | None = None) -> Iterator[NDArray[Any]]:
        """Yield channels, each as :meth:`channel` returns it.

        If a file stores many channels in one chunk, several are read at a time, which takes up to
        256 MB; otherwise only one is in memory.

        Parameters
        ----------
        indices
            The channels to read, in order; all by default.
        """
        wanted = [
            self._channel_index(index)
            for index in (range(self.n_channels) if indices is None else indices)
        ]
        together = unpacked_together(self.array, self.axes, self.n_channels)
        for start in range(0, len(wanted), together):
            part = wanted[start : start + together]
            low, high = min(part), max(part) + 1
            if len(part) == 1 or high - low > together:
                yield from (self.channel(index) for index in part)
                continue
            picks = tuple(slice(low, high) if axis in "CS" else slice(None) for axis in self.axes)
            read = replace(
                self, array=np.asarray(self.array[picks]), channel_names=None, wavelengths=None,
                bad_bands=None,
            )  # fmt: skip
            yield from (read.channel(index - low).copy() for index in part)

    def good_channels(self) -> list[int]:
        """Return the indices of the channels that the file does not mark as bad.

        Raises
        ------
        ImageError
            If all are marked as bad.
        """
        bad = np.zeros(self.n_channels, bool) if self.bad_bands is None else self.bad_bands
        good = np.flatnonzero(~np.asarray(bad, bool)).tolist()
        if not good:
            raise ImageError(f"{self._what()} marks all of its bands as bad; correct the header.")
        return good

    def measured_channels(
        self, names: Sequence[str] | None = None
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield what :func:`anymask.measure` measures: name and values of each good channel.

        Parameters
        ----------
        names
            A name for each channel in place of its own: the name in the file, the wavelength, the
            colour, or the index; "" for the only channel.

        Yields
        ------
        name : str
        values : ndarray
            As :meth:`channel` returns them, NaN in holes.
        """
        coloured = is_coloured(self.axes)
        labels = list(names or ()) or short_names(
            self.n_channels, self.channel_names, self.wavelengths, coloured=coloured
        )
        if len(labels) != self.n_channels or len(set(labels)) != len(labels):
            raise ImageError(
                f"{self._what()} has {self.n_channels} channels and {len(labels)} channel names; "
                "give each channel its own name."
            )
        good = self.good_channels()
        for index, channel in zip(good, self.channels(good), strict=True):
            yield labels[index], self.without_nodata(channel)

    def row_areas(self) -> NDArray[np.float64] | None:
        """Area of one pixel of each row in m², if `pixel_size` does not tell it; see `earth`."""
        return row_areas(self.geo, self.height, self.unit)

    def plane(self, t: Choice = None, z: Choice = None) -> Image:
        """Choose one time and one depth; the result has neither axis.

        Parameters
        ----------
        t, z
            An index from 0 (negative from the end), "middle", or a projection over all planes,
            "max" or "mean", which ignores NaN. None if there is only one. With an index or
            "middle", no values are read yet.

        Raises
        ------
        ImageError
            If there are several planes and none was chosen, or the chosen one does not exist.
        """
        image = self
        for axis, choice, names in (("T", t, "time points"), ("Z", z, "z planes")):
            if axis in image.axes:
                image = image._without(axis, choice, names)
            elif choice not in (None, 0, -1, "max", "mean", "middle"):
                raise ImageError(
                    f"{self._what()} has one plane; there is no {axis.lower()}={choice!r}."
                )
        return replace(image, z_step=None)

    def region(self, top: int, left: int, height: int, width: int) -> Image:
        """Cut out a rectangle, in pixels, without reading the rest of the file.

        The result is as lazy as the image: values are read when they are needed. Its
        geo-reference is shifted accordingly.

        Raises
        ------
        ImageError
            If the rectangle is empty or not within the image.
        """
        if not (0 <= top < top + height <= self.height and 0 <= left < left + width <= self.width):
            raise ImageError(
                f"{self._what()} is {self.width}×{self.height} pixels; the region of "
                f"{width}×{height} at left {left}, top {top} is not within it."
            )
        picks: list[Any] = [slice(None)] * self.ndim
        picks[self.axes.index("Y")] = slice(top, top + height)
        picks[self.axes.index("X")] = slice(left, left + width)
        array = take(self.array, tuple(picks))
        valid = self.valid
        if valid is not None:
            valid = take(valid, (slice(top, top + height), slice(left, left + width)))
        return replace(self, array=array, valid=valid, geo=shifted(self.geo, top, left))

    def with_array(self, array: Any, axes: str | None = None, **changes: Any) -> Image:
        """Return the image with another array, and with the attributes in `changes`.

        Channel names, wavelengths and bad bands are dropped if the number of channels changes, and
        the mask of valid pixels if their number does.
        """
        changes = {"array": array, "axes": axes or self.axes, **changes}
        lengths = dict(zip(changes["axes"], array.shape, strict=False))
        if lengths.get("C", 1) * lengths.get("S", 1) != self.n_channels:
            for name in ("channel_names", "wavelengths", "bad_bands"):
                changes.setdefault(name, None)
        if (lengths.get("Y"), lengths.get("X")) != (self.height, self.width):
            changes.setdefault("valid", None)
        return replace(self, **changes)

    def _length(self, axis: str) -> int:
        return int(self.array.shape[self.axes.index(axis)]) if axis in self.axes else 1

    def _what(self) -> str:
        return str(self.path) if self.path else (self.name or "The image")

    def _check_fits(self, shape: Sequence[int]) -> None:
        """Refuse to read an array of this shape from a file if it does not fit into memory."""
        if isinstance(self.array, np.ndarray) and not is_mapped(self.array):
            return
        advice = "read a part of it with image.region(top, left, height, width)"
        check_fits(shape, self.dtype.itemsize, self._what(), advice)

    def _channel_index(self, index: int | str) -> int:
        return channel_index(self._what(), index, self.channel_names, self.n_channels)

    def _without(self, axis: str, choice: Choice, names: str) -> Image:
        length, rest = self._length(axis), self.axes.replace(axis, "")
        found = choose(self.array, self.axes.index(axis), choice, self.nodata)
        if found is None:
            letter = axis.lower()
            raise ImageError(
                f"{self._what()} has {length} {names}; choose one with {letter}=0 to "
                f'{letter}={length - 1} or {letter}="middle", or a projection, {letter}="max" or '
                f'{letter}="mean".'
            )
        kept = {k: v for k, v in self.metadata.items() if k != "nodata" or choice != "mean"}
        return replace(self, array=found, axes=rest, metadata=kept)
