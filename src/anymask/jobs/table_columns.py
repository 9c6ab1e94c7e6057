"""One table from the rows of many images: which columns it has, and all lengths in one unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from anymask.images.units import length_ratio
from anymask.io.table_parts import Column, Part
from anymask.io.table_units import conversion, length_unit
from anymask.jobs.table_journal import Finished, TableJournal
from anymask.masks.choose import properties_in
from anymask.masks.measure import SIZES, unit_suffix
from anymask.wording import counted

IMAGE = Column("image", "text")
_CLASS = Column("class_name", "text")


class WholeTable:
    """The table of a journal's rows.

    Lengths and areas are in the unit of the first image that has one. What cannot be converted to
    it, such as the sizes of an image whose pixel size is unknown, has columns of its own, so that
    no column mixes units.

    Parameters
    ----------
    journal : TableJournal
    images : mapping of str to str
        For each image in the journal, in the order of the rows, how the table calls it.
    where : str, optional
        The condition that chose the rows.

    Attributes
    ----------
    columns : list of Column
        With units in their names.
    rows : int
    notes : list of str
        What was converted, or could not be.
    """

    def __init__(
        self, journal: TableJournal, images: Mapping[str, str], where: str | None = None
    ) -> None:
        self._journal, self._images = journal, images
        found = {name: journal.finished[name] for name in images if name in journal.finished}
        self._length = next(filter(None, map(_length_of, found.values())), None)
        self.columns = [IMAGE]
        for one in dict.fromkeys(each.columns for each in found.values()):
            self._add([self._final(column)[0] for column in one])
        names = [column.name for column in self.columns]
        if "id" in names and _CLASS.name not in names:
            self.columns.insert(2, _CLASS)
        self.rows = sum(each.rows for each in found.values())
        lengths = {images[name]: _length_of(each) for name, each in found.items()}
        self.notes = self._told(lengths)
        if where is not None and set(properties_in(where)) & set(SIZES):
            self.notes += _told_of_condition(set(lengths.values()))

    def parts(self) -> Iterator[Part]:
        """Yield the rows of each image."""
        kinds = {column.name: column.kind for column in self.columns}
        for name, called in self._images.items():
            one = self._journal.finished.get(name)
            if one is None or not one.rows:
                continue
            values = self._journal.values(name)
            part: dict[str, Sequence[Any]] = {IMAGE.name: [called] * one.rows}
            for column in one.columns:
                final, factor = self._final(column)
                own = values[column.name]
                if kinds[final.name] == "float" and (factor != 1 or column.kind == "int"):
                    own = [None if value is None else value * factor for value in map(_float, own)]
                part[final.name] = own
            yield part

    def _final(self, column: Column) -> tuple[Column, float]:
        """A column of an image as the table has it, and the factor of its values."""
        factor, unit = 1.0, column.unit
        if self._length is not None:
            factor, unit = conversion(unit, self._length)
        kind = "float" if factor != 1 else column.kind
        return Column(column.name + unit_suffix(unit), kind, unit), factor

    def _add(self, columns: Sequence[Column]) -> None:
        """Add columns that the table lacks, each after the one that it follows."""
        own = {column.name for column in columns}
        at = 0
        for column in columns:
            names = [each.name for each in self.columns]
            if column.name in names:
                at = names.index(column.name)
                if {column.kind, self.columns[at].kind} == {"int", "float"}:
                    self.columns[at] = replace(self.columns[at], kind="float")
                continue
            at += 1
            while at < len(names) and names[at] not in own:  # columns of other images
                at += 1
            self.columns.insert(at, column)

    def _told(self, lengths: Mapping[str, str | None]) -> list[str]:
        """Say what became of other units, if there are any."""
        own = self._length
        if own is None:
            return []
        notes = []
        others = [
            name
            for name, unit in lengths.items()
            if unit not in (None, own) and length_ratio(unit, own) is not None
        ]
        unknown = [name for name, unit in lengths.items() if unit is None]
        if others:
            notes.append(
                f"Sizes are in {own}; {counted(len(others), 'image')} in another unit, such as "
                f"{others[0]}, {'was' if len(others) == 1 else 'were'} converted."
            )
        if unknown and any(column.name in _UNITLESS for column in self.columns):
            notes.append(
                f"{counted(len(unknown), 'image')}, such as {unknown[0]}, "
                f"{'does' if len(unknown) == 1 else 'do'} not say how large a pixel is; sizes are "
                "then in pixels, in columns without a unit."
            )
        return notes


_UNITLESS = frozenset(name for size in SIZES for name in (size, f"sum_{size}", f"mean_{size}"))


def _told_of_condition(units: set[str | None]) -> list[str]:
    """Say that a condition on sizes meant several things, if it did."""
    if len(units) < 2:
        return []
    named = sorted("pixels" if unit is None else unit for unit in units)
    return [
        f"The condition on sizes was applied in the unit of each image: {', '.join(named)}; --unit "
        "applies it in one, wherever pixel sizes are known."
    ]


def _length_of(one: Finished) -> str | None:
    """The unit of length of an image's columns."""
    return next(filter(None, (length_unit(column.unit) for column in one.columns)), None)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
