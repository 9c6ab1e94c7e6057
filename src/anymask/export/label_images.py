"""Label images: one id a pixel, 0 for background, the ids as they are.

The dtype is the smallest that holds the largest id. Class names travel in the file's own text
fields. Masks that overlap lose what others hide: the smaller lies on top.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import PngImagePlugin

from anymask.errors import ImageError, OutputError
from anymask.export.guards import check_size
from anymask.export.job import Job
from anymask.files import whole_file
from anymask.images.formats.geotiff import geo_tags
from anymask.images.memory import check_fits
from anymask.masks.mask_set import MaskSet

# Without a handler of the application's own, tifffile's remarks on damage would go to stderr
# beside the one sentence raised here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_KEY = "anymask"
_ADVICE = "save the masks as COCO or NPZ, which hold run lengths"
_PNG_MODES = ("1", "L", "P", "I;16", "I;16B", "I;16L", "I;16N", "I")
_MOST_PNG_ID = np.iinfo(np.uint16).max


def save_tiff(path: Path, masks: MaskSet, job: Job) -> list[Path]:
    """Write a TIFF that ImageJ opens with its pixel size: uint8, uint16 or, past these, uint32."""
    with whole_file(path) as part:
        write_tiff(part, masks.to_labels(), job, class_notes(masks))
    return [path]


def write_tiff(
    path: Path, labels: NDArray[Any], job: Job | None = None, notes: str | None = None
) -> None:
    """Write a label image as TIFF, in the dtype it has.

    Parameters
    ----------
    path : Path
    labels : (H, W) array of unsigned integers
    job : Job, optional
        For the pixel size and the place on the map, which is written as GeoTIFF has it.
    notes : str, optional
        ImageJ's "Info".
    """
    job = job or Job(path.name)
    lines = ["ImageJ=1.54f", "images=1"]
    resolution = None
    if job.pixel_size is not None and job.unit is not None:
        lines.append(f"unit={_imagej_unit(job.unit)}")
        resolution = (1 / job.pixel_size[1], 1 / job.pixel_size[0])
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
            *geo_tags(job.transform, job.crs, job.unit),
        ],
    )


def save_png(path: Path, masks: MaskSet, job: Job) -> list[Path]:
    """Write a grey PNG of 8 or 16 bits.

    Raises
    ------
    OutputError
        If an id is above 65,535.
    """
    labels = masks.to_labels()
    if (largest := int(masks.ids.max(initial=0))) > _MOST_PNG_ID:
        raise OutputError(
            f"PNG holds ids up to {_MOST_PNG_ID:,} and one of these is {largest:,}; write a TIFF, "
            "which holds all, as ids are never changed."
        )
    text = PngImagePlugin.PngInfo()
    if notes := class_notes(masks):
        text.add_itxt(_KEY, notes)
    with whole_file(path) as part:
        Pillow.fromarray(labels).save(part, format="PNG", pnginfo=text)
    return [path]


def load_tiff(path: Path) -> MaskSet:
    """Read a label TIFF of one page; floats are taken if they are whole numbers."""
    with tifffile.TiffFile(path) as tiff:
        if len(tiff.pages) != 1:
            raise ImageError(
                f"{path} has {len(tiff.pages)} pages and a label image one; save the one you need."
            )
        page = tiff.pages.first
        dtype = np.dtype(page.dtype or object)
        _check_plain(path, page.shape, dtype)
        check_fits(page.shape, dtype.itemsize, str(path), _ADVICE)
        if len(page.dataoffsets) != math.prod(page.chunked):  # tifffile would fill in zeros
            raise ImageError(
                f"{path} has {len(page.dataoffsets)} of {math.prod(page.chunked)} parts of its "
                "pixels; it may be damaged or unfinished, so copy or save it again."
            )
        labels = page.asarray()
        info = (tiff.imagej_metadata or {}).get("Info") if tiff.is_imagej else None
    return masks_of_labels(path, labels, _classes(info))


def load_png(path: Path) -> MaskSet:
    """Read a PNG of grey levels or of palette numbers."""
    labels, _, notes = read_png(path)
    return masks_of_labels(path, labels, _classes(notes))


def read_png(path: Path) -> tuple[NDArray[Any], bool, str | None]:
    """Read the numbers in a PNG.

    Returns
    -------
    numbers : (H, W) array
    indexed : bool
        Whether they are those of a palette.
    notes : str or None
        Text that anymask wrote beside them.

    Raises
    ------
    ImageError
        If it has colours, or takes more memory than there is.
    """
    # Not by Image.open, whose limit of pixels is lower than what fits into memory.
    with PngImagePlugin.PngImageFile(path) as image:
        _check_plain(path, image.size[::-1] + (3,) * (image.mode not in _PNG_MODES), np.uint16)
        check_fits(image.size[::-1], 4, str(path), _ADVICE)
        return np.array(image), image.mode == "P", image.info.get(_KEY)


def load_npy(path: Path) -> MaskSet:
    """Read a label image from NumPy's own format."""
    labels = np.load(path, mmap_mode="r", allow_pickle=False)
    _check_plain(path, labels.shape, labels.dtype)
    check_fits(labels.shape, labels.dtype.itemsize, str(path), _ADVICE)
    return masks_of_labels(path, np.asarray(labels), {})


