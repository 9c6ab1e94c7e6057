"""Label images as TIFF, with the pixel size for ImageJ and the map position for GIS programs."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.files import whole_file
from anymask.images.image import Image
from anymask.images.memory import check_fits
from anymask.io.label_images import (
    ADVICE,
    check_plain,
    class_notes,
    classes_in,
    masks_of_labels,
    only_page,
    without_nodata,
)
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet

# Unless the application handles logging, tifffile's log messages on damage would go to stderr in
# addition to the error raised here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write a TIFF that ImageJ opens with its pixel size, in the smallest of uint8, 16 and 32."""
    with whole_file(path) as part:
        write_tiff(part, masks.to_labels(), context, class_notes(masks))
    return [path]


def write_tiff(
    path: Path, labels: NDArray[Any], context: WriteContext | None = None, notes: str | None = None
) -> None:
    """Write a label image as TIFF, in its own dtype.

    Parameters
    ----------
    path : Path
    labels : (H, W) array of unsigned integers
    context : WriteContext, optional
        Provides the pixel size, and the map position, which is written as GeoTIFF tags.
    notes : str, optional
        ImageJ's "Info".
    """
    import tifffile

    context = context or WriteContext(path.name)
    unit, resolution = _scale_of(context)
    lines = ["ImageJ=1.54f", "images=1", *([f"unit={unit}"] if unit else ())]
    if labels.size:
        lines += ["min=0", f"max={labels.max()}"]  # ImageJ's display range
    tifffile.imwrite(
        path,
        labels,
        byteorder=">",
        photometric="minisblack",
        compression="zlib",
        metadata=None,
        description="\n".join(lines) + "\n",
        resolution=resolution,
        resolutionunit="NONE",
        extratags=[
            *(tifffile.imagej_metadata_tag({"Info": notes}, ">") if notes else ()),
            *_place_tags(context),
        ],
    )


def write_stack(
    path: Path,
    labels: NDArray[Any],
    axes: str,
    context: WriteContext,
    z_step: float | None = None,
) -> None:
    """Write the label images of a stack as one TIFF, which ImageJ opens if they are uint16.

    Parameters
    ----------
    path : Path
    labels : array of unsigned integers
    axes : str
        "ZYX", "TYX" or "TZYX".
    context : WriteContext
        Provides the pixel size and the map position.
    z_step : float, optional
        Distance of the depths, in the unit of the pixel size.
    """
    import tifffile

    imagej = labels.dtype == np.uint16  # the ImageJ format has no larger ids
    unit, resolution = _scale_of(context)
    facts: dict[str, Any] = {"axes": axes}
    if imagej and unit:
        facts |= {"unit": unit} | ({"spacing": z_step} if z_step else {})
    tifffile.imwrite(
        path,
        labels,
        imagej=imagej,
        metadata=facts,
        compression=None if imagej else "zlib",
        photometric="minisblack",
        resolution=resolution,
        resolutionunit="NONE" if resolution else None,
        extratags=_place_tags(context),
    )


def _scale_of(context: WriteContext) -> tuple[str | None, tuple[float, float] | None]:
    """The unit as ImageJ writes it, and how many pixels there are in it across and down."""
    if context.pixel_size is None or context.unit is None:
        return None, None
    return _imagej_unit(context.unit), (1 / context.pixel_size[1], 1 / context.pixel_size[0])


def _place_tags(context: WriteContext) -> list[Any]:
    from anymask.images.geotiff_tags import geo_tags

    return geo_tags(context.transform, context.crs, context.unit, context.geokeys)


def load(file: MaskFile) -> MaskSet:
    """Read a label TIFF with one page; floats are accepted if they are whole numbers."""
    import tifffile

    path = file.path
    with tifffile.TiffFile(path) as tiff:
        page = only_page(tiff, path)
        dtype = np.dtype(page.dtype or object)
        check_plain(path, page.shape, dtype)
        check_fits(page.shape, dtype.itemsize, str(path), ADVICE)
        if len(page.dataoffsets) != math.prod(page.chunked):  # tifffile would fill in zeros
            raise ImageError(
                f"{path} has {len(page.dataoffsets)} of {math.prod(page.chunked)} parts of its "
                "pixels; it may be damaged or unfinished, so copy or save it again."
            )
        labels = without_nodata(page.asarray(), page)
        info = (tiff.imagej_metadata or {}).get("Info") if tiff.is_imagej else None
    return masks_of_labels(path, labels, classes_in(info))


def _imagej_unit(unit: str) -> str:
    """The unit in ImageJ's ASCII spelling."""
    plain = {"µm": "micron", "μm": "micron"}.get(unit, unit)
    return plain.encode("ascii", "backslashreplace").decode().replace("\\xb", "\\u00b")


def _sniff(file: MaskFile) -> bool:
    return file.start.startswith(_MAGIC)


def _scale(path: Path) -> Image:
    from anymask.io.image_formats.tiff.series import read

    return read(path)


FORMAT = MaskFormat(
    name="labels",
    title="label image as TIFF",
    suffixes=(".tif", ".tiff"),
    write=save,
    read=load,
    sniff=_sniff,
    scale=_scale,
    ending=".labels.tif",
    is_label_image=True,
    keeps_overlaps=False,
    keeps_empty=False,
)
