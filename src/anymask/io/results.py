"""File names of results, and the four results that are written together or not at all.

========================= ===========================================================
``NAME.overlay.png``      the image with the masks painted over it
``NAME.labels.tif``       one id per pixel, 0 for none; uint16, or uint32 past 65,535; for ImageJ
``NAME.masks.json``       COCO, with compressed run lengths and scores
``NAME.masks.csv``        one row per mask: id, area in pixels, box (XYWH), centroid, scores, class;
                          if the pixel size is known, lengths and areas in its unit
========================= ===========================================================

An id is the same in all of them and has the same colour in every overlay. If the label image is
corrected afterwards, its masks are used from then on (`corrected.py`).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.files import whole_file
from anymask.images.earth import row_areas
from anymask.io.coco_file import in_portions, write_coco
from anymask.io.label_images import class_notes, pixels_sha256
from anymask.io.mask_formats.label_tiff import write_tiff
from anymask.io.registry import mask_formats
from anymask.io.write_context import WriteContext, place_of
from anymask.masks.mask_set import MaskSet
from anymask.painting import enlargement, overlay

if TYPE_CHECKING:
    from anymask.masks.measure import Measurements

OVERLAY, LABELS, CSV, JSON = ".overlay.png", ".labels.tif", ".masks.csv", ".masks.json"
LABELS_ZARR = ".labels.zarr"
"""The labels of an image too large for one TIFF; see io/large_results.py."""
SUFFIXES = (OVERLAY, LABELS, CSV, JSON)
BINARY, SEMANTIC = ".binary.png", ".semantic.png"
"""White on black: the union of all masks of an image, and all pixels of a class."""
CLEANED = ".cleaned"
"""Between NAME and the ending of a result that was cleaned."""
SCORES = (".scores.npz", ".scores.tif")
"""The score of every pixel."""
NO_MASKS = (OVERLAY, BINARY, SEMANTIC, *SCORES, "evaluation.json")
"""Endings of files that anymask writes besides masks, and that contain no masks."""

_COLUMNS = (
    "id",
    "area",
    "bbox_x",
    "bbox_y",
    "bbox_width",
    "bbox_height",
    "centroid_x",
    "centroid_y",
    "predicted_iou",
    "stability_score",
)


def result_path(stem: Path, suffix: str) -> Path:
    """Path of one result, from the common stem of an image's results.

    >>> result_path(Path("out/scan.v2"), LABELS).as_posix()
    'out/scan.v2.labels.tif'
    """
    return stem.with_name(stem.name + suffix)


def has_results(stem: Path) -> bool:
    """Whether all results of an image exist; its labels may be TIFF or Zarr."""
    there = {suffix: result_path(stem, suffix).is_file() for suffix in SUFFIXES}
    there[LABELS] |= result_path(stem, LABELS_ZARR).is_dir()
    return all(there.values())


def stem_of(path: Path) -> str:
    """The name of a result's image: the file name without the endings of results.

    >>> [stem_of(Path(name)) for name in ("a.masks.json", "a.labels.tif", "b.v2.png", "c.rois.zip")]
    ['a', 'a', 'b.v2', 'c']
    """
    stem = Path(path.stem)
    kinds = {f".{ending.split('.')[1]}" for ending in _own_endings()}
    return stem.stem if stem.suffix in kinds else path.stem


def is_result(path: Path) -> bool:
    """Whether a file is named like a file that anymask writes beside an image."""
    return path.name.endswith((*NO_MASKS, *_own_endings()))


def _own_endings() -> list[str]:
    """Endings that only anymask's results have, such as ``.labels.tif``."""
    return [form.ending for form in mask_formats().values() if form.ending.count(".") > 1]


