"""Garbage is collected in the main thread alone while the panel is open, and only where there is.

Layers and widgets that were removed are in reference cycles, so Python's collector frees them, in
whichever thread it happens to run. Qt and OpenGL objects freed in a thread that reads images or
runs the model crash the window.

napari collects everything whenever a layer is removed. Half a million objects of napari and torch
are looked through each time then, which takes a quarter of a second and frees none of them, and an
image goes with five layers. So they are frozen (`gc.freeze`) once they are there.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

_EVERY_MS = 500
_SETTLED_MS = 200  # napari and Qt hold on to a removed layer for a moment
_MANY = 50_000  # objects, looked through in some 25 ms


class Collector(QObject):
    """Takes the collector's place: looks a few times a second whether it is due."""

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layers = viewer.layers
        self._frozen: WeakSet[Layer] = WeakSet()
        self._was_on = gc.isenabled()
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self._look)
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(_SETTLED_MS)
        self._again.timeout.connect(self.freeze)
        gc.disable()
        self._timer.start()
        self._layers.events.removing.connect(self._thaw)
        self.freeze()

    def freeze(self) -> None:
        """Leave what is there, if it is much, out of collections until a layer of it is removed."""
        if self._again.isActive() or len(gc.get_objects()) < _MANY:
            return
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._frozen = WeakSet(self._layers)

    def stop(self) -> None:
        """Have Python collect by itself again."""
        self._timer.stop()
        self._again.stop()
        self._layers.events.removing.disconnect(self._thaw)
        gc.unfreeze()
        if self._was_on:
            gc.enable()

    def _thaw(self, event: Any) -> None:
        """Have a layer that was frozen freed; freeze the rest again afterwards."""
        if self._layers[event.index] in self._frozen:
            self._frozen.clear()
            gc.unfreeze()
            self._again.start()

    def _look(self) -> None:
        counts, limits = gc.get_count(), gc.get_threshold()
        for generation in (2, 1, 0):
            if counts[generation] > limits[generation] > 0:
                gc.collect(generation)
                return
