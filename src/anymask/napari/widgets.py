"""Small widgets that several pages share."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

_STEPS = 1000
# Notices disappear by themselves; errors stay until seen, messages with a button until used.
_FADE_MS = 10_000
_SEEN_SECONDS = 4.0

# Light text on a saturated background, readable in napari's dark and light themes.
_GROUNDS = {"info": "#2d4a6b", "good": "#23603a", "error": "#8a2f2f"}


_BEGINS = re.compile(r"(?<![\w.:/])(?:/|[A-Za-z]:[\\/])")
_ENDS = re.compile(r"(?=[\s,;:!?'\"”)]|\.(?:\s|$)|$)")


def without_folders(text: str) -> str:
    """Return a sentence in which files are named without their folders.

    Names may have spaces, so that only what exists is known to be a name up to there; otherwise
    it ends at the first space.
    """
    done = ""
    while (found := _BEGINS.search(text)) is not None:
        rest = text[found.start() :]
        ends = [end.start() for end in _ENDS.finditer(rest)][:40]
        there = [end for end in ends if end > 1 and os.path.exists(rest[:end])]
        end = max(there, default=next((end for end in ends if end > 1), len(rest)))
        name = re.split(r"[\\/]", rest[:end].rstrip("\\/"))[-1]
        done += text[: found.start()] + name
        text = rest[end:]
    return done + text


def button(text: str, pressed: Callable[[], Any], tip: str = "") -> QPushButton:
    """Make a button that leaves the keyboard to the canvas."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.clicked.connect(lambda *_: pressed())
    return made


def plain(text: str = "") -> QLabel:
    """Make a plain text label, which does not read file names as HTML."""
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setText(text)
    return label


def hint(text: str, *, is_html: bool = False) -> QLabel:
    """Make a short explanation that wraps."""
    label = QLabel(text) if is_html else plain(text)
    label.setWordWrap(True)
    label.setStyleSheet("color: #767f89;")
    return label


def heading(text: str) -> QLabel:
    """Make a title within a page."""
    label = QLabel(text)
    label.setStyleSheet("font-weight: bold; margin-top: 4px;")
    return label


def row(*widgets: QWidget | int) -> QHBoxLayout:
    """Put widgets beside each other; a number is a stretch."""
    line = QHBoxLayout()
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(4)
    for widget in widgets:
        if isinstance(widget, int):
            line.addStretch(widget)
        else:
            line.addWidget(widget)
    return line


def chooser(*names: str) -> QComboBox:
    """Make a drop-down that does not widen the panel."""
    box = QComboBox()
    box.addItems(names)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(6)
    return box


class Elided(QLabel):
    """A line of plain text that is cut in its middle where it is too long; the tooltip has all."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._whole, self._tip = "", ""
        self.show_text(text)

    @property
    def whole(self) -> str:
        """The text, uncut."""
        return self._whole

    def show_text(self, text: str, tip: str = "") -> None:
        """Show a text; `tip` is the tooltip instead of the text."""
        self._whole, self._tip = text, tip
        self._cut()

    def resizeEvent(self, event: Any) -> None:
        """Cut the text for another width."""
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        middle = Qt.TextElideMode.ElideMiddle
        lines = self._whole.split("\n")
        cut = [self.fontMetrics().elidedText(line, middle, max(self.width(), 40)) for line in lines]
        self.setText("\n".join(cut))
        self.setToolTip(self._tip or (self._whole if cut != lines else ""))


class Page(QWidget):
    """A page of the panel: widgets in a column."""

    def __init__(self) -> None:
        super().__init__()
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(6, 6, 6, 6)
        self.column.setSpacing(5)

    def shut(self) -> None:
        """End threads of the page; the window is closing."""

    def put(self, *items: QWidget | QHBoxLayout | QGridLayout) -> None:
        """Add widgets or rows at the end."""
        for item in items:
            if isinstance(item, QWidget):
                self.column.addWidget(item)
            else:
                self.column.addLayout(item)


class Form(QGridLayout):
    """A form: names on the left, fields on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setHorizontalSpacing(8)
        self.setVerticalSpacing(4)
        self.setColumnStretch(1, 1)

    def add(self, name: str, field: QWidget, tip: str = "") -> QLabel:
        """Add a line; return the label of its name."""
        label = QLabel(name)
        line = self.rowCount()
        self.addWidget(label, line, 0)
        self.addWidget(field, line, 1)
        for widget in (label, field):
            if tip:
                widget.setToolTip(tip)
        return label


