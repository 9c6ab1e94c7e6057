"""The table of one image's measurements on the screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from anymask.cli.console import out

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from anymask.masks.measure import Measurements

# Columns shown on screen; a file gets all of them.
_SHOWN = (
    "id",
    "class_name",
    "area",
    "perimeter_crofton",
    "centroid_x",
    "centroid_y",
    "axis_major_length",
    "axis_minor_length",
    "circularity",
    "solidity",
)
_BRIGHT = "intensity_mean"
_MOST_ROWS = 40
_MOST_CHANNELS = 3
_HEADINGS = {
    "class_name": "Class",
    "perimeter_crofton": "Perimeter",
    "centroid_x": "x",
    "centroid_y": "y",
    "axis_major_length": "Major axis",
    "axis_minor_length": "Minor axis",
}


def print_table(table: Measurements, properties: Sequence[str] | None) -> None:
    """Print some rows, and the columns that fit the screen or that the user named.

    Parameters
    ----------
    table : Measurements
    properties : sequence of str, optional
        What the user named.
    """
    wanted = _SHOWN if properties is None else properties
    names: list[str] = []
    of_values = [name for name in table if _is_mean_of_value(name, table)]
    for kind in ("id", "class_name", *of_values, *wanted, *[_BRIGHT] * (properties is None)):
        channels = [name for name in table if name.startswith(f"{kind}_")]
        own = channels[:_MOST_CHANNELS] if kind.startswith("intensity") else []
        names += [name for name in ([kind] if kind in table else own) if name not in names]
    rows = min(len(table["id"]), _MOST_ROWS)
    columns = {n: [_heading(n, table), *(_cell(v) for v in table[n][:rows])] for n in names}
    widths: dict[str, int | None] = dict.fromkeys(columns)
    if properties is None:  # columns named by the user are always shown
        widths = _fitting(columns)
    shown = Table()
    for name, width in widths.items():
        side: JustifyMethod = "left" if name == "class_name" else "right"
        shown.add_column(Text(columns[name][0]), justify=side, width=width)
    for row in range(1, rows + 1):
        shown.add_row(*(Text(columns[name][row]) for name in widths))
    out.print(shown)
    if len(widths) < len(names) or rows < len(table["id"]):
        out.print(
            f"Showing a part of {len(table)} columns and {len(table['id'])} rows; --out writes all."
        )


def _is_mean_of_value(name: str, table: Measurements) -> bool:
    return name.endswith("_mean") and f"{name.removesuffix('_mean')}_median" in table


def _heading(name: str, table: Measurements) -> str:
    unit = table.units.get(name, "")
    heading = _HEADINGS.get(name, name.replace("_", " ").capitalize())
    return heading + (f" ({unit})" if unit not in ("", "pixels") else "")


def _fitting(columns: dict[str, list[str]]) -> dict[str, int | None]:
    """Return the leading columns that fit the screen, with widths if headings must wrap."""
    if sum(max(map(len, cells)) + 3 for cells in columns.values()) < out.width:
        return dict.fromkeys(columns)
    fit: dict[str, int | None] = {}
    used = 1
    for name, (heading, *cells) in columns.items():
        width = max(map(len, [*heading.split(), *cells]))
        used += width + 3
        if used > out.width:
            break
        fit[name] = width
    return fit


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
