"""Label images as TIFF: ImageJ reads their pixel size, map programs their place."""

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
from anymask.io.label_images import ADVICE, check_plain, class_notes, classes_in, masks_of_labels
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet

# Without a handler of the application's own, tifffile's remarks on damage would go to stderr
# beside the one sentence raised here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write a TIFF that ImageJ opens with its pixel size: uint8, uint16 or, past these, uint32."""
    with whole_file(path) as part:
        write_tiff(part, masks.to_labels(), context, class_notes(masks))
    return [path]


def write_tiff(
    path: Path, labels: NDArray[Any], context: WriteContext | None = None, notes: str | None = None
) -> None:
    """Write a label image as TIFF, in the dtype it has.

    Parameters
    ----------
    path : Path
    labels : (H, W) array of unsigned integers
    context : WriteContext, optional
        For the pixel size and the place on the map, which is written as GeoTIFF has it.
    notes : str, optional
        ImageJ's "Info".
    """
    import tifffile

    from anymask.io.image_formats.tiff.geotiff import geo_tags

    context = context or WriteContext(path.name)
    lines = ["ImageJ=1.54f", "images=1"]
    resolution = None
    if context.pixel_size is not None and context.unit is not None:
        lines.append(f"unit={_imagej_unit(context.unit)}")
        resolution = (1 / context.pixel_size[1], 1 / context.pixel_size[0])
    if labels.size:
        lines += ["min=0", f"max={labels.max()}"]  # what ImageJ shows as black and white
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
            *geo_tags(context.transform, context.crs, context.unit),
        ],
    )


def load(file: MaskFile) -> MaskSet:
    """Read a label TIFF of one page; floats are taken if they are whole numbers."""
    import tifffile

    path = file.path
    with tifffile.TiffFile(path) as tiff:
        if len(tiff.pages) != 1:
            raise ImageError(
                f"{path} has {len(tiff.pages)} pages and a label image one; save the one you need."
            )
        page = tiff.pages.first
        dtype = np.dtype(page.dtype or object)
        check_plain(path, page.shape, dtype)
        check_fits(page.shape, dtype.itemsize, str(path), ADVICE)
        if len(page.dataoffsets) != math.prod(page.chunked):  # tifffile would fill in zeros
            raise ImageError(
                f"{path} has {len(page.dataoffsets)} of {math.prod(page.chunked)} parts of its "
                "pixels; it may be damaged or unfinished, so copy or save it again."
            )
        labels = page.asarray()
        info = (tiff.imagej_metadata or {}).get("Info") if tiff.is_imagej else None
    return masks_of_labels(path, labels, classes_in(info))


def _imagej_unit(unit: str) -> str:
    """The unit as ImageJ writes it into ASCII."""
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