def masks_of_labels(
    path: Path, labels: NDArray[Any], class_of: Mapping[int, str], *, every_id: bool = False
) -> MaskSet:
    """Make a set of a label image that was read.

    Parameters
    ----------
    path : Path
        For messages.
    labels : (H, W) array
        Integers, booleans, or floats that are whole numbers.
    class_of : mapping
        Class names by id.
    every_id : bool
        Whether an id of `class_of` that is not in the image is an empty mask.
    """
    check_size(*labels.shape)
    if labels.dtype == np.bool_:
        labels = labels.view(np.uint8)
    elif labels.dtype.kind == "f":
        labels = _whole_numbers(path, labels)
    masks = MaskSet.from_labels(labels)
    if missing := sorted(set(class_of) - set(masks.ids.tolist())) if every_id else []:
        empty = [np.array([labels.size], np.uint32)] * len(missing)
        more = MaskSet.from_counts(masks.image_size, empty, object_ids=missing)
        joined = MaskSet.concatenate([masks, more], masks.image_size)
        masks = joined.select(np.argsort(joined.ids))
    if class_of:
        masks = masks.with_class_names([class_of.get(int(id_), "") for id_ in masks.ids])
    return masks


def _check_plain(path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    if len(shape) != 2 or np.dtype(dtype).kind not in "buif":
        described = "×".join(map(str, shape))
        raise ImageError(
            f"{path} is no label image: it holds {np.dtype(dtype)} of shape {described}, and one "
            "whole number a pixel is needed, not colours; save the ids themselves."
        )


def _whole_numbers(path: Path, labels: NDArray[Any]) -> NDArray[np.int64]:
    """Ids out of an image of floats, as ImageJ saves what has more than 65,535 of them."""
    exact = 2**24 if labels.dtype.itemsize == 4 else 2**53
    limit = labels.max(initial=0)
    if not np.isfinite(labels).all() or limit > exact or (labels != np.floor(labels)).any():
        raise ImageError(
            f"{path} holds fractions and not ids; it may be the picture itself or a probability, "
            "so save whole numbers, one an object."
        )
    return labels.astype(np.int64)


def class_notes(masks: MaskSet) -> str | None:
    """Class names by id as the text that label images carry; None if there are none."""
    if masks.class_names is None or not any(masks.class_names):
        return None
    pairs = zip(masks.ids.tolist(), masks.class_names, strict=True)
    return json.dumps({_KEY: {"classes": {str(id_): name for id_, name in pairs if name}}})


def _classes(notes: Any) -> dict[int, str]:
    """Class names by id, of text that may be anything."""
    try:
        classes = json.loads(notes)[_KEY]["classes"]
        return {int(id_): str(name) for id_, name in classes.items()}
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return {}


def _imagej_unit(unit: str) -> str:
    """The unit as ImageJ writes it into ASCII."""
    plain = {"µm": "micron", "μm": "micron"}.get(unit, unit)
    return plain.encode("ascii", "backslashreplace").decode().replace("\\xb", "\\u00b")
