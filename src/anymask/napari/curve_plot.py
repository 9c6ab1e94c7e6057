"""A plot of spectra, drawn with Qt only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 10, 8, 34
_TEXT, _GRID, _GROUND = QColor("#c8ced6"), QColor("#3a424d"), QColor("#1b2027")


@dataclass(frozen=True)
class Curve:
    """A curve: name, colour, values, and half the width of the band around it."""

    name: str
    color: str
    y: NDArray[np.float64]
    spread: NDArray[np.float64] | None = None

    @property
    def top(self) -> NDArray[np.float64]:
        """The upper edge of the band."""
        return self.y if self.spread is None else self.y + np.nan_to_num(self.spread)


class Plot(QWidget):
    """Curves with axes and a legend."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumHeight(190)
        self._x = np.zeros(0)
        self.lines: list[Curve] = []
        self._label = ""
        self._empty = ""

    def sizeHint(self) -> QSize:
        """Preferred size."""
        return QSize(340, 240)

    def show_lines(self, x: Sequence[float] | NDArray[Any], lines: list[Curve], label: str) -> None:
        """Show curves over `x`, with `label` below the axis."""
        self._x, self.lines, self._label = np.asarray(x, np.float64), lines, label
        self.update()

    def say(self, text: str) -> None:
        """Show a sentence instead of curves."""
        self.lines, self._empty = [], text
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Draw the plot."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), _GROUND)
        font = painter.font()
        font.setPointSizeF(8)
        painter.setFont(font)
        painter.setPen(_TEXT)
        tops = [np.nanmax(line.top) for line in self.lines if np.isfinite(line.y).any()]
        if not tops or len(self._x) < 2:
            flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
            painter.drawText(self.rect().adjusted(12, 12, -12, -12), flags, self._empty)
            return
        bottoms = [np.nanmin(line.y) for line in self.lines if np.isfinite(line.y).any()]
        low, high = float(min(0.0, *bottoms)), float(max(tops))
        high = high + 0.06 * (high - low) if high > low else low + 1
        area = QRectF(_LEFT, _TOP, self.width() - _LEFT - _RIGHT, self.height() - _TOP - _BOTTOM)
        x0, x1 = float(self._x.min()), float(self._x.max())

        def at(x: float, y: float) -> QPointF:
            return QPointF(
                area.left() + (x - x0) / (x1 - x0) * area.width(),
                area.bottom() - (y - low) / (high - low) * area.height(),
            )

        self._axes(painter, area, (x0, x1), (low, high), at)
        painter.setClipRect(area)
        for line in self.lines:
            self._curve(painter, line, at)
        painter.setClipping(False)
        self._legend(painter, area)

    def _axes(
        self,
        painter: QPainter,
        area: QRectF,
        xs: tuple[float, float],
        ys: tuple[float, float],
        at: Any,
    ) -> None:
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        middle = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        for value in ticks(*ys, 4):
            place = at(xs[0], value)
            painter.setPen(QPen(_GRID, 1))
            painter.drawLine(QPointF(area.left(), place.y()), QPointF(area.right(), place.y()))
            painter.setPen(_TEXT)
            painter.drawText(QRectF(0, place.y() - 8, _LEFT - 6, 16), right, f"{value:.6g}")
        for value in ticks(*xs, 5):
            place = at(value, ys[0])
            painter.drawText(
                QRectF(place.x() - 30, area.bottom() + 3, 60, 14), middle, f"{value:g}"
            )
        painter.drawText(
            QRectF(area.left(), area.bottom() + 17, area.width(), 15), middle, self._label
        )

    def _curve(self, painter: QPainter, line: Curve, at: Any) -> None:
        good = np.isfinite(line.y)
        xs, ys = self._x[good], line.y[good]
        colour = QColor(line.color)
        if line.spread is not None:
            spread = np.nan_to_num(line.spread[good])
            edge = [at(x, y) for x, y in zip(xs, ys + spread, strict=True)]
            edge += [at(x, y) for x, y in zip(xs[::-1], (ys - spread)[::-1], strict=True)]
            soft = QColor(colour)
            soft.setAlpha(50)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(soft)
            painter.drawPolygon(QPolygonF(edge))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour, 1.6))
        painter.drawPolyline(QPolygonF([at(x, y) for x, y in zip(xs, ys, strict=True)]))

    def _legend(self, painter: QPainter, area: QRectF) -> None:
        top = area.top() + 3
        for line in self.lines[:10]:
            painter.setPen(QPen(QColor(line.color), 2.5))
            painter.drawLine(QPointF(area.left() + 8, top + 7), QPointF(area.left() + 22, top + 7))
            painter.setPen(_TEXT)
            painter.drawText(QPointF(area.left() + 27, top + 11), line.name)
            top += 14


def ticks(low: float, high: float, count: int) -> list[float]:
    """Choose round numbers for an axis.

    >>> ticks(0, 1, 4)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= raw * 0.8)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]
