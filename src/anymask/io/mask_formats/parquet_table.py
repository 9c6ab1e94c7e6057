"""Parquet: a table of measurements, with the unit of each column in its metadata."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from anymask.errors import OutputError
from anymask.files import whole_file
from anymask.io.guards import needs
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.table_parts import Column, Part, gathered, rows_in
from anymask.masks.measure import Measurements

# Rows of a group in the file: few groups are quick to read, and a group is held in memory.
_ROWS_TOGETHER = 50_000


def write_parquet(path: Path, table: Measurements) -> list[Path]:
    """Write measurements as Parquet.

    Raises
    ------
    OutputError
        If pyarrow is not installed, or the file cannot be written.
    """
    pyarrow, parquet = _pyarrow()
    table = table.with_units_in_names()
    fields, columns = [], []
    for name, values in table.items():
        column = pyarrow.array(values.tolist() if values.dtype.kind == "U" else values)
        unit = table.units.get(name)
        fields.append(pyarrow.field(name, column.type, metadata={"unit": unit} if unit else None))
        columns.append(column)
    with whole_file(path) as part, part.open("wb") as file:
        parquet.write_table(pyarrow.Table.from_arrays(columns, schema=pyarrow.schema(fields)), file)
    return [path]


def write_parts(path: Path, columns: Sequence[Column], parts: Iterable[Part]) -> None:
    """Write a table part by part.

    Raises
    ------
    OutputError
        If pyarrow is not installed, or the file cannot be written; nothing has then changed.
    """
    pyarrow, parquet = _pyarrow()
    types = {"int": pyarrow.int64(), "float": pyarrow.float64(), "text": pyarrow.string()}
    schema = pyarrow.schema(
        [
            pyarrow.field(c.name, types[c.kind], metadata={"unit": c.unit} if c.unit else None)
            for c in columns
        ]
    )
    with (
        whole_file(path) as temporary,
        temporary.open("wb") as file,
        parquet.ParquetWriter(file, schema) as writer,
    ):
        for group in gathered(parts, _ROWS_TOGETHER):
            whole: dict[str, list[Any]] = {column.name: [] for column in columns}
            for part in group:
                nothing = [None] * rows_in(part)
                for name, values in whole.items():
                    values += part.get(name, nothing)
            writer.write_table(pyarrow.table(whole, schema=schema))


def _pyarrow() -> tuple[ModuleType, ModuleType]:
    """Import the package, with one sentence if it is missing."""
    return (
        needs("pyarrow", "parquet", "Parquet", OutputError),
        needs("pyarrow.parquet", "parquet", "Parquet", OutputError),
    )


def _sniff(file: MaskFile) -> bool:
    return file.start.startswith(b"PAR1")


FORMAT = MaskFormat(
    name="parquet",
    title="measurements as Parquet",
    suffixes=(".parquet",),
    write_table=write_parquet,
    write_parts=write_parts,
    check=_pyarrow,
    sniff=_sniff,
    ending=".masks.parquet",
    keeps_scores=True,
)
