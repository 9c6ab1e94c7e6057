"""What clicking is doing, in a corner of the canvas, where the user is looking."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.viewer import Viewer


class Sign:
    """A line of text on the canvas.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._overlay = viewer.canvas.overlays.text
        self._overlay.position = "top_left"
        self._overlay.font_size = 11
        self._overlay.color = "white"
        self._overlay.box = False
        self._layers = viewer.layers
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(lambda _: self._fit_box())
        self._overlay.box_color = (0.1, 0.12, 0.15, 0.85)

    @property
    def text(self) -> str:
        """The line; "" if it is hidden."""
        return self._overlay.text if self._overlay.visible else ""

    def show(self, text: str) -> None:
        """Show a line; "" hides it."""
        if text != self._overlay.text:
            self._overlay.text = text
        if self._overlay.visible != bool(text):
            self._overlay.visible = bool(text)
        self._fit_box()

    def _fit_box(self) -> None:
        """Put a box behind the text; over an empty canvas, Mesa's driver crashes with one."""
        box = self._overlay.visible and len(self._layers) > 0
        if self._overlay.box != box:
            self._overlay.box = box
