"""The results of an image that was segmented in blocks: its labels are OME-Zarr, made elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from anymask.files import output_error, whole_file
from anymask.io.coco_file import write_coco
from anymask.io.label_images import pixels_sha256
from anymask.io.label_pyramid import CHUNK, open_level
from anymask.io.results import (
    CSV,
    JSON,
    LABELS,
    LABELS_ZARR,
    OVERLAY,
    result_path,
    save_png,
    save_table,
    sizes_of,
)
from anymask.masks.mask_set import MaskSet


def write_large_results(
    stem: Path,
    masks: MaskSet,
    labels: Path,
    painted: np.ndarray,
    *,
    image_name: str,
    info: Mapping[str, Any],
    pixel_size: tuple[float, float] | None = None,
    unit: str | None = None,
    geo: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write the results of one image, of which the labels are finished.

    Parameters
    ----------
    stem, masks, image_name, info, pixel_size, unit, geo
        As for `anymask.io.results.write_results`.
    labels : Path
        The folder of the labels, which is moved to its place.
    painted : ndarray, uint8, (h, w, 3)
        The overlay, which may be smaller than the image.

    Returns
    -------
    list of Path
        The files written: overlay, labels, table, COCO.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    targets = {suffix: result_path(stem, suffix) for suffix in (OVERLAY, LABELS_ZARR, CSV, JSON)}
    info = {**info, "labels_sha256": pixels_sha256(open_level(labels, 0), CHUNK)}
    with ExitStack() as pending:
        # Renamed in reverse order, the COCO file last, because it marks an image as done.
        part = {s: pending.enter_context(whole_file(targets[s])) for s in (JSON, CSV, OVERLAY)}
        save_png(part[OVERLAY], painted)
        save_table(part[CSV], masks, sizes_of(masks, pixel_size, unit, geo))
        write_coco(part[JSON], masks, image_name, info)
        try:
            targets[JSON].unlink(missing_ok=True)  # the old one does not belong to these labels
            shutil.rmtree(targets[LABELS_ZARR], ignore_errors=True)
            os.replace(labels, targets[LABELS_ZARR])
            result_path(stem, LABELS).unlink(missing_ok=True)  # of an earlier run as a whole
        except OSError as error:
            raise output_error(targets[LABELS_ZARR], error) from error
    return list(targets.values())
