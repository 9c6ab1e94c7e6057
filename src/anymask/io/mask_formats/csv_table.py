"""CSV: a table of measurements, one row per mask, in UTF-8; the masks of one image or of many.

Columns in physical units have the unit in their name, as in ``area_um2``, so that the table
explains itself.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from anymask.files import whole_file
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.table_parts import Column, Part, columns_of, part_of, rows_in
from anymask.masks.measure import Measurements


def write_csv(path: Path, table: Measurements) -> list[Path]:
    """Write measurements as CSV in UTF-8; cells without a value are empty."""
    write_parts(path, columns_of(table), [part_of(table)])
    return [path]


def write_parts(path: Path, columns: Sequence[Column], parts: Iterable[Part]) -> None:
    """Write a table part by part.

    Raises
    ------
    OutputError
        If it cannot be written; nothing has then changed.
    """
    with (
        whole_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column.name for column in columns)
        for part in parts:
            nothing = [None] * rows_in(part)
            cells = (part.get(column.name, nothing) for column in columns)
            writer.writerows([_cell(value) for value in row] for row in zip(*cells, strict=True))


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return value


def _sniff(file: MaskFile) -> bool:
    return file.suffix in (".csv", ".tsv")


FORMAT = MaskFormat(
    name="csv",
    title="measurements as CSV",
    suffixes=(".csv",),
    write_table=write_csv,
    write_parts=write_parts,
    sniff=_sniff,
    ending=".masks.csv",
    keeps_scores=True,
)
