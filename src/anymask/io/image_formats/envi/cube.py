"""Memory-map the data of ENVI's and ESRI's headers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.images.nodata import parse_nodata
from anymask.io.arrays import name_of
from anymask.io.image_formats.envi.band_lists import bands_of
from anymask.io.image_formats.envi.esri import is_esri_header
from anymask.io.image_formats.envi.files import data_of, header_of
from anymask.io.image_formats.envi.header import (
    INTERLEAVES,
    Layout,
    geo_of,
    layout_of,
    read_header,
)


def read(path: Path, *, header: Path | None = None) -> Image:
    """Memory-map a cube as (row, column, band), whatever its interleave.

    Parameters
    ----------
    path
        The header or the data file; the other is searched beside it.
    header
        The header, if it is not beside the data file ``path``.

    Raises
    ------
    ImageError
        If one of the two files is missing, or they do not match.
    """
    given = header
    if path.suffix.lower() == ".hdr":
        if header is not None:
            raise ImageError(
                f"{path} is a header itself, so header= does not apply; name the data file to read "
                "it with another header."
            )
        header = path
        fields = read_header(path)
        layout = layout_of(fields, path)
        data = _data_of(path, layout)
    else:
        data = path
        found = header or header_of(path)
        if found is None:
            raise ImageError(
                f"There is no header beside {path} (such as {path.with_suffix('.hdr').name}); "
                "give it with header=."
            )
        header = found
        if not header.is_file():
            raise ImageError(f"There is no file {header}; check the name given with header=.")
        fields = read_header(header)
        layout = layout_of(fields, header)
    _check(data, header, layout, trusted=given is not None)
    geo, size, unit = geo_of(fields)
    if size is not None and is_esri_header(header) and "coordinate system string" not in fields:
        size = unit = None  # the steps of the grid are in an unknown unit
    return Image(
        _map(data, layout),
        "YXC",
        pixel_size=size,
        unit=unit,
        geo=geo,
        path=path,
        name=name_of(path),
        metadata=_metadata(fields, header, data),
        **bands_of(fields, layout.bands, header),
    )


def _data_of(path: Path, layout: Layout) -> Path:
    found = data_of(path)
    if not found:
        stem = path.name[: -len(path.suffix)]
        raise ImageError(
            f"There is no data file beside {path} (such as {stem}.dat, .raw, .img or {stem}); "
            "name the data file and give this header with header=."
        )
    if len(found) > 1:
        fitting = [data for data in found if data.stat().st_size == layout.nbytes]
        if len(fitting) != 1:
            names = ", ".join(data.name for data in found)
            raise ImageError(
                f"Several files beside {path} could be its data ({names}); name the data file "
                "and give this header with header=."
            )
        found = fitting
    return found[0]


def _check(data: Path, header: Path, layout: Layout, *, trusted: bool) -> None:
    """Check the header against the data file's size and name."""
    suffix = data.suffix.lower().removeprefix(".")
    if suffix in INTERLEAVES and suffix != layout.interleave and not trusted:
        raise ImageError(
            f"{header} says interleave {layout.interleave} but the data file is {data.name}; "
            "correct the wrong one, or pass the header with header= to trust it."
        )
    size = data.stat().st_size
    if size < layout.nbytes:
        raise ImageError(
            f"{header} needs {layout.nbytes:,} bytes ({layout.samples} samples × {layout.lines} "
            f"lines × {layout.bands} bands of {layout.dtype.name}, offset {layout.offset:,}) while "
            f"{data.name} has {size:,}; correct the header or copy the data again."
        )


def _map(data: Path, layout: Layout) -> NDArray[Any]:
    """Map the file as (row, column, band)."""
    if (layout.major_gaps, layout.minor_gaps) == ((0, 0), (0, 0)):
        array: NDArray[Any] = np.memmap(data, layout.dtype, "r", layout.offset, layout.shape)
    else:
        whole = np.memmap(data, np.uint8, "r")
        array = np.ndarray(layout.shape, layout.dtype, whole, layout.first, layout.strides)
    order = {"bsq": (1, 2, 0), "bil": (0, 2, 1), "bip": (0, 1, 2)}[layout.interleave]
    return array.transpose(order)


def _metadata(fields: dict[str, Any], header: Path, data: Path) -> dict[str, Any]:
    form = "ESRI" if is_esri_header(header) else "ENVI"
    metadata: dict[str, Any] = {"format": form, "header": str(header), "data": str(data)}
    nodata = parse_nodata(fields.get("data ignore value"))
    if nodata is not None:
        metadata["nodata"] = nodata
    return {**metadata, "fields": dict(fields)}
