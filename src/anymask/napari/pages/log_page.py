"""The Log page: the log, a bug report to copy, and which parts of napari's window are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QApplication, QCheckBox, QPlainTextEdit

from anymask.napari.internal_layers import napari_part
from anymask.napari.widgets import Page, button, heading, row
from anymask.session import bug_report

if TYPE_CHECKING:
    from anymask.napari.controller import Controller


class LogPage(Page):
    """Shows the log of the session."""

    def __init__(self, control: Controller) -> None:
        super().__init__()
        self._control = control
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPointSize(8)
        self.text.setFont(font)
        self.layer_list = QCheckBox("Layer list")
        self.layer_controls = QCheckBox("Layer controls")
        for box, name in (
            (self.layer_list, "dockLayerList"),
            (self.layer_controls, "dockLayerControls"),
        ):
            dock = napari_part(control.viewer, name)
            box.setChecked(dock is None or not dock.isHidden())
            box.setEnabled(dock is not None)
            if dock is not None:
                box.toggled.connect(dock.setVisible)
                dock.visibilityChanged.connect(lambda _, box=box, dock=dock: _follow(box, dock))
        self.put(
            heading("Show in napari's window"),
            row(self.layer_list, self.layer_controls, 1),
            heading("Log"),
            self.text,
            row(button("Copy for a bug report", self.copy, "Without names of folders")),
        )
        self.column.setStretchFactor(self.text, 1)
        control.log_changed.connect(self._fill)
        control.session_changed.connect(self._fill)

    def copy(self) -> None:
        """Copy a bug report to the clipboard."""
        session = self._control.session
        if session is None:
            self._control.say("There is nothing to report yet.")
            return
        QApplication.clipboard().setText(bug_report(session))
        self._control.said.emit("The report was copied to the clipboard.", "good", None)

    def _fill(self) -> None:
        session = self._control.session
        lines = [] if session is None else session.log_lines(200)
        self.text.setPlainText("\n".join(line[11:] for line in lines))
        bar = self.text.verticalScrollBar()
        bar.setValue(bar.maximum())


def _follow(box: QCheckBox, dock: Any) -> None:
    """Tick a box while its dock is shown, even if the dock was closed by its own button."""
    try:
        shown = not dock.isHidden()
    except RuntimeError:  # the window is closing
        return
    box.blockSignals(True)
    box.setChecked(shown)
    box.blockSignals(False)
