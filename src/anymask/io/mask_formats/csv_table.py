"""CSV: a table of measurements, one row per mask, in UTF-8.

Columns in physical units have the unit in their name, as in ``area_um2``, so that the table
explains itself.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from anymask.files import write_together
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.masks.measure import Measurements


def write_csv(path: Path, table: Measurements) -> list[Path]:
    """Write measurements as CSV in UTF-8; cells without a value are empty."""
    table = table.with_units_in_names()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    columns = [column.tolist() for column in table.values()]
    writer.writerows([_cell(value) for value in row] for row in zip(*columns, strict=True))
    return write_together({path: text.getvalue().encode("utf-8", "replace")})


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value


def _sniff(file: MaskFile) -> bool:
    return file.suffix in (".csv", ".tsv")


FORMAT = MaskFormat(
    name="csv",
    title="measurements as CSV",
    suffixes=(".csv",),
    write_table=write_csv,
    sniff=_sniff,
    ending=".masks.csv",
    keeps_scores=True,
)
