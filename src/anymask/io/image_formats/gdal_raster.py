"""VRT, GDAL's virtual rasters, read piece by piece by rasterio; JPEG 2000 uses this too."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.images.lazy import Box, LazyArray
from anymask.images.nodata import joined
from anymask.images.place import pixel_size_of
from anymask.images.units import unit_symbol, wavelengths_in_nm
from anymask.io.arrays import check_numbers, name_of
from anymask.io.guards import needs
from anymask.io.registry import ImageFormat
from anymask.wording import counted

_COLOURS = ("red", "green", "blue", "alpha")


def read(path: Path, *, level: int | None = None, is_photo: bool = False) -> Image:
    """Open a raster; values are read when they are needed.

    Three or four 8-bit bands that the file calls red, green, blue (and alpha) are a colour image,
    all others are channels.

    Parameters
    ----------
    path
        The file.
    level
        Which level of the pyramid; 0, the default, is the full size.
    is_photo
        Take three or four 8-bit bands as colours, whatever they are called.

    Raises
    ------
    ImageError
        If rasterio is not installed, the file is damaged, or a file that it refers to is missing.
    """
    rasterio = needs("rasterio", "geo", f"Reading {path}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with _opened(rasterio, path, None) as full:
            levels = len(full.overviews(1)) + 1
        if level is not None and not 0 <= level < levels:
            raise ImageError(
                f"{path} has {counted(levels, 'level')}; level={level} is not one of them."
            )
        with _opened(rasterio, path, level) as raster:
            kinds = sorted(set(raster.dtypes))
            if len(kinds) > 1:
                raise ImageError(
                    f"{path} has bands of different types ({', '.join(kinds)}); convert them to "
                    "one."
                )
            image = _image(rasterio, path, raster, level, levels)
            colours = tuple(colour.name for colour in raster.colorinterp)
    is_photo = is_photo and len(colours) in (3, 4)
    if kinds == ["uint8"] and (is_photo or colours in (_COLOURS[:3], _COLOURS)):
        return replace(image, array=image.array.transpose((1, 2, 0)), axes="YXS")
    return image


def _opened(rasterio: Any, path: Path, level: int | None) -> Any:
    options = {"OVERVIEW_LEVEL": level - 1} if level else {}
    try:
        return rasterio.open(path, **options)
    except rasterio.errors.RasterioIOError as error:
        raise ImageError(f"{path} cannot be read: {str(error).rstrip('.')}.") from error


def _image(rasterio: Any, path: Path, raster: Any, level: int | None, levels: int) -> Image:
    check_numbers(raster.dtypes[0], path)
    shape = (raster.count, raster.height, raster.width)
    block = raster.block_shapes[0]
    array: Any = LazyArray(
        partial(_values, rasterio, path, level),
        shape,
        raster.dtypes[0],
        str(path),
        ((1, 0), (block[0], 0), (block[1], 0)),
    )
    axes, facts = "CYX", _place(raster)
    if raster.count == 1:
        array, axes = array.select((0,)), "YX"
    else:
        if all(raster.descriptions):
            facts["channel_names"] = tuple(raster.descriptions)
        if (waves := _wavelengths(raster)) is not None:
            facts["wavelengths"] = waves
    metadata: dict[str, Any] = {"format": raster.driver, "levels": levels, "level": level or 0}
    nodata = joined([value for value in raster.nodatavals if value is not None])
    if nodata is not None:
        metadata["nodata"] = nodata
    return Image(array, axes, path=path, name=name_of(path), metadata=metadata, **facts)


def _values(rasterio: Any, path: Path, level: int | None, box: Box) -> NDArray[Any]:
    """Read a box; the file is opened anew, so that threads and processes may read at once."""
    bands, rows, columns = box
    window = ((rows.start, rows.stop), (columns.start, columns.stop))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with _opened(rasterio, path, level) as raster:
            chosen = [band + 1 for band in range(bands.start, bands.stop, bands.step)]
            try:
                values = raster.read(chosen, window=window)
            except rasterio.errors.RasterioIOError as error:  # its cause names the file
                raise ImageError(f"{path} cannot be read: {error.__cause__ or error}.") from error
    return np.asarray(values[:, :: rows.step, :: columns.step])


def _place(raster: Any) -> dict[str, Any]:
    """The geo-reference, pixel size and unit."""
    if raster.transform.is_identity:
        return {}
    transform = tuple(float(number) for number in raster.transform.to_gdal())
    geo: dict[str, Any] = {"transform": transform}
    if raster.crs is None:
        return {"geo": geo}
    code = raster.crs.to_epsg()
    geo["crs"] = raster.crs.to_wkt() if code is None else f"EPSG:{code}"
    unit = "degree" if raster.crs.is_geographic else unit_symbol(raster.crs.linear_units)
    return {"geo": geo, "pixel_size": pixel_size_of(transform), "unit": unit}  # type: ignore[arg-type]


def _wavelengths(raster: Any) -> NDArray[np.float64] | None:
    tags = [{k.lower(): v for k, v in raster.tags(i + 1).items()} for i in range(raster.count)]
    try:
        waves = [float(tag["wavelength"]) for tag in tags]
        return wavelengths_in_nm(waves, tags[0].get("wavelength_units"))
    except (KeyError, ValueError):
        return None


def _sniff(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(200).lstrip().startswith(b"<VRTDataset")


FORMAT = ImageFormat(
    name="VRT",
    suffixes=(".vrt",),
    read=read,
    options=frozenset({"level"}),
    sniff=_sniff,
)
