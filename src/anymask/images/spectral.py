"""Preprocess spectral images: reflectance, dropping bad bands, smoothing.

Each function returns an image whose values are computed when they are read, so that a cube larger
than memory can be handled like a small one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.bands import as_cube, called, good_bands, reflectance_scale
from anymask.images.blocks import blocks_of_rows, read_bands
from anymask.images.image import Image
from anymask.images.lazy import Box, Grid, LazyArray

Holes = Callable[[NDArray[Any], str, Box], NDArray[np.bool_] | None]
Panel = tuple[int, int, int, int]
"""A rectangle of the image: top, left, height and width in pixels."""


def reflectance(
    image: Any,
    white: Any = None,
    dark: Any = None,
    *,
    panel: Panel | None = None,
    panel_reflectance: Any = 1.0,
) -> Image:
    """Convert counts to reflectance: (image - dark) / (white - dark).

    Parameters
    ----------
    image
        The cube.
    white
        Counts of the white reference: a cube (its rows are averaged, so that each column of a line
        scanner keeps its own reference), or an array (C,), (columns, C) or (rows, columns, C).
        If None, the mean of `panel` is used; if that is None too, the cube is divided by the scale
        factor in its header.
    dark
        The same with the shutter closed; 0 if None.
    panel
        Position of a white panel in the image itself: (top, left, height, width).
    panel_reflectance
        Reflectance of the white reference: one number, or one for each band.

    Returns
    -------
    Image
        ``float32``, computed when read; NaN where white is not above dark.

    Raises
    ------
    ImageError
        If there is no reference, or its bands or columns do not match the image.

    Examples
    --------
    >>> counts = np.array([[[110, 60], [310, 20]]], np.uint16)
    >>> reflectance(counts, white=[410, 220], dark=[10, 20]).numpy().round(2).tolist()
    [[[0.25, 0.20000000298023224], [0.75, 0.0]]]
    """
    cube = as_cube(image)
    if white is not None and panel is not None:
        raise ImageError("Both a white reference and a panel are given; give only one of them.")
    black = _reference(dark, cube, "dark")
    if white is not None:
        light = _reference(white, cube, "white")
    elif panel is not None:
        light = _reference(cube.region(*panel), cube, "panel", by_column=False)
    else:
        scale = reflectance_scale(cube)
        if scale is None:
            raise ImageError(
                f"{called(cube)} has no reflectance scale factor in its header; give a white "
                "reference, or the position of a white panel in the image."
            )
        light = np.full((1, cube.n_channels), scale)
    share = np.broadcast_to(np.asarray(panel_reflectance, np.float64), cube.n_channels)
    gap = light - black
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(gap > 0, share / gap, np.nan)
    source, axes = _with_channel_axis(cube)
    compute = partial(
        _calibrated, source, axes, _by_pixel(black, cube), _by_pixel(factor, cube), cube.holes
    )
    array = LazyArray(compute, source.shape, np.float32, called(cube), _grid(source))
    return _derived(cube, array, axes, reflectance_scale=1.0)


def mean_of_rows(cube: Image) -> NDArray[np.float64]:
    """Return the mean of each column, ``float64`` (columns, bands), ignoring NaN."""
    bands = np.arange(cube.n_channels)
    total = np.zeros((len(bands), cube.width))
    count = np.zeros((len(bands), cube.width))
    for rows in blocks_of_rows(cube, len(bands)):
        values = read_bands(cube, bands, rows).reshape(len(bands), -1, cube.width)
        known = np.isfinite(values)
        total += np.where(known, values, 0).sum(axis=1, dtype=np.float64)
        count += known.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (total / count).T


def drop_bad_bands(image: Any) -> Image:
    """Remove the bands that the file marks as bad; the others are renumbered from 0.

    Examples
    --------
    >>> cube = Image(np.ones((2, 2, 3)), "YXC", bad_bands=np.array([False, True, False]))
    >>> drop_bad_bands(cube).shape
    (2, 2, 2)
    """
    cube = as_cube(image)
    if cube.bad_bands is None or not np.any(cube.bad_bands):
        return cube
    good = good_bands(cube)
    source, axes = _with_channel_axis(cube)
    shape = [len(good) if axis == "C" else n for axis, n in zip(axes, source.shape, strict=True)]
    read = partial(_chosen, source, axes.index("C"), good)
    names, nm = cube.channel_names, cube.wavelengths
    return cube.with_array(
        LazyArray(read, shape, cube.dtype, called(cube), _grid(source)),
        axes,
        channel_names=None if names is None else tuple(names[band] for band in good),
        wavelengths=None if nm is None else nm[good],
        bad_bands=None,
    )


def smooth(image: Any, window: int = 11, order: int = 2) -> Image:
    """Smooth each spectrum with a Savitzky–Golay filter.

    Abraham Savitzky and Marcel Golay, Analytical Chemistry 36 (1964), 1627–1639: a polynomial is
    fitted to each band and its neighbours. Bands are treated as evenly spaced. Bands marked as bad
    are neither used nor changed.

    Parameters
    ----------
    image
        The cube.
    window
        Number of bands per fit, odd.
    order
        Order of the polynomial, below `window`.

    Returns
    -------
    Image
        ``float32`` (``float64`` for wider values), computed when read.

    Raises
    ------
    ImageError
        If the window is even, too short for the order, or larger than the number of bands.

    Examples
    --------
    >>> line = np.arange(9.0).reshape(1, 1, 9)
    >>> np.allclose(smooth(line, window=5, order=1).numpy(), line)
    True
    """
    from scipy.signal import savgol_filter

    cube = as_cube(image)
    good = good_bands(cube)
    if window % 2 == 0 or not 0 <= order < window <= len(good):
        raise ImageError(
            f"A window of {window} bands and order {order} do not fit {len(good)} good bands; the "
            "window must be odd, above the order and at most the number of bands."
        )
    # The filter is linear, so its response to each single band describes it fully.
    weights = np.eye(cube.n_channels)
    weights[np.ix_(good, good)] = savgol_filter(np.eye(len(good)), window, order, axis=0)
    source, axes = _with_channel_axis(cube)
    wide = np.float64 if cube.dtype.itemsize > 4 else np.float32
    read = partial(_mixed, source, axes.index("C"), weights.astype(wide), axes, cube.holes)
    smoothed = LazyArray(read, source.shape, wide, called(cube), _grid(source))
    return _derived(cube, smoothed, axes)


def _derived(cube: Image, array: LazyArray, axes: str, **metadata: Any) -> Image:
    """The same image with computed values, in which "no data" already is NaN."""
    kept = {name: value for name, value in cube.metadata.items() if name != "nodata"}
    return cube.with_array(array, axes, metadata={**kept, **metadata}, valid=None)


def _grid(source: Any) -> Grid | None:
    return source.grid if isinstance(source, LazyArray) else None


def _with_channel_axis(cube: Image) -> tuple[Any, str]:
    """The image's array with a C axis, and its axes."""
    if "C" in cube.axes and "S" not in cube.axes:
        return cube.array, cube.axes
    if cube.axes in ("YXS", "SYX"):
        return cube.array, cube.axes.replace("S", "C")
    raise ImageError(
        f"{called(cube)} has the axes {cube.axes}; a spectral image has rows, columns and bands."
    )


