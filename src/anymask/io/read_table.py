"""Read a table of measurements: the columns of a CSV or Parquet file."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.io.guards import needs, reading

_TEXT = ("image", "class_name", "name")
# Cells take much more memory as text than as numbers.
_ROWS_TOGETHER = 50_000


def read_table(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read the columns of a table.

    Parameters
    ----------
    path : path-like
        ``.csv``, with names in the first line, or ``.parquet``.

    Returns
    -------
    dict of (N,) array
        ``float64`` where every cell is a number or empty (NaN), otherwise text. Names of images and
        classes are text in any case.

    Raises
    ------
    ImageError
        If the file is missing, damaged, or no table.
    """
    path = Path(path)
    if not path.is_file():
        raise ImageError(f"There is no file {path}; check the name and the folder.")
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ImageError(f"{path} is neither a .csv nor a .parquet; give a table of measurements.")
    with reading(path, "a table"):
        return _parquet(path) if suffix == ".parquet" else _csv(path)


def _csv(path: Path) -> dict[str, NDArray[Any]]:
    texts = set(_TEXT)
    while True:
        try:
            return _columns(path, texts)
        except _TextFound as found:
            texts.add(found.column)


def _columns(path: Path, texts: Collection[str]) -> dict[str, NDArray[Any]]:
    """The columns of a CSV file, of which those in `texts` are text, some rows at a time."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        names = next(rows, [])
        if len(names) < 2 or len(set(names)) != len(names):
            raise ImageError(
                f"{path} is no table of measurements; its first line must name columns."
            )
        pieces: list[list[NDArray[Any]]] = [[] for _ in names]
        while some := list(itertools.islice(rows, _ROWS_TOGETHER)):
            wrong = next((row for row in some if len(row) != len(names)), None)
            if wrong is not None:
                raise ImageError(
                    f"{path} has a line of {len(wrong)} cells, {','.join(wrong)[:60]!r}, and "
                    f"{len(names)} names in its first line; save it again."
                )
            for name, cells, own in zip(names, zip(*some, strict=True), pieces, strict=True):
                own.append(_column(name, cells, texts))
    return {
        name: np.concatenate(own) if own else np.zeros(0)
        for name, own in zip(names, pieces, strict=True)
    }


def _parquet(path: Path) -> dict[str, NDArray[Any]]:
    parquet = needs("pyarrow.parquet", "parquet", "Reading Parquet")
    table = parquet.read_table(path)
    found = {}
    for name in table.column_names:
        values = table[name].to_numpy()
        if values.dtype.kind in "buif":
            found[name] = values.astype(np.float64)
        else:
            found[name] = np.array(["" if value is None else str(value) for value in values])
    return found


class _TextFound(Exception):
    """A column that was taken for numbers is text."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def _column(name: str, cells: Sequence[str], texts: Collection[str]) -> NDArray[Any]:
    if name in texts:
        return np.array(cells, np.str_)
    try:
        return np.array([float(cell or "nan") for cell in cells], np.float64)
    except ValueError:
        raise _TextFound(name) from None
