"""The objects of a layer as rows of a Qt table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor

from anymask.palette import colours_of

if TYPE_CHECKING:
    from anymask.session import ObjectTable

COLUMNS = (
    ("id", "Id"),
    ("class_name", "Class"),
    ("quality", "Quality"),
    ("area", "Area"),
    ("reviewed", "OK"),
    ("origin", "Made by"),
)
"""Columns that are always shown: name in the session, and title."""
_ROLES = Qt.ItemDataRole


class ObjectRows(QAbstractTableModel):
    """Objects in the order chosen by the user."""

    def __init__(self) -> None:
        super().__init__()
        self._columns: list[tuple[str, str]] = list(COLUMNS)
        self._values: dict[str, Any] = {name: np.zeros(0) for name, _ in COLUMNS}
        self._order = np.zeros(0, np.intp)
        self._sorted_by = ("id", False)
        self._colours: dict[str, str] = {}

    @property
    def ids(self) -> list[int]:
        """Ids of the objects, in the order shown."""
        return [int(i) for i in self._values["id"][self._order]]

    def fill(self, table: ObjectTable | None, colours: dict[str, str]) -> None:
        """Show a table of objects."""
        self.beginResetModel()
        self._colours = colours
        columns = {} if table is None else table.columns
        units = {} if table is None else table.units
        self._values = {name: columns.get(name, np.zeros(0)) for name, _ in COLUMNS}
        self._columns = list(COLUMNS)
        known = {name for name, _ in COLUMNS} | {"predicted_iou", "stability_score"}
        for name, values in columns.items():
            if name not in known:
                unit = f" ({units[name]})" if name in units else ""
                self._columns.append((name, name.replace("_", " ").capitalize() + unit))
                self._values[name] = values
        self._arrange()
        self.endResetModel()

    def _arrange(self) -> None:
        name, falling = self._sorted_by
        values = self._values.get(name, self._values["id"])
        order = np.argsort(values, kind="stable")
        self._order = order[::-1] if falling else order

    def rowCount(self, parent: Any = None) -> int:
        """Number of objects."""
        return len(self._order)

    def columnCount(self, parent: Any = None) -> int:
        """Number of columns."""
        return len(self._columns)

    def headerData(self, section: int, way: Any, role: int = 0) -> Any:
        """Titles of the columns."""
        if role == _ROLES.DisplayRole and way == Qt.Orientation.Horizontal:
            return self._columns[section][1]
        return None

    def sort(self, column: int, order: Any = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        self.layoutAboutToBeChanged.emit()
        self._sorted_by = (self._columns[column][0], order == Qt.SortOrder.DescendingOrder)
        self._arrange()
        self.layoutChanged.emit()

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Content of a cell."""
        name = self._columns[index.column()][0]
        value = self._values[name][self._order[index.row()]]
        if role == _ROLES.DisplayRole:
            return _text(name, value)
        if role == _ROLES.TextAlignmentRole and name not in ("class_name", "origin"):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == _ROLES.DecorationRole:
            if name == "id":
                return QColor(*colours_of(np.array(int(value))).tolist())
            if name == "class_name" and str(value) in self._colours:
                return QColor(self._colours[str(value)])
        return None


def _text(name: str, value: Any) -> str:
    if name == "reviewed":
        return "✓" if value else ""
    if isinstance(value, (float, np.floating)):
        if math.isnan(value):
            return ""
        number = float(value)
        return f"{number:.2f}" if abs(number) < 100 else f"{number:,.0f}"
    if name == "area":
        return f"{int(value):,}"
    return str(value)
