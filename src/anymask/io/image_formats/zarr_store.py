"""OME-Zarr 0.4 and 0.5 and plain Zarr arrays: one level, read piece by piece."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.chunks import chunked_array
from anymask.images.image import Image
from anymask.images.lazy import Box, LazyArray
from anymask.images.memory import check_fits
from anymask.images.nodata import Nodata, joined
from anymask.images.units import unit_symbol
from anymask.io.arrays import (
    axes_called,
    axes_for,
    check_numbers,
    name_of,
    nodata_in,
    pick_dataset,
    whole_number,
)
from anymask.io.guards import needs
from anymask.io.registry import ImageFormat

# Groups nested deeper than this are not searched, because links can form endless folders.
_DEEPEST = 6


def read(
    path: Path,
    *,
    series: int | None = None,
    level: int | None = None,
    dataset: str | None = None,
    axes: str | None = None,
) -> Image:
    """Open an image of an OME-Zarr folder, or an array of a plain Zarr folder.

    Parameters
    ----------
    path
        The folder, ``….zarr``.
    series
        Which of several images, for folders made by Bio-Formats.
    level
        Which level of the pyramid; 0, the default, is the full size.
    dataset
        Path within the folder of the image or array to open, as in "A/1/0" of a plate.
    axes
        The axes of a plain array, if they cannot be guessed from its shape.

    Raises
    ------
    ImageError
        If the folder is damaged, has no such image or level, or has several images and none was
        chosen.
    """
    zarr = needs("zarr", "formats", f"Reading {path}")
    node = zarr.open(str(path), mode="r")
    if dataset is not None:
        node = _inner(path, node, dataset)
    if isinstance(node, zarr.Array):
        return _plain_image(path, node, dataset, level, axes)
    if "multiscales" not in _ome(node):
        node, dataset = _one_of(path, zarr, node, series, dataset)
        if isinstance(node, zarr.Array):
            return _plain_image(path, node, dataset, level, axes)
    elif series is not None:
        whole_number(series, "series", 1, path)
    return _ome_image(path, zarr, node, dataset, level, axes)


def _inner(path: Path, node: Any, dataset: str) -> Any:
    try:
        return node[dataset.strip("/")]
    except (KeyError, IndexError, TypeError) as error:
        raise ImageError(
            f"{path} has no image or array {dataset!r}; check the name in the folder."
        ) from error


def _one_of(
    path: Path, zarr: Any, group: Any, series: int | None, dataset: str | None
) -> tuple[Any, str]:
    """The only image inside a group, or the only array if there is no image."""
    images: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    if "plate" in _ome(group):  # the plate lists its wells, so that thousands need not be opened
        images = {f"{well['path']}/0": None for well in _ome(group)["plate"]["wells"]}
    else:
        _look_through(zarr, group, "", images, arrays)
    if images and series is not None:
        names = sorted(images, key=lambda name: (len(name), name))
        chosen = names[whole_number(series, "series", len(names), path)]
    else:
        chosen = pick_dataset(path, images or arrays, None)
    return group[chosen], "/".join(filter(None, [(dataset or "").strip("/"), chosen]))


def _look_through(
    zarr: Any, group: Any, prefix: str, images: dict[str, Any], arrays: dict[str, Any]
) -> None:
    """Find the images in a group and its subgroups, and arrays that belong to no image."""
    for name, node in sorted(group.members()):
        full = prefix + name
        if isinstance(node, zarr.Array):
            arrays[full] = node.shape
        elif "multiscales" in _ome(node):
            images[full] = _level_shape(node)
        elif full.count("/") < _DEEPEST:
            _look_through(zarr, node, f"{full}/", images, arrays)


def _ome(node: Any) -> Mapping[str, Any]:
    """OME's attributes: under the key "ome" since version 0.5, at the top level before."""
    attributes = node.attrs.asdict()
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def _level_shape(group: Any) -> Sequence[int] | None:
    try:
        return tuple(group[_ome(group)["multiscales"][0]["datasets"][0]["path"]].shape)
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


def _plain_image(
    path: Path, array: Any, dataset: str | None, level: int | None, axes: str | None
) -> Image:
    if level is not None:
        whole_number(level, "level", 1, path)
    attributes = array.attrs.asdict()
    names = getattr(array.metadata, "dimension_names", None)  # in version 3
    names = names or attributes.get("_ARRAY_DIMENSIONS") or ()  # by xarray, in version 2
    lazy = _lazy(path, array)
    named = (None if axes else axes_called(names, lazy.ndim)) or axes_for(
        lazy.shape, lazy.dtype, axes, path
    )
    metadata = {"format": "Zarr", "dataset": dataset or "", "attributes": attributes}
    nodata = _nodata(array)
    if nodata is not None:
        metadata["nodata"] = nodata
    return Image(lazy, named, path=path, name=_name(path, dataset), metadata=metadata)


def _nodata(array: Any) -> Nodata:
    """What means "no data": what attributes say, and the value of chunks that were never written.

    0 is the usual value of those in any image, and so is white in 8-bit ones, so these are values.
    """
    fill, dtype = array.fill_value, array.dtype
    stated = nodata_in(array.attrs.asdict(), dtype)
    if (
        fill is None
        or dtype.kind not in "iuf"
        or dtype == np.uint8
        or fill in (0, stated)
        or fill != fill
    ):
        return stated
    several = stated if isinstance(stated, Sequence) else (stated,)
    return joined([*several, fill.item()])


