"""Run lengths in NumPy's NPZ: all masks with all their columns, lossless.

``counts`` has the run lengths of all masks, one mask after another; ``lengths`` has the number of
runs of each mask. The other arrays are the columns of a `MaskSet`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import ImageError
from anymask.io.guards import check_size, open_zip
from anymask.io.mask_file import MaskFile
from anymask.io.npz_arrays import names_in, read_array, write_arrays
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet

_COLUMNS = ("predicted_iou", "stability_score", "point_coords", "crop_box")
_FORMAT = "anymask run lengths 1"
_REQUIRED = {"counts", "lengths", "image_size"}


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write everything in a `MaskSet`, including overlaps and scores."""
    arrays: dict[str, Any] = {
        "format": np.array(_FORMAT),
        "image_name": np.array(context.image_name),
        "image_size": np.array(masks.image_size, np.int64),
        "lengths": np.array([len(counts) for counts in masks.counts], np.int64),
        "counts": np.concatenate([*masks.counts, np.zeros(0, np.uint32)]).astype(np.uint32),
        **{name: getattr(masks, name) for name in _COLUMNS},
    }
    if masks.object_ids is not None:
        arrays["object_ids"] = masks.object_ids
    if masks.class_names is not None:
        arrays["class_names"] = np.array(masks.class_names, np.str_)
    if masks.likeness is not None:
        arrays["likeness"] = masks.likeness
    return write_arrays(path, arrays)


def load(file: MaskFile) -> MaskSet:
    """Read masks; nothing in the file is unpickled."""
    return read_runs(file.path)


def read_runs(path: Path) -> MaskSet:
    """Read masks from a path.

    Raises
    ------
    ImageError
        If run lengths do not add up to masks of the size in the file.
    """
    with open_zip(path) as archive:
        names = names_in(tuple(archive.namelist()))
        arrays = {
            name: read_array(archive, name)
            for name in (*_REQUIRED, *_COLUMNS, "object_ids", "class_names", "likeness")
            if name in names
        }
    height, width = check_size(*arrays["image_size"].tolist())
    lengths, counts = (arrays[n].astype(np.int64) for n in ("lengths", "counts"))
    if lengths.ndim != 1 or counts.ndim != 1 or (lengths < 0).any() or lengths.sum() != len(counts):
        raise ImageError("The number of run lengths does not match; the file is damaged.")
    pieces = np.split(counts, np.cumsum(lengths)[:-1]) if len(lengths) else []
    if any(piece.sum() != height * width or (piece < 0).any() for piece in pieces):
        raise ImageError(
            f"Run lengths do not add up to masks of {width}×{height} pixels; the file is damaged."
        )
    columns: dict[str, Any] = {
        name: arrays[name] for name in (*_COLUMNS, "object_ids", "likeness") if name in arrays
    }
    if "class_names" in arrays:
        columns["class_names"] = [str(name) for name in arrays["class_names"].tolist()]
    return MaskSet.from_counts(
        (height, width), [piece.astype(np.uint32) for piece in pieces], **columns
    )


def _sniff(file: MaskFile) -> bool:
    return names_in(file.members) >= _REQUIRED


FORMAT = MaskFormat(
    name="npz",
    title="run lengths in NumPy's NPZ",
    suffixes=(".npz",),
    write=save,
    read=load,
    sniff=_sniff,
    ending=".masks.npz",
    keeps_scores=True,
    keeps_prompts=True,
)