class SliderRow(QWidget):
    """A slider with a number beside it.

    Signals
    -------
    moved(float)
        The value while the slider moves.
    settled(float)
        The value when the mouse is released or a number was typed.
    """

    moved = Signal(float)
    settled = Signal(float)

    def __init__(
        self, low: float, high: float, value: float, *, decimals: int = 2, root: bool = False
    ) -> None:
        """Make a slider; `root` spaces values by their square root, for areas."""
        super().__init__()
        self._power = 2.0 if root else 1.0
        self._low, self._high = low, high
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.number = QDoubleSpinBox()
        self.number.setDecimals(decimals)
        self.number.setSingleStep(10.0**-decimals)
        self.number.setKeyboardTracking(False)
        self.number.setFixedWidth(84)
        line = row(self.slider, self.number)
        self.setLayout(line)
        self.set_range(low, high)
        self.set_value(value)
        self.slider.valueChanged.connect(self._slid)
        self.slider.sliderReleased.connect(lambda: self.settled.emit(self.value))
        self.number.valueChanged.connect(self._typed)

    @property
    def value(self) -> float:
        """The current value."""
        return float(self.number.value())

    def set_range(self, low: float, high: float) -> None:
        """Set the range; the value is clipped to it."""
        value = self.number.value()
        self._low, self._high = low, max(high, low)
        self.number.blockSignals(True)
        self.number.setRange(self._low, self._high)
        self.number.blockSignals(False)
        self.set_value(value)

    def set_value(self, value: float) -> None:
        """Set the value without emitting a signal."""
        for part in (self.slider, self.number):
            part.blockSignals(True)
        self.number.setValue(value)
        span = (self._high - self._low) or 1.0
        share = max(0.0, (self.number.value() - self._low) / span) ** (1 / self._power)
        self.slider.setValue(round(share * _STEPS))
        for part in (self.slider, self.number):
            part.blockSignals(False)

    def _slid(self, step: int) -> None:
        value = self._low + (step / _STEPS) ** self._power * (self._high - self._low)
        self.number.blockSignals(True)
        self.number.setValue(value)
        self.number.blockSignals(False)
        self.moved.emit(self.value)
        if not self.slider.isSliderDown():  # the wheel or the arrow keys
            self.settled.emit(self.value)

    def _typed(self, value: float) -> None:
        self.set_value(value)
        self.moved.emit(value)
        self.settled.emit(value)


class MessageBar(QWidget):
    """A coloured sentence, with an optional button that helps, and a close button.

    It lies over the lower end of a widget, so that nothing moves when it comes and goes.

    Parameters
    ----------
    over : QWidget
    """

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        over.installEventFilter(self)
        self.text = plain()
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
        self.action = QPushButton()
        self.action.clicked.connect(self._act)
        self.close_button = QToolButton()
        self.close_button.setText("✕")
        self.close_button.setToolTip("Close this message")
        self.close_button.clicked.connect(self.hide)
        side = QVBoxLayout()
        side.addWidget(self.close_button, alignment=Qt.AlignmentFlag.AlignRight)
        side.addStretch(1)
        line = QHBoxLayout()
        line.addWidget(self.text, 1)
        line.addLayout(side)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(8, 5, 5, 5)
        whole.setSpacing(3)
        whole.addLayout(line)
        whole.addWidget(self.action, alignment=Qt.AlignmentFlag.AlignLeft)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.kind = ""
        self._fade = QTimer(self)
        self._fade.setSingleShot(True)
        self._fade.setInterval(_FADE_MS)
        self._fade.timeout.connect(self.hide)
        self._help: Callable[[], Any] | None = None
        self._since = 0.0
        self.hide()

    def say(
        self,
        text: str,
        kind: str = "info",
        action: tuple[str, Callable[[], Any]] | None = None,
    ) -> None:
        """Show a sentence; `kind` is "info", "good" or "error"."""
        self.kind = kind
        short = without_folders(text)
        self.text.setText(short)
        self.text.setToolTip("" if short == text else text)
        ground = _GROUNDS[kind]
        self.setStyleSheet(
            f"MessageBar {{ background: {ground}; border-radius: 4px; }}"
            f"MessageBar QLabel {{ background: transparent; color: #f4f6f8; }}"
            f"MessageBar QToolButton {{ background: transparent; color: #f4f6f8; border: none; }}"
        )
        self._help = None if action is None else action[1]
        self.action.setVisible(action is not None)
        if action is not None:
            self.action.setText(action[0])
        self._since = time.monotonic()
        self.show()
        self.place()
        self.raise_()
        self._fade.stop()
        if kind != "error" and action is None:
            self._fade.start()

    def place(self) -> None:
        """Lie at the lower end of the widget, as high as the text needs."""
        width = self._over.width()
        needed = self.layout().heightForWidth(width) if self.layout() is not None else 0
        height = min(max(needed, self.sizeHint().height() if needed < 0 else needed),
                     self._over.height())  # fmt: skip
        self.setGeometry(0, self._over.height() - height, width, height)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the size of the widget."""
        if event is not None and event.type() == QEvent.Type.Resize and self.isVisible():
            self.place()
        return False

    def outdate(self) -> None:
        """Hide a message that was shown long enough to be read, once the user continues."""
        if self._help is None and time.monotonic() - self._since > _SEEN_SECONDS:
            self.hide()

    def _act(self) -> None:
        helps, self._help = self._help, None
        self.hide()
        if helps is not None:
            helps()
