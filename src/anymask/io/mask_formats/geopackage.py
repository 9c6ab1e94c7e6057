"""GeoPackage (OGC 12-128): outlines on the map or in pixels, for QGIS and other GIS programs.

Unlike GeoJSON it holds any reference system, also one without a code. The layer is called
``masks``; what reading it again needs to know of the image is in the layer's metadata.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from anymask.files import whole_file
from anymask.images.image import Image
from anymask.io.features import image_of
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.vector_files import notes_in, read_layer, write_layer
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet

_SQLITE, _APPLICATION, _IDS = b"SQLite format 3\0", slice(68, 72), (b"GPKG", b"GP10", b"GP11")


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write one feature per mask.

    Raises
    ------
    OutputError
        If pyogrio or shapely is missing, or the map's reference system is unknown.
    """
    content = io.BytesIO()
    write_layer(content, "GPKG", masks, context, layer="masks")
    with whole_file(path) as part:
        part.write_bytes(content.getvalue())
    return [path]


def _sniff(file: MaskFile) -> bool:
    return file.start.startswith(_SQLITE) and file.start[_APPLICATION] in _IDS


def _images_in(file: MaskFile) -> list[tuple[str | None, str | None]]:
    name: Any = notes_in(file.path).get("image")
    return [(None, name if isinstance(name, str) else None)]


def _scale(path: Path) -> Image | None:
    return image_of(notes_in(path))


FORMAT = MaskFormat(
    name="gpkg",
    title="GeoPackage",
    suffixes=(".gpkg",),
    write=save,
    read=read_layer,
    sniff=_sniff,
    images_in=_images_in,
    scale=_scale,
    keeps_scores=True,
)
