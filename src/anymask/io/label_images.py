"""Shared by all label-image formats: one id per pixel, 0 for background.

Ids are never changed, and the dtype is the smallest that holds the largest id. Class names are
stored in the file's own text fields. Where masks overlap, the smaller one is on top.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.memory import check_fits
from anymask.images.nodata import holes, parse_nodata
from anymask.io.guards import check_size
from anymask.label_ids import checked_labels
from anymask.masks.mask_set import MaskSet

if TYPE_CHECKING:
    import tifffile

KEY = "anymask"
"""Name of the text field in PNG, and the key in its JSON, for class names."""
ADVICE = "save the masks as COCO or NPZ, which hold run lengths"
"""Advice for a label image that does not fit into memory."""

_GDAL_NODATA = 42113  # the tag of TIFF
_REDUCED_OR_MASK = 1 | 4  # values of TIFF's tag NewSubfileType
_PNG_MODES = ("1", "L", "P", "I;16", "I;16B", "I;16L", "I;16N", "I")


def masks_of_labels(
    path: Path, labels: NDArray[Any], class_of: Mapping[int, str], *, every_id: bool = False
) -> MaskSet:
    """Make a `MaskSet` from a label image.

    Parameters
    ----------
    path : Path
        The file, for messages.
    labels : (H, W) array
        Integers, booleans, or floats with whole numbers.
    class_of : mapping
        Class names by id.
    every_id : bool
        Whether an id of `class_of` that is not in the image becomes an empty mask.
    """
    check_size(*labels.shape)
    masks = MaskSet.from_labels(checked_labels(labels, str(path)))
    if missing := sorted(set(class_of) - set(masks.ids.tolist())) if every_id else []:
        empty = [np.array([labels.size], np.uint32)] * len(missing)
        more = MaskSet.from_counts(masks.image_size, empty, object_ids=missing)
        joined = MaskSet.concatenate([masks, more], masks.image_size)
        masks = joined.select(np.argsort(joined.ids))
    if class_of:
        masks = masks.with_class_names([class_of.get(int(id_), "") for id_ in masks.ids])
    return masks


def check_plain(path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    """Refuse anything but a label image: two axes, and numbers."""
    if len(shape) != 2 or np.dtype(dtype).kind not in "buif":
        described = "×".join(map(str, shape))
        raise ImageError(
            f"{path} is not a label image: it has {np.dtype(dtype)} of shape {described} instead "
            "of one whole number per pixel; save the ids themselves, not colours."
        )


def pixels_sha256(labels: Any, rows: int | None = None) -> str:
    """Return the SHA-256 of a label image's ids, the same for any dtype and file.

    Parameters
    ----------
    labels : (H, W) array, or anything that is sliced like one
    rows : int, optional
        How many rows are looked at together; by default about a million pixels.

    Examples
    --------
    >>> small = np.array([[0, 7]], np.uint8)
    >>> pixels_sha256(small) == pixels_sha256(small.astype(np.int64))
    True
    """
    digest = hashlib.sha256(f"{labels.shape[0]}x{labels.shape[1]}".encode())
    step = rows or max(1, (1 << 20) // max(1, labels.shape[1]))
    for top in range(0, labels.shape[0], step):
        digest.update(labels[top : top + step].astype("<i8").tobytes())
    return digest.hexdigest()


def class_notes(masks: MaskSet) -> str | None:
    """Class names by id as text to store in a label image; None if there are none."""
    if masks.class_names is None or not any(masks.class_names):
        return None
    pairs = zip(masks.ids.tolist(), masks.class_names, strict=True)
    return json.dumps({KEY: {"classes": {str(id_): name for id_, name in pairs if name}}})


def classes_in(notes: Any) -> dict[int, str]:
    """Class names by id from a text field, which may hold anything."""
    try:
        classes = json.loads(notes)[KEY]["classes"]
        return {int(id_): str(name) for id_, name in classes.items()}
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return {}


def only_page(tiff: tifffile.TiffFile, path: Path) -> tifffile.TiffPage:
    """The page of a label image in TIFF; smaller copies and masks of it, if marked, do not count.

    Raises
    ------
    ImageError
        If there are several pages.
    """
    pages = [page.aspage() for page in tiff.pages]
    own = [page for page in pages if not page.subfiletype & _REDUCED_OR_MASK]
    if len(own) != 1:
        raise ImageError(
            f"{path} has {len(pages)} pages, but a label image has one; save one alone."
        )
    return own[0]


def without_nodata(labels: NDArray[Any], page: tifffile.TiffPage) -> NDArray[Any]:
    """Put background where GDAL's tag says that there is no data, such as 65535 or -9999."""
    nodata = parse_nodata(page.tags.valueof(_GDAL_NODATA))
    if nodata is None:
        return labels
    missing = np.isnan(labels) if nodata != nodata else holes(labels, nodata)
    return labels if missing is None else np.where(missing, labels.dtype.type(0), labels)


def read_png(path: Path) -> tuple[NDArray[Any], bool, str | None]:
    """Read the numbers in a PNG.

    Returns
    -------
    numbers : (H, W) array
    indexed : bool
        Whether they are palette indices.
    notes : str or None
        Text that anymask stored with them.

    Raises
    ------
    ImageError
        If it has colours, or does not fit into memory.
    """
    from PIL import PngImagePlugin

    # Not with Image.open, whose pixel limit is lower than what fits into memory.
    with PngImagePlugin.PngImageFile(path) as image:
        check_plain(path, image.size[::-1] + (3,) * (image.mode not in _PNG_MODES), np.uint16)
        check_fits(image.size[::-1], 4, str(path), ADVICE)
        return np.array(image), image.mode == "P", image.info.get(KEY)
