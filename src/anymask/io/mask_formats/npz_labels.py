"""Label images in NumPy's NPZ: the array ``labels``, and ``ids`` with their ``class_names``.

Any other NPZ with a single array, a label image, is read too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import ImageError
from anymask.io.guards import open_zip
from anymask.io.label_images import masks_of_labels
from anymask.io.mask_file import MaskFile
from anymask.io.npz_arrays import names_in, read_array, write_arrays
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write the label image as ``labels``, and ``ids`` and ``class_names`` if there are classes."""
    arrays: dict[str, Any] = {"labels": masks.to_labels()}
    if masks.class_names is not None:
        arrays["ids"] = masks.ids
        arrays["class_names"] = np.array(masks.class_names, np.str_)
    return write_arrays(path, arrays)


def load(file: MaskFile) -> MaskSet:
    """Read a label image; nothing in the file is unpickled."""
    path, names = file.path, names_in(file.members)
    if "labels" not in names and len(names) != 1:
        raise ImageError(
            f"{path} has the arrays {', '.join(sorted(names)[:6])} but no masks; name the label "
            "image 'labels'."
        )
    class_of: dict[int, str] = {}
    with open_zip(path) as archive:
        labels = read_array(archive, "labels" if "labels" in names else next(iter(names)))
        if {"ids", "class_names"} <= names:
            ids, classes = read_array(archive, "ids"), read_array(archive, "class_names")
            class_of = dict(zip(ids.tolist(), map(str, classes.tolist()), strict=True))
    if labels.ndim != 2 or labels.dtype.kind not in "buif":
        raise ImageError(
            f"{path} has {labels.dtype} of shape {labels.shape}, which is not a label image; save "
            "one whole number per pixel."
        )
    return masks_of_labels(path, labels, class_of)


def _sniff(file: MaskFile) -> bool:
    names = names_in(file.members)
    return bool(names) and not names >= {"counts", "lengths", "image_size"}


FORMAT = MaskFormat(
    name="labels-npz",
    title="label image in NumPy's NPZ",
    suffixes=(".npz",),
    write=save,
    read=load,
    sniff=_sniff,
    ending=".labels.npz",
    is_label_image=True,
    keeps_overlaps=False,
    keeps_empty=False,
)
