"""Keeps the layers that only anymask uses out of napari's layer list and controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, QTimer

from anymask.napari import click_layers, outlines

if TYPE_CHECKING:
    from napari.viewer import Viewer

NAMES = frozenset({*click_layers.NAMES, *outlines.NAMES})
"""Names of the layers that are not listed."""


def napari_part(viewer: Any, name: str) -> Any:
    """Return a part of napari's own window by its attribute, or None."""
    return getattr(getattr(viewer.window, "_qt_viewer", None), name, None)


class InternalLayers(QObject):
    """Hides rows of the layer list, and the controls of a layer that only anymask uses.

    napari has no public way to do so. Where its own parts are named otherwise, all stay visible.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._list = napari_part(viewer, "layers")
        self._controls = napari_part(viewer, "dockLayerControls")
        self._list_dock = napari_part(viewer, "dockLayerList")
        self._hid_controls = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._hide)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.moved, events.reordered):
            event.connect(self._wait)
        viewer.layers.selection.events.active.connect(self._wait)

    def _wait(self, _: Any = None) -> None:
        self._soon.start()

    def close(self) -> None:
        """Stop watching the layers."""
        self._soon.stop()
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.moved, events.reordered):
            event.disconnect(self._wait)
        self._viewer.layers.selection.events.active.disconnect(self._wait)

    def _hide(self) -> None:
        layers = self._viewer.layers
        model = getattr(self._list, "model", lambda: None)()
        if model is not None and model.rowCount() == len(layers):
            for at, layer in enumerate(reversed(layers)):  # the list begins with the topmost
                if self._list.isRowHidden(at) != (layer.name in NAMES):
                    self._list.setRowHidden(at, layer.name in NAMES)
        active = layers.selection.active
        has_none = active is not None and active.name in NAMES
        if self._controls is None or self._list_dock is None or has_none == self._hid_controls:
            return
        if not has_none or self._controls.isVisible():
            width = self._list_dock.width()
            self._controls.setVisible(not has_none)
            self._hid_controls = has_none
            # Otherwise Qt gives the list another width, and the picture moves.
            window = self._viewer.window._qt_window
            window.resizeDocks([self._list_dock], [width], Qt.Orientation.Horizontal)
