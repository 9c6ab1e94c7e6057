"""Shapefile: outlines for older GIS programs; prefer GeoPackage where you can choose.

NAME.shp comes with NAME.shx, NAME.dbf (ids, classes and scores; names of columns have at most ten
letters), NAME.cpg (the encoding) and, on a map, NAME.prj (the reference system). None of them has
the image's size.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from anymask.errors import ImageError, OutputError
from anymask.files import write_together
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.vector_files import read_layer, write_layer
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet

_COLUMNS = {"predicted_iou": "pred_iou", "stability_score": "stability"}
_BESIDE = (".shx", ".dbf", ".prj", ".cpg")
_MAGIC = b"\x00\x00\x27\x0a"
_LENGTH = slice(24, 28)  # of the header: the length of the file in words of 16 bits


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write one feature per mask.

    Raises
    ------
    OutputError
        If pyogrio or shapely is missing, or the map's reference system is unknown.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "masks.shp")
        write_layer(whole, "ESRI Shapefile", masks, context, _COLUMNS, encoding="UTF-8")
        parts = {part.suffix: part.read_bytes() for part in Path(folder).iterdir()}
        if not _is_whole(whole, len(masks)):  # GDAL does not say when a disk is full
            raise OutputError(
                f"Cannot write {path}: there is no space for temporary files in {folder}; free "
                "some."
            )
    # The main file last: with it the result is complete.
    names = [suffix for suffix in (*_BESIDE, ".shp") if suffix in parts]
    return write_together({path.with_suffix(suffix): parts[suffix] for suffix in names})[::-1]


def _is_whole(path: Path, features: int) -> bool:
    """Whether a new file has all its features and, as its header says, all its bytes."""
    try:
        with path.open("rb") as file:
            words = int.from_bytes(file.read(28)[_LENGTH], "big")
        return path.stat().st_size == 2 * words and _rows(path.with_suffix(".dbf")) == features
    except OSError:
        return False


def _rows(path: Path) -> int:
    """The rows of a dBASE table that has all its bytes; -1 of one that has not."""
    with path.open("rb") as file:
        start = file.read(12)
    rows, header, row = (
        int.from_bytes(start[i:j], "little") for i, j in ((4, 8), (8, 10), (10, 12))
    )
    return rows if path.stat().st_size >= header + rows * row > 0 else -1


def load(file: MaskFile) -> MaskSet:
    """Read the polygons; the size and place of the image come from the `MaskFile`.

    Raises
    ------
    ImageError
        If the file is cut short, where GDAL would read shapes without outlines.
    """
    words = int.from_bytes(file.start[_LENGTH], "big")
    if file.path.stat().st_size < 2 * words:
        raise ImageError(
            f"{file.path} cannot be read: it has {file.path.stat().st_size:,} of {2 * words:,} "
            "bytes; copy it again."
        )
    return read_layer(file, _COLUMNS)


def _sniff(file: MaskFile) -> bool:
    return file.start.startswith(_MAGIC)


FORMAT = MaskFormat(
    name="shapefile",
    title="Shapefile",
    suffixes=(".shp",),
    write=save,
    read=load,
    sniff=_sniff,
    companions=_BESIDE,
    keeps_scores=True,
)
