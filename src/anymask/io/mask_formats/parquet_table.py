"""Parquet: a table of measurements, with the unit of each column in its metadata."""

from __future__ import annotations

from pathlib import Path

from anymask.errors import OutputError
from anymask.files import whole_file
from anymask.io.guards import needs
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.masks.measure import Measurements


def write_parquet(path: Path, table: Measurements) -> list[Path]:
    """Write measurements as Parquet.

    Raises
    ------
    OutputError
        If pyarrow is not installed, or the file cannot be written.
    """
    pyarrow = needs("pyarrow", "parquet", "Writing Parquet", OutputError)
    parquet = needs("pyarrow.parquet", "parquet", "Writing Parquet", OutputError)
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


def _sniff(file: MaskFile) -> bool:
    return file.start.startswith(b"PAR1")


FORMAT = MaskFormat(
    name="parquet",
    title="measurements as Parquet",
    suffixes=(".parquet",),
    write_table=write_parquet,
    sniff=_sniff,
    ending=".masks.parquet",
    keeps_scores=True,
)
