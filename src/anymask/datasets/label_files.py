"""Reads the masks of one image: label images, binary masks, files of annotation tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from anymask.datasets.packed_masks import PackedMasks
from anymask.datasets.types import Objects, Truth
from anymask.errors import ImageError
from anymask.images.memory import check_fits
from anymask.io.label_images import only_page, without_nodata
from anymask.io.mask_formats.voc import png_paths
from anymask.io.read_masks import load_masks
from anymask.label_ids import checked_labels
from anymask.masks import rle
from anymask.masks.mask_set import MaskSet

JPEG = (".jpg", ".jpeg")
PICTURES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".npy", *JPEG)
"""Suffixes of label images and binary masks."""
ANNOTATIONS = (".json", ".geojson", ".npz", ".zip", ".roi", ".txt", ".xml")
"""Suffixes of annotation files for one image, which `anymask.load_masks` reads."""

_DAMAGE = (OSError, ValueError, SyntaxError, IndexError, Image.DecompressionBombError)
_WHITE = 255
# If this share of a mask's pixels is nearly white and the rest is grey, its edges are smoothed.
_MOSTLY, _NEARLY_WHITE = 0.5, 240
# Fewer values than this may be grey levels that stand for classes.
_GREYS = 6


def read_labels(path: Path) -> NDArray[Any]:
    """Read a label image or binary mask (H, W) as integers.

    JPEG does not keep ids, so a mask saved as JPEG is binary: 255 above middle grey.

    Raises
    ------
    ImageError
        If the file cannot be read or contains colours instead of ids.
    """
    try:
        if path.suffix.lower() == ".npy":
            labels = np.load(path, allow_pickle=False)
        elif path.suffix.lower() in (".tif", ".tiff"):
            with tifffile.TiffFile(path) as tiff:
                page = only_page(tiff, path)
                advice = "check that the file is whole"
                check_fits(page.shape, np.dtype(page.dtype).itemsize, str(path), advice)
                labels = without_nodata(page.asarray(), page)
        else:
            with Image.open(path) as picture:
                grey = picture.convert("L") if path.suffix.lower() in JPEG else picture
                labels = np.asarray(grey)
    except _DAMAGE as error:
        raise ImageError(
            f"{path} cannot be read as masks ({error}); save them again as PNG or TIFF."
        ) from error
    if path.suffix.lower() in JPEG:
        return np.where(labels > _WHITE // 2, np.uint8(_WHITE), np.uint8(0))
    if labels.ndim == 3 and labels.shape[2] in (2, 4):
        labels = labels[..., :-1]  # drop the alpha channel
    if labels.ndim == 3 and (labels == labels[..., :1]).all():
        labels = labels[..., 0]  # a grey image saved as RGB
    return (
        labels if labels.dtype == np.bool_ else checked_labels(labels, str(path), error=ImageError)
    )


def masks_of_labels(labels: NDArray[Any], objects: Objects = "auto") -> PackedMasks:
    """Split a label image into one mask per object, in the order of the ids.

    Examples
    --------
    >>> [int(mask.sum()) for mask in masks_of_labels(np.array([[1, 0, 2], [1, 0, 1]]))]
    [3, 1]
    >>> binary = np.array([[255, 0, 255], [255, 0, 255]], np.uint8)
    >>> [int(mask.sum()) for mask in masks_of_labels(binary)]
    [2, 2]
    """
    labels, ids = _with_ids(labels, objects)
    binary = labels.dtype == np.bool_ or ids.tolist() == [_WHITE]
    if objects == "components" or (objects == "auto" and binary):
        labels, _ = ndimage.label(labels != 0, np.ones((3, 3), int))
    return PackedMasks.of_labels(labels)


def truth_of(paths: Sequence[Path], objects: Objects, size: tuple[int, int]) -> Truth:
    """Read the masks of one image from one or several files.

    Several binary masks, or the masks in a folder, are several objects, one per file.

    Parameters
    ----------
    paths : sequence of Path
        Files, or one folder.
    objects : {"auto", "ids", "components", "classes"}
    size : tuple of int
        Height and width of the image, for files that do not store it.
    """
    if len(paths) == 1 and paths[0].is_dir():
        files = sorted(p for p in paths[0].iterdir() if p.suffix.lower() in PICTURES)
        return Truth(PackedMasks.of(read_labels(path) != 0 for path in files))
    parts = [_truth_of_file(path, objects, size, alone=len(paths) == 1) for path in paths]
    masks = PackedMasks.joined(PackedMasks.of(part.masks) for part in parts)
    if not any(part.classes for part in parts):
        return Truth(masks)
    classes = [name for p in parts for name in p.classes or ("",) * len(p.masks)]
    return Truth(masks, tuple(classes))


def without_parts_of_voc(files: Sequence[Path]) -> list[Path]:
    """Drop the PNGs that belong to a Pascal VOC file, and VOC files with boxes only.

    Reading ``x.xml`` also reads its PNG of objects; an XML file without one has no masks.
    """
    parts: set[Path] = set()
    for path in files:
        if path.suffix.lower() == ".xml":
            of_class, of_object, _ = png_paths(path)
            parts |= {of_class, of_object} if of_object.is_file() else {path}
    return [path for path in files if path not in parts]


def truth_of_set(masks: MaskSet, objects: Objects = "auto") -> Truth:
    """Return the masks of a `MaskSet` in the order of their ids, with their classes."""
    order = np.argsort(masks.ids)
    names = masks.class_names
    classes = tuple(names[i] for i in order) if names is not None and any(names) else ()
    truth = Truth(PackedMasks.of(masks.select(order)), classes)
    return joined_by_class(truth) if objects == "classes" else truth


def joined_by_class(truth: Truth) -> Truth:
    """Join all objects of a class into one; objects without a class are left out."""
    names = [name for name in dict.fromkeys(truth.classes) if name]
    masks = PackedMasks.of(truth.masks)
    groups = [[i for i, own in enumerate(truth.classes) if own == name] for name in names]
    for name, group in zip(names, groups, strict=True):
        sizes = sorted({masks.sizes[i] for i in group})
        if len(sizes) > 1:
            (h, w), (other_h, other_w) = sizes[:2]
            raise ImageError(
                f"Masks of the class {name} are {w}×{h} and {other_w}×{other_h} pixels; give all "
                "at the image's size."
            )
    united = [rle.union([masks.counts[i] for i in g], masks.sizes[g[0]]) for g in groups]
    return Truth(PackedMasks(united, [masks.sizes[g[0]] for g in groups]), tuple(names))


def _truth_of_file(path: Path, objects: Objects, size: tuple[int, int], *, alone: bool) -> Truth:
    if path.suffix.lower() in ANNOTATIONS:
        return truth_of_set(load_masks(path, size), objects)
    labels, ids = _with_ids(read_labels(path), objects)
    if objects == "classes":
        return Truth(PackedMasks.of_labels(labels), tuple(str(int(i)) for i in ids))
    if objects == "auto" and not alone and len(ids) == 1:
        return Truth(PackedMasks.of([labels != 0]))
    return Truth(masks_of_labels(labels, objects))


def _with_ids(labels: NDArray[Any], objects: Objects) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return labels and their ids; a binary mask with smoothed edges is made sharp."""
    ids, counts = np.unique(labels, return_counts=True)
    ids, counts = ids[ids != 0], counts[ids != 0]
    may_be_binary = objects in ("auto", "components") and labels.dtype == np.uint8
    if may_be_binary and len(ids) >= _GREYS and ids[-1] == _WHITE:
        # Ids start at 1; greys of a smoothed edge are on both sides of middle grey.
        of_both_sides = ids[0] <= _WHITE // 2 < ids[-2]
        bright = counts[ids >= _NEARLY_WHITE].sum()
        if of_both_sides and bright > _MOSTLY * counts.sum():
            sharp = np.where(labels > _WHITE // 2, np.uint8(_WHITE), np.uint8(0))
            return sharp, ids[-1:]
    return labels, ids