def _ome_image(
    path: Path, zarr: Any, group: Any, dataset: str | None, level: int | None, axes: str | None
) -> Image:
    ome = _ome(group)
    multiscales = ome["multiscales"][0]
    levels = multiscales["datasets"]
    number = whole_number(0 if level is None else level, "level", len(levels), path)
    array = group[levels[number]["path"]]
    if not isinstance(array, zarr.Array):
        raise ImageError(f"{path}: level {number} is not an array; copy the whole folder again.")
    described = [a if isinstance(a, Mapping) else {"name": a} for a in multiscales.get("axes", [])]
    lazy, letters, kept = _named_axes(path, _lazy(path, array), described, axes)
    scale = _scale(levels[number], multiscales, len(array.shape))
    steps = {letter: (scale[i], described[i] if described else {}) for letter, i in kept.items()}
    omero = ome.get("omero")
    metadata = {
        "format": f"OME-Zarr {ome.get('version') or multiscales.get('version') or ''}".strip(),
        "dataset": dataset or "",
        "level": number,
        "levels": len(levels),
        "omero": omero or {},
    }
    nodata = _nodata(array)
    if nodata is not None:
        metadata["nodata"] = nodata
    image = Image(lazy, letters, path=path, name=_name(path, dataset), metadata=metadata)
    names = _channel_names(omero, image.n_channels)
    unit = unit_symbol(str(steps["X"][1].get("unit") or "")) or None
    sized = bool(described) and not (unit is None and steps["X"][0] == steps["Y"][0] == 1)
    return image.with_array(
        lazy,
        channel_names=names,
        pixel_size=(steps["Y"][0], steps["X"][0]) if sized else None,
        z_step=steps["Z"][0] if sized and "Z" in steps else None,
        unit=unit if sized else None,
    )


def _named_axes(
    path: Path, lazy: LazyArray, described: Sequence[Mapping[str, Any]], axes: str | None
) -> tuple[LazyArray, str, dict[str, int]]:
    """The axis letters, without unknown axes of length 1, and their original positions."""
    if axes is not None or not described:
        if axes is None and lazy.ndim == 5:
            axes = "TCZYX"  # fixed in versions before 0.3
        letters = axes_for(lazy.shape, lazy.dtype, axes, path)
        return lazy, letters, {letter: i for i, letter in enumerate(letters)}
    kinds = {"time": "T", "channel": "C"}
    letters = "".join(
        kinds.get(str(a.get("type")), str(a.get("name", "?"))[:1].upper()) for a in described
    )
    if len(letters) != len(lazy.shape):
        raise ImageError(
            f"{path} names {len(letters)} axes for an array of {len(lazy.shape)}; correct its "
            "multiscales or give axes=."
        )
    known = [i for i, letter in enumerate(letters) if letter in "TZCYX"]
    other = [i for i in range(len(letters)) if i not in known and lazy.shape[i] == 1]
    if len(known) + len(other) < len(letters):
        raise ImageError(f"{path} has axes {letters!r}; name them with axes=.")
    picks = tuple(0 if i in other else slice(None) for i in range(len(letters)))
    return lazy.select(picks), "".join(letters[i] for i in known), {letters[i]: i for i in known}


def _scale(
    level: Mapping[str, Any], multiscales: Mapping[str, Any], ndim: int
) -> NDArray[np.float64]:
    """Step along each axis: the level's own scale times the common scale."""
    total = np.ones(ndim)
    for holder in (level, multiscales):
        for transform in holder.get("coordinateTransformations") or ():
            scale = transform.get("scale")
            if transform.get("type") == "scale" and scale and len(scale) == ndim:
                total = total * np.asarray(scale, np.float64)
    return total


def _channel_names(omero: Any, count: int) -> tuple[str, ...] | None:
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not channels or len(channels) != count:
        return None
    names = [str(c.get("label") or "") if isinstance(c, Mapping) else "" for c in channels]
    return tuple(name or f"channel {i}" for i, name in enumerate(names)) if any(names) else None


def _name(path: Path, dataset: str | None) -> str:
    return "_".join([name_of(path), *(dataset or "").strip("/").split("/")]).rstrip("_")


def _lazy(path: Path, array: Any) -> LazyArray:
    check_numbers(array.dtype, path)
    # Reading one value unpacks its whole chunk.
    chunk = getattr(array, "shards", None) or array.chunks
    if math.prod(array.shape):
        check_fits(chunk, array.dtype.itemsize, f"A chunk of {path}", "save it in smaller chunks")
    read = partial(_read_box, array)
    return chunked_array(read, array.shape, array.dtype, str(path), array.chunks)


def _read_box(array: Any, box: Box) -> NDArray[Any]:
    return np.asarray(array[box])


FORMAT = ImageFormat(
    name="OME-Zarr",
    suffixes=(".zarr",),
    read=read,
    options=frozenset({"series", "level", "dataset", "axes"}),
    is_folder=True,
)
