"""Garbage collection only in the main thread, and only of recent objects.

Removed layers and widgets are in reference cycles, so Python's collector frees them, in any
thread it happens to run in. If Qt and OpenGL objects are freed in a thread that reads images or
runs the model, the window crashes. So the collector is off while the panel is open, and a timer
runs it.

napari runs a full collection whenever a layer is removed. Each one searches half a million objects
of napari and torch, which takes a third of a second and frees none of them. So these are frozen
(`gc.freeze`) once loaded. They are thawed, and searched, when a layer that was frozen with them is
removed, unless it is small: the few objects of a layer whose pixels are gone may stay.
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
_MANY = 50_000  # objects, searched in some 25 ms
_SMALL = 2**20  # bytes of a layer


class Collector(QObject):
    """Replaces Python's automatic collection: checks a few times a second whether it is due."""

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layers = viewer.layers
        self._frozen: WeakSet[Layer] = WeakSet()
        self._was_on = gc.isenabled()
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self._look)
        # How often to look before a thawed layer can be freed: once Qt has deleted its controls.
        self._looks = 0
        gc.disable()
        self._timer.start()
        self._layers.events.removing.connect(self._thaw)
        self.freeze()

    def freeze(self) -> None:
        """Exclude all current objects, if many, until one of their layers is removed."""
        # A model may finish loading after the panel was closed.
        if self._timer.isActive() and not self._looks and len(gc.get_objects()) >= _MANY:
            gc.freeze()
            self._frozen = WeakSet(self._layers)

    def stop(self) -> None:
        """Return to Python's automatic collection."""
        self._timer.stop()
        self._looks = 0
        self._layers.events.removing.disconnect(self._thaw)
        gc.unfreeze()
        if self._was_on:
            gc.enable()

    def _thaw(self, event: Any) -> None:
        """Thaw everything, so that a frozen layer can be freed; freeze the rest afterwards."""
        layer = self._layers[event.index]
        if layer in self._frozen and getattr(layer.data, "nbytes", _SMALL) >= _SMALL:
            self._frozen.clear()
            gc.unfreeze()
            self._looks = 2

    def _look(self) -> None:
        if self._looks:
            self._looks -= 1
            if not self._looks:
                gc.collect()
                self.freeze()
            return
        counts, limits = gc.get_count(), gc.get_threshold()
        for generation in (2, 1, 0):
            if counts[generation] > limits[generation] > 0:
                gc.collect(generation)
                if generation == 2:
                    self.freeze()
                return