def _reference(
    given: Any, cube: Image, what: str, *, by_column: bool = True
) -> NDArray[np.float64]:
    """A reference as (1 or columns, bands)."""
    bands = cube.n_channels
    if given is None:
        return np.zeros((1, bands))
    if isinstance(given, Image) or np.ndim(given) == 3:
        values = mean_of_rows(as_cube(given))
    else:
        values = np.atleast_2d(np.asarray(given, np.float64))
    if not by_column:
        values = values.mean(axis=0, keepdims=True)
    if values.ndim != 2 or values.shape[1] != bands or values.shape[0] not in (1, cube.width):
        raise ImageError(
            f"The {what} reference has {values.shape[-1]} bands in {values.shape[0]} columns while "
            f"{called(cube)} has {bands} in {cube.width}; use one taken with the same settings."
        )
    return values


def _by_pixel(values: NDArray[np.float64], cube: Image) -> NDArray[np.float64]:
    """Repeat (1 or columns, bands) to one row for each column of the image, for slicing."""
    return np.broadcast_to(values, (cube.width, cube.n_channels))


def _calibrated(
    source: Any,
    axes: str,
    black: NDArray[np.float64],
    factor: NDArray[np.float64],
    holes: Holes,
    box: Box,
) -> NDArray[np.float32]:
    values = _floats(np.asarray(source[box]), np.float32, holes, axes, box)
    x, c = (box[axes.index(axis)] for axis in "XC")
    order = [axis for axis in axes if axis in "XC"]
    for reference, operation in ((black, np.subtract), (factor, np.multiply)):
        part = reference[x, c].astype(np.float32)
        part = part if order == ["X", "C"] else part.T
        operation(values, np.expand_dims(part, axes.index("Y")), out=values)
    return values


def _chosen(source: Any, axis: int, bands: NDArray[np.intp], box: Box) -> NDArray[Any]:
    wanted = bands[box[axis]]
    if not wanted.size:
        return np.empty([len(range(s.start, s.stop, s.step)) for s in box], source.dtype)
    first = int(wanted[0])
    span = (*box[:axis], slice(first, int(wanted[-1]) + 1, 1), *box[axis + 1 :])
    return np.take(np.asarray(source[span]), wanted - first, axis=axis)


def _mixed(
    source: Any, axis: int, weights: NDArray[Any], axes: str, holes: Holes, box: Box
) -> NDArray[Any]:
    """Compute each band in the box as a weighted sum of the bands it depends on."""
    wanted = weights[box[axis]]
    used = np.flatnonzero(wanted.any(axis=0))
    if not used.size:
        return np.empty([len(range(s.start, s.stop, s.step)) for s in box], weights.dtype)
    first, last = int(used[0]), int(used[-1]) + 1
    span = (*box[:axis], slice(first, last, 1), *box[axis + 1 :])
    values = _floats(np.asarray(source[span]), weights.dtype, holes, axes, span)
    missing = np.isnan(values)
    if not missing.any():
        return np.moveaxis(np.tensordot(wanted[:, first:last], values, axes=(1, axis)), 0, axis)
    # A hole in one band is a hole in the bands that depend on it, and in no other.
    values[missing] = 0
    mixed = np.tensordot(wanted[:, first:last], values, axes=(1, axis))
    needed = np.tensordot((wanted[:, first:last] != 0).astype(np.float32), missing, axes=(1, axis))
    mixed[needed > 0] = np.nan
    return np.moveaxis(mixed, 0, axis)


def _floats(values: NDArray[Any], dtype: Any, holes: Holes, axes: str, box: Box) -> NDArray[Any]:
    """A new array of floats, NaN where there is no data."""
    floats: NDArray[Any] = values.astype(dtype)
    missing = holes(values, axes, box)
    if missing is not None:
        floats[missing] = np.nan
    return floats
