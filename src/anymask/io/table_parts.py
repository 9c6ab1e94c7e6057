"""Tables that are written part by part, because the rows of many images do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from anymask.masks.measure import Measurements

Kind = Literal["int", "float", "text"]
_KINDS: Mapping[str, Kind] = {"i": "int", "u": "int", "f": "float", "U": "text", "b": "int"}

Part = Mapping[str, Sequence[Any]]
"""Some rows: values by the name of the column. None, or a column that lacks, is no value."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        With the unit, as in the file.
    kind : {"int", "float", "text"}
    unit : str
        "µm²", "pixels", …; empty if there is none.
    """

    name: str
    kind: Kind
    unit: str = ""


def columns_of(table: Measurements) -> list[Column]:
    """Return the columns of measurements, with physical units in their names."""
    named = table.with_units_in_names()
    return [
        Column(name, _KINDS[values.dtype.kind], named.units.get(name, ""))
        for name, values in named.items()
    ]


def part_of(table: Measurements) -> dict[str, list[Any]]:
    """Return the values of measurements as a part."""
    return {name: values.tolist() for name, values in table.with_units_in_names().items()}


def rows_in(part: Part) -> int:
    """Number of rows in a part."""
    return max((len(values) for values in part.values()), default=0)


def gathered(parts: Iterable[Part], rows: int) -> Iterator[list[Part]]:
    """Yield parts in groups of at least this many rows, except the last."""
    group: list[Part] = []
    count = 0
    for part in parts:
        group.append(part)
        count += rows_in(part)
        if count >= rows:
            yield group
            group, count = [], 0
    if group:
        yield group