def write_results(
    stem: Path,
    image: np.ndarray | None,
    masks: MaskSet,
    *,
    image_name: str,
    info: Mapping[str, Any] | None = None,
    pixel_size: tuple[float, float] | None = None,
    unit: str | None = None,
    geo: Mapping[str, Any] | None = None,
    painted: np.ndarray | None = None,
) -> list[Path]:
    """Write the results of one image.

    Parameters
    ----------
    stem : Path
        Folder and NAME of the results.
    image : ndarray, uint8, (H, W, 3), or None
        The image, for the overlay. Without it, and without `painted`, there is no overlay, and one
        of earlier masks is removed.
    masks : MaskSet
        Its masks.
    image_name : str
        File name of the image, stored in the COCO file.
    info : mapping, optional
        Stored in the COCO file as its ``info``, with ``labels_sha256`` of the label image.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`, for the label image.
    unit : str, optional
    geo : mapping, optional
        Geo-reference of the image as in `Image.geo`, for the label image.
    painted : ndarray, uint8, (h, w, 3), optional
        The overlay to save; by default the masks painted over `image`, enlarged if it is small.

    Returns
    -------
    list of Path
        The files written: overlay, labels, table, COCO.

    Raises
    ------
    OutputError
        If a file cannot be written; none of them has then changed.
    """
    labels = masks.to_labels()
    # With this, each of the two tells whether it was changed since; see io/corrected.py.
    info = {**(info or {}), "labels_sha256": pixels_sha256(labels)}
    if painted is None and image is not None:
        painted = overlay(image, labels, scale=enlargement(labels.shape))
    suffixes = SUFFIXES if painted is not None else SUFFIXES[1:]
    targets = {suffix: result_path(stem, suffix) for suffix in suffixes}
    with ExitStack() as pending:
        # Files are renamed in reverse order, the COCO file last, because it marks an image as done.
        part = {s: pending.enter_context(whole_file(targets[s])) for s in reversed(suffixes)}
        if painted is not None:
            save_png(part[OVERLAY], painted)
        else:
            result_path(stem, OVERLAY).unlink(missing_ok=True)
        context = WriteContext(image_name, pixel_size=pixel_size, unit=unit, **place_of(geo))
        save_labels(part[LABELS], labels, context, class_notes(masks))
        save_table(part[CSV], masks, sizes_of(masks, pixel_size, unit, geo))
        write_coco(part[JSON], masks, image_name, info)
    rmtree(result_path(stem, LABELS_ZARR), ignore_errors=True)  # of an earlier run in blocks
    return list(targets.values())


def save_png(path: Path, image: np.ndarray) -> None:
    """Save a uint8 RGB array as PNG."""
    from PIL import Image

    Image.fromarray(image).save(path, format="PNG")


def save_labels(
    path: Path, labels: np.ndarray, context: WriteContext | None = None, notes: str | None = None
) -> None:
    """Save a label image as TIFF with unchanged ids, in 16 bits or more if needed."""
    write_tiff(path, labels.astype(np.promote_types(labels.dtype, np.uint16)), context, notes)


def save_table(path: Path, masks: MaskSet, sizes: Measurements | None = None) -> None:
    """Save one row per mask as CSV; unknown numbers are left empty.

    Parameters
    ----------
    path : Path
    masks : MaskSet
    sizes : Measurements, optional
        Further columns, which are named with their units.
    """
    added = {} if sizes is None else sizes.with_units_in_names()
    places = {id_: index for index, id_ in enumerate(masks.ids.tolist())}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        named = masks.class_names is not None
        alike = masks.likeness is not None
        writer.writerow([*_COLUMNS, *["class_name"] * named, *["likeness"] * alike, *added])
        for row in (row for portion in in_portions(masks) for row in portion.to_table()):
            centroid = (_rounded(v, 2) for v in row["centroid"])
            scores = (_rounded(row[name], 4) for name in _COLUMNS[-2:])
            name = [row["class_name"]] if named else []
            like = [_rounded(row["likeness"], 4)] if alike else []
            own = (_significant(column[places[row["id"]]]) for column in added.values())
            known = [*centroid, *scores, *name, *like]
            writer.writerow([row["id"], row["area"], *row["bbox"], *known, *own])


def sizes_of(
    masks: MaskSet,
    pixel_size: tuple[float, float] | None,
    unit: str | None,
    geo: Mapping[str, Any] | None,
) -> Measurements | None:
    """Lengths and areas in a physical unit; None if the pixel size is unknown."""
    from anymask.masks.measure import SIZES, Measurements, measure

    if pixel_size is None or not unit:
        return None
    areas = row_areas(geo, masks.image_size[0], unit)
    found = measure(masks, pixel_size=pixel_size, unit=unit, properties=SIZES, row_areas=areas)
    # Where pixels are in degrees or stretched, some sizes are in pixels still.
    units = {name: unit for name, unit in found.units.items() if unit != "pixels"}
    return Measurements({name: found[name] for name in units}, units)


def _rounded(value: float, digits: int) -> float | str:
    return round(float(value), digits) if np.isfinite(value) else ""


def _significant(value: float) -> float | str:
    """A size with 6 digits, which no unit makes too few."""
    return float(f"{value:.6g}") if np.isfinite(value) else ""
