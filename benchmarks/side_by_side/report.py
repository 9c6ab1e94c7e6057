"""Results of a benchmark: rows that can be printed and written; without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

_HEADER = ("what", "anymask", "segment-anything", "transformers", "ratio")
_OTHERS = "Times of segment-anything and transformers are in float32; the ratio is to the former."


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    key : str
        Name of the row in files.
    what : str
        Name of the row in tables.
    unit : str
        "s", "ms" or "MB".
    ours, metas, transformers : float or None
        Amounts for anymask and for the others; None if not measured.
    cpu_ours, cpu_metas : float or None
        CPU time of all threads in the same unit, if the row is a time.
    note : str
        Agreement of the results, and the like.
    details : mapping
        All measurements, for files.
    """

    key: str
    what: str
    unit: str
    ours: float | None
    metas: float | None = None
    transformers: float | None = None
    cpu_ours: float | None = None
    cpu_metas: float | None = None
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times as much Meta's package needs."""
        return None if self.metas is None or not self.ours else self.metas / self.ours

    @property
    def cpu_ratio(self) -> float | None:
        """The same in CPU time, which other work on the machine disturbs less."""
        if self.cpu_metas is None or not self.cpu_ours:
            return None
        return self.cpu_metas / self.cpu_ours

    def to_dict(self) -> dict[str, Any]:
        """Return all values as JSON-ready data."""
        return {**asdict(self), "ratio": self.ratio, "cpu_ratio": self.cpu_ratio}

    def cells(self) -> list[str]:
        """Return the cells of a table row, in the order of the columns."""
        amounts = [_amount(v, self.unit) for v in (self.ours, self.metas, self.transformers)]
        return [self.what, *amounts, "-" if self.ratio is None else f"{self.ratio:.1f}×"]


@dataclass(frozen=True)
class Report:
    """The result of `benchmarks.side_by_side.run.benchmark`.

    Attributes
    ----------
    machine, versions, settings : mapping
        Where, with which versions, and how it was measured.
    rows : tuple of Row

    Examples
    --------
    >>> row = Row("encoder", "encoder, float32", "s", 2.0, 5.0, cpu_ours=4.0, cpu_metas=10.0)
    >>> print(Report({"cpu": "a processor", "cores": 2}, {"python": "3.11"}, {}, (row,)).table())
    a processor, 2 cores; python 3.11
    <BLANKLINE>
    what              anymask  segment-anything  transformers  ratio
    ----------------  -------  ----------------  ------------  -----
    encoder, float32   2.00 s            5.00 s             -   2.5×
    <BLANKLINE>
    Times of segment-anything and transformers are in float32; the ratio is to the former.
    """

    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return all values as JSON-ready data."""
        return {
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "settings": dict(self.settings),
            "rows": [row.to_dict() for row in self.rows],
        }

    def table(self) -> str:
        """Return the rows as a text table."""
        lines = [list(_HEADER), *(row.cells() for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADER))]
        lines.insert(1, ["-" * width for width in widths])
        text = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
            for line in lines
        ]
        notes = [f"{row.what}: {row.note}" for row in self.rows if row.note]
        if any(row.metas is not None or row.transformers is not None for row in self.rows):
            notes.append(_OTHERS)
        return "\n".join([self._where(), "", *text, *([""] if notes else []), *notes])

    def _where(self) -> str:
        place = f"{self.machine.get('cpu', 'unknown')}, {self.machine.get('cores')} cores"
        device = self.machine.get("device", "cpu")
        place += "" if device == "cpu" else f", {device}"
        return f"{place}; " + ", ".join(f"{name} {v}" for name, v in self.versions.items())


def markdown_table(rows: Sequence[Row], goals: Mapping[str, tuple[str, str]]) -> str:
    """Return rows as a Markdown table with goals.

    Parameters
    ----------
    rows : sequence of Row
    goals : mapping
        By key of the row: minimum and aim.

    Examples
    --------
    >>> print(markdown_table([Row("click", "a click", "ms", 12.3)], {"click": ("30 ms", "")}))
    | what | anymask | segment-anything | transformers | ratio | at least | aim | note |
    |---|---|---|---|---|---|---|---|
    | a click | 12.3 ms | - | - | - | 30 ms |  |  |
    """
    lines = [[*_HEADER, "at least", "aim", "note"]]
    lines += [[*row.cells(), *goals.get(row.key, ("", "")), row.note] for row in rows]
    text = [f"| {' | '.join(line)} |" for line in lines]
    text.insert(1, "|" + "---|" * len(lines[0]))
    return "\n".join(text)


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "s" and value < 0.1:
        value, unit = 1000 * value, "ms"
    digits = 2 if unit == "s" and value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"
