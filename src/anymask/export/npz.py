"""NumPy's NPZ: every mask with all its columns as run lengths, or a label image.

Run lengths of all masks follow each other in ``counts``; ``lengths`` says how many each mask has.
The other arrays are the columns of a `MaskSet`. A label image is the array ``labels``.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.export.guards import check_size, open_zip
from anymask.export.job import Job
from anymask.export.label_images import masks_of_labels
from anymask.files import whole_file
from anymask.masks.mask_set import MaskSet

_COLUMNS = ("predicted_iou", "stability_score", "point_coords", "crop_box")
_FORMAT = "anymask run lengths 1"


def save_runs(path: Path, masks: MaskSet, job: Job) -> list[Path]:
    """Write everything a `MaskSet` holds; the same comes back, overlaps and scores included."""
    arrays: dict[str, Any] = {
        "format": np.array(_FORMAT),
        "image_name": np.array(job.image_name),
        "image_size": np.array(masks.image_size, np.int64),
        "lengths": np.array([len(counts) for counts in masks.counts], np.int64),
        "counts": np.concatenate([*masks.counts, np.zeros(0, np.uint32)]).astype(np.uint32),
        **{name: getattr(masks, name) for name in _COLUMNS},
    }
    if masks.object_ids is not None:
        arrays["object_ids"] = masks.object_ids
    if masks.class_names is not None:
        arrays["class_names"] = np.array(masks.class_names, np.str_)
    _save(path, arrays)
    return [path]


def save_labels(path: Path, masks: MaskSet, job: Job) -> list[Path]:
    """Write the label image as ``labels``, with ``ids`` and ``class_names`` if there are any."""
    arrays: dict[str, Any] = {"labels": masks.to_labels()}
    if masks.class_names is not None:
        arrays["ids"] = masks.ids
        arrays["class_names"] = np.array(masks.class_names, np.str_)
    _save(path, arrays)
    return [path]


def load(path: Path) -> MaskSet:
    """Read either; nothing in the file is unpickled."""
    with open_zip(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
        if {"counts", "lengths", "image_size"} <= names:
            return _load_runs(archive, names)
        if "labels" in names or len(names) == 1:
            labels = _array(archive, "labels" if "labels" in names else names.pop())
            class_of = {}
            if {"ids", "class_names"} <= names:
                ids, classes = _array(archive, "ids"), _array(archive, "class_names")
                class_of = dict(zip(ids.tolist(), map(str, classes.tolist()), strict=True))
            if labels.ndim != 2 or labels.dtype.kind not in "buif":
                raise ImageError(f"{path} holds {labels.dtype} of shape {labels.shape}, no labels.")
            return masks_of_labels(path, labels, class_of)
    raise ImageError(
        f"{path} holds {', '.join(sorted(names)[:6]) or 'no arrays'} and no masks; the label image "
        "must be called 'labels'."
    )


def _load_runs(archive: zipfile.ZipFile, names: set[str]) -> MaskSet:
    height, width = check_size(*_array(archive, "image_size").tolist())
    lengths, counts = (_array(archive, n).astype(np.int64) for n in ("lengths", "counts"))
    if lengths.ndim != 1 or counts.ndim != 1 or (lengths < 0).any() or lengths.sum() != len(counts):
        raise ImageError("The run lengths are not as many as promised; the file is damaged.")
    pieces = np.split(counts, np.cumsum(lengths)[:-1]) if len(lengths) else []
    if any(piece.sum() != height * width or (piece < 0).any() for piece in pieces):
        raise ImageError(
            f"Run lengths do not add up to masks of {width}×{height} pixels; the file is damaged."
        )
    columns: dict[str, Any] = {
        name: _array(archive, name) for name in (*_COLUMNS, "object_ids") if name in names
    }
    if "class_names" in names:
        columns["class_names"] = [str(name) for name in _array(archive, "class_names").tolist()]
    return MaskSet.from_counts(
        (height, width), [piece.astype(np.uint32) for piece in pieces], **columns
    )


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        old = version == (1, 0)
        read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    # NumPy takes memory for what the header promises before it looks how much there is.
    if dtype.hasobject or math.prod(shape) * dtype.itemsize > member.file_size:
        raise ImageError(
            f"The array {name!r} is not what its header promises; the file is damaged."
        )
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with whole_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
