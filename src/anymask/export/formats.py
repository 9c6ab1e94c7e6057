"""The formats that masks are written to, and what each of them cannot hold."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import OutputError
from anymask.export.job import Job
from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import union_of_counts
from anymask.masks.rle import area_of, runs_of


@dataclass(frozen=True)
class Format:
    """One way to write masks.

    Attributes
    ----------
    name : str
        What users call it.
    writer : str
        "module:function" in this package.
    suffix : str
        End of the file's name.
    title : str
        What it is, for a list.
    keeps_overlaps, keeps_ids, keeps_empty, keeps_scores : bool
        Whether these come back when the file is read.
    keeps_pixels : bool
        Whether any masks come back.
    """

    name: str
    writer: str
    suffix: str
    title: str
    keeps_overlaps: bool = True
    keeps_ids: bool = True
    keeps_empty: bool = True
    keeps_scores: bool = False
    keeps_pixels: bool = True

    def save(self, path: Path, masks: MaskSet, job: Job) -> list[Path]:
        """Write masks with the function named by `writer`."""
        module, _, function = self.writer.partition(":")
        write: Callable[[Path, MaskSet, Job], list[Path]] = getattr(
            importlib.import_module(f"anymask.export.{module}"), function
        )
        return write(path, masks, job)


def _labels(name: str, writer: str, suffix: str, title: str) -> Format:
    return Format(name, writer, suffix, title, keeps_overlaps=False, keeps_empty=False)


FORMATS = {
    entry.name: entry
    for entry in (
        Format("coco", "coco_json:save", ".json", "COCO JSON", keeps_scores=True),
        Format("npz", "npz:save_runs", ".npz", "run lengths in NumPy's NPZ", keeps_scores=True),
        _labels("labels", "label_images:save_tiff", ".tif", "label image as TIFF, for ImageJ"),
        _labels("png", "label_images:save_png", ".png", "label image as PNG"),
        _labels("labels-npz", "npz:save_labels", ".npz", "label image in NumPy's NPZ"),
        _labels("zarr", "ome_zarr:save", ".zarr", "OME-Zarr labels"),
        Format(
            "yolo",
            "yolo:save",
            ".txt",
            "YOLO segmentation labels",
            keeps_ids=False,
            keeps_empty=False,
        ),
        Format("voc", "voc:save", ".xml", "Pascal VOC", keeps_overlaps=False),
        Format("labelme", "labelme:save", ".json", "LabelMe JSON", keeps_empty=False),
        Format("geojson", "geojson:save", ".geojson", "GeoJSON", keeps_scores=True),
        Format("imagej", "imagej:save", ".zip", "ImageJ ROIs", keeps_empty=False),
        Format("csv", "tables:save_csv", ".csv", "measurements as CSV", keeps_pixels=False),
        Format(
            "parquet", "tables:save_parquet", ".parquet", "measurements as Parquet",
            keeps_pixels=False,
        ),
    )
}  # fmt: skip
"""All formats by name."""

_BY_SUFFIX = {
    ".json": "coco", ".npz": "npz", ".tif": "labels", ".tiff": "labels", ".png": "png",
    ".zarr": "zarr", ".txt": "yolo", ".xml": "voc", ".geojson": "geojson", ".zip": "imagej",
    ".csv": "csv", ".parquet": "parquet",
}  # fmt: skip


def format_named(name: str) -> Format:
    """Look a format up.

    Raises
    ------
    OutputError
        If there is none of that name.
    """
    if name in FORMATS:
        return FORMATS[name]
    near = get_close_matches(name, FORMATS, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise OutputError(f"There is no format {name!r}; {hint}choose from {', '.join(FORMATS)}.")


def format_of(path: Path) -> Format:
    """The format that a file's name asks for.

    Raises
    ------
    OutputError
        If its suffix is none that masks are written to.

    Examples
    --------
    >>> format_of(Path("cells.geojson")).name
    'geojson'
    """
    if path.parent.name == "labels" and path.parent.parent.suffix == ".zarr":
        return FORMATS["zarr"]
    name = _BY_SUFFIX.get(path.suffix.lower())
    if name is None:
        raise OutputError(
            f"The name {path.name} does not say which format is meant; give it a suffix such as "
            f"{', '.join(_BY_SUFFIX)}, or name the format."
        )
    return FORMATS[name]


def losses(masks: MaskSet, form: Format | str) -> list[str]:
    """What of these masks a format cannot hold.

    Parameters
    ----------
    masks : MaskSet
    form : Format or str

    Returns
    -------
    list of str
        A sentence for each kind of loss; none if the same masks come back.

    Examples
    --------
    >>> masks = MaskSet.from_masks(np.ones((2, 3, 4), bool))
    >>> losses(masks, "labels")
    ['2 of the 2 masks overlap: where they do, only the smaller one is in the file.']
    """
    form = format_named(form) if isinstance(form, str) else form
    if not form.keeps_pixels:
        return []
    told: list[str] = []
    if not form.keeps_overlaps and (number := _overlapping(masks)):
        told.append(
            f"{number} of the {len(masks)} masks overlap: where they do, only the smaller one is "
            "in the file."
        )
    in_order = np.array_equal(np.sort(masks.ids), np.arange(1, len(masks) + 1))
    if not form.keeps_ids and not in_order and masks.object_ids is not None:
        told.append("The file has no ids: when read, masks are numbered from 1 in their order.")
    empty = int(np.count_nonzero(masks.areas == 0))
    if not form.keeps_empty and empty:
        told.append(f"{empty} masks without pixels are left out.")
    return told


def _overlapping(masks: MaskSet) -> int:
    """How many masks have a pixel in common with another one."""
    total = int(masks.areas.sum())
    if not len(masks) or total == area_of(union_of_counts(masks.counts, masks.image_size)):
        return 0
    return len({index for pair in _pairs(masks) for index in pair})


def _pairs(masks: MaskSet) -> list[tuple[int, int]]:
    """Pairs of runs' owners whose runs meet; every mask that overlaps one is in a pair."""
    runs: list[Any] = [runs_of(counts) for counts in masks.counts]
    starts = np.concatenate([start for start, _ in runs])
    stops = np.concatenate([stop for _, stop in runs])
    owner = np.repeat(np.arange(len(runs)), [len(start) for start, _ in runs])
    order = np.argsort(starts, kind="stable")
    starts, stops, owner = starts[order], stops[order], owner[order]
    # The run that reaches farthest of those before: whoever begins before its end overlaps it.
    reach = np.maximum.accumulate(stops)
    farthest = np.maximum.accumulate(np.where(stops == reach, np.arange(len(stops)), 0))
    late = np.flatnonzero(starts[1:] < reach[:-1]) + 1
    return list(zip(owner[late].tolist(), owner[farthest[late - 1]].tolist(), strict=True))
