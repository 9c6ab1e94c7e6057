"""Label images in NumPy's NPY; read-only."""

from __future__ import annotations

import numpy as np

from anymask.errors import ImageError
from anymask.images.memory import check_fits
from anymask.io.label_images import ADVICE, check_plain, masks_of_labels
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.masks.mask_set import MaskSet


def load(file: MaskFile) -> MaskSet:
    """Read a label image from an NPY file."""
    path = file.path
    try:
        labels = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "Python objects" not in str(error):
            raise
        raise ImageError(
            f"{path} has Python objects, which could do harm and are not read; save the masks as "
            "a label image (Cellpose: _cp_masks.png or .tif)."
        ) from None
    check_plain(path, labels.shape, labels.dtype)
    check_fits(labels.shape, labels.dtype.itemsize, str(path), ADVICE)
    return masks_of_labels(path, np.asarray(labels), {})


def _sniff(file: MaskFile) -> bool:
    return file.start.startswith(b"\x93NUMPY")


FORMAT = MaskFormat(
    name="npy",
    title="label image in NumPy's NPY",
    suffixes=(".npy",),
    read=load,
    sniff=_sniff,
    is_label_image=True,
    keeps_overlaps=False,
    keeps_empty=False,
)
