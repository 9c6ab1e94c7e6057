"""The pixel size that files with masks know: it goes along where they are written anew."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from anymask.errors import ImageError
from anymask.export import ome_zarr
from anymask.export.results import JSON, LABELS
from anymask.images.formats.common import reading
from anymask.images.image import Image


def scale_of(path: Path) -> dict[str, Any]:
    """Read ``pixel_size`` and ``unit`` of a result, for `save_masks`; empty if it has none.

    Label images as TIFF and OME-Zarr have them. Beside a ``NAME.masks.json`` its
    ``NAME.labels.tif`` does.
    """
    beside = path.with_name(path.name.removesuffix(JSON) + LABELS)
    if path.name.endswith(JSON) and beside.is_file():
        path = beside
    labels: Image | None = None
    with suppress(ImageError), reading(path):
        if path.suffix.lower() in (".tif", ".tiff"):
            from anymask.images.formats import tiff

            labels = tiff.read(path)
        elif ome_zarr.is_zarr(path):
            from anymask.images.formats import zarr_store

            path = ome_zarr.label_image_of(path)
            ome_zarr.check_codecs(path)
            labels = zarr_store.read(path)
    if labels is None or labels.pixel_size is None or not labels.unit:
        return {}
    return {"pixel_size": labels.pixel_size, "unit": labels.unit}
