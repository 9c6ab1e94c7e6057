"""What clicking is doing, in a corner of the canvas, where the user is looking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from anymask.napari.internal_layers import napari_part

if TYPE_CHECKING:
    from napari.viewer import Viewer

_STYLE = (
    "background: rgba(22, 27, 34, 215); color: #f4f6f8; border-radius: 4px; padding: 4px 8px;"
    "font-size: 11pt;"
)
_AT = 8  # pixels from the corner


class Sign:
    """A few words on the canvas; the mouse goes through them.

    napari's own text on the canvas makes some graphics drivers crash while the canvas is empty.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        canvas = getattr(napari_part(viewer, "canvas"), "native", None)
        self._label = QLabel(canvas)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._label.setStyleSheet(_STYLE)
        self._label.move(_AT, _AT)
        self._label.hide()
        self._has_place = canvas is not None
        self._text = ""

    @property
    def text(self) -> str:
        """The words; "" if there are none."""
        return self._text

    def show(self, text: str) -> None:
        """Show words; "" hides them."""
        self._text = text
        self._label.setText(text)
        self._label.adjustSize()
        self._label.setVisible(bool(text) and self._has_place)
