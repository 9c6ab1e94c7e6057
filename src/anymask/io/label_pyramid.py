"""A label image as a pyramid in Zarr (OME-NGFF 0.4), made whole or part by part.

Each level takes every second pixel of the one before, so that no level has ids that do not exist.
Parts that begin at multiples of `CHUNK` share no chunk, so several processes may write at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import OutputError
from anymask.files import output_error
from anymask.io.guards import needs
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet
from anymask.palette import colours_of

VERSION = "0.4"
PLACE = "anymask_geo_reference"
CHUNK = 1024
_SMALLEST = 256  # the last level has sides of at most this length
# Viewers have colours of their own, and a list of a million would slow them down.
_MOST_COLOURS = 10_000
_UNITS = {
    "nm": "nanometer",
    "µm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
}


def level_sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Height and width of each level.

    >>> level_sizes((300, 1000))
    [(300, 1000), (150, 500), (75, 250)]
    """
    sizes = [size]
    while max(sizes[-1]) > _SMALLEST:
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes


def create(store: Any, dtype: np.dtype, masks: MaskSet, context: WriteContext) -> list[Any]:
    """Make an empty pyramid in a Zarr store or folder, and return the arrays of its levels.

    Raises
    ------
    OutputError
        If zarr is not installed, or a folder cannot be written.
    """
    zarr = needs("zarr", "formats", "Writing OME-Zarr", OutputError)
    compressor = needs("numcodecs", "formats", "Writing OME-Zarr", OutputError).Blosc("zstd")
    sizes = level_sizes(masks.image_size)
    try:
        group = zarr.create_group(store, zarr_format=2, overwrite=True)
        group.attrs.update(_attributes(masks, context, len(sizes)))
        return [
            group.create_array(
                str(number),
                shape=size,
                chunks=tuple(min(CHUNK, side) for side in size),
                dtype=dtype,
                fill_value=0,
                compressors=compressor,
                chunk_key_encoding={"name": "v2", "separator": "/"},
            )
            for number, size in enumerate(sizes)
        ]
    except OSError as error:
        raise output_error(Path(str(store)), error) from error


def open_level(folder: Path, level: int, *, writable: bool = False) -> Any:
    """Open the array of a level in a folder."""
    zarr = needs("zarr", "formats", "Writing OME-Zarr", OutputError)
    return zarr.open_array(folder / str(level), mode="r+" if writable else "r")


def write_part(folder: Path, level: int, place: tuple[int, int], labels: NDArray[Any]) -> None:
    """Write a part of a level, from a row and a column on.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    (top, left), (height, width) = place, labels.shape
    try:
        array = open_level(folder, level, writable=True)
        array[top : top + height, left : left + width] = labels
    except OSError as error:
        raise output_error(folder, error) from error


def _attributes(masks: MaskSet, context: WriteContext, levels: int) -> dict[str, Any]:
    sized = context.pixel_size is not None and context.unit is not None
    y, x = context.pixel_size if context.pixel_size is not None and sized else (1.0, 1.0)
    unit = (
        {"unit": _UNITS.get(context.unit, context.unit)}
        if context.unit is not None and sized
        else {}
    )
    datasets = [
        {
            "path": str(number),
            "coordinateTransformations": [
                {"type": "scale", "scale": [y * 2**number, x * 2**number]}
            ],
        }
        for number in range(levels)
    ]
    ids, names = masks.ids.tolist(), masks.class_names or ("",) * len(masks)
    coloured = 0 < len(masks) <= _MOST_COLOURS
    colours = colours_of(masks.ids).tolist() if coloured else []
    # NGFF has no place on a map, so it has a field of its own, for anymask to read.
    on_map = context.transform is not None and context.crs is not None
    place = {"transform": list(context.transform or ()), "crs": context.crs}
    return {
        **({PLACE: place} if on_map else {}),
        "multiscales": [
            {
                "version": VERSION,
                "name": context.image_name,
                "axes": [{"name": axis, "type": "space", **unit} for axis in "yx"],
                "datasets": datasets,
                "type": "nearest",
            }
        ],
        "image-label": {
            "version": VERSION,
            "colors": [
                {"label-value": id_, "rgba": [*map(int, colour), 255]}
                for id_, colour in zip(ids, colours, strict=False)
            ],
            "properties": [
                {"label-value": id_, "class": name}
                for id_, name in zip(ids, names, strict=True)
                if name
            ],
            "source": {"image": "../../"},
        },
    }
