"""Garbage collection only in the main thread, and only of recent objects.

Removed layers and widgets are in reference cycles, so Python's collector frees them, in any
thread it happens to run in. If Qt and OpenGL objects are freed in a thread that reads images or
runs the model, the window crashes. So the collector is off while the panel is open, and a timer
runs it.

napari runs a full collection whenever a layer is removed. Each one searches half a million objects
of napari and torch, which takes a quarter of a second and frees none of them. So these are frozen
(`gc.freeze`) once loaded, and thawed when a layer that was frozen with them is removed.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from qtpy.QtCore import QObject, Qt, QTimer, Signal

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

_EVERY_MS = 500
_MANY = 50_000  # objects, searched in some 25 ms


class Collector(QObject):
    """Replaces Python's automatic collection: checks a few times a second whether it is due."""

    _thawed = Signal()

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layers = viewer.layers
        self._frozen: WeakSet[Layer] = WeakSet()
        self._was_on = gc.isenabled()
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self._look)
        self._is_thawed = False
        # Queued, so that it runs before the layers of the next image are added; if those were
        # frozen too, they would have to be thawed again.
        self._thawed.connect(self._freeze_again, Qt.ConnectionType.QueuedConnection)
        gc.disable()
        self._timer.start()
        self._layers.events.removing.connect(self._thaw)
        self.freeze()

    def freeze(self) -> None:
        """Exclude all current objects, if many, until one of their layers is removed."""
        # A model may finish loading after the panel was closed.
        if not self._timer.isActive() or self._is_thawed:
            return
        if len(gc.get_objects()) >= _MANY:
            self._collect_all_and_freeze()

    def stop(self) -> None:
        """Return to Python's automatic collection."""
        self._timer.stop()
        self._is_thawed = False
        self._layers.events.removing.disconnect(self._thaw)
        gc.unfreeze()
        if self._was_on:
            gc.enable()

    def _thaw(self, event: Any) -> None:
        """Thaw everything, so that a frozen layer can be freed; freeze the rest afterwards."""
        if self._layers[event.index] in self._frozen:
            self._frozen.clear()
            gc.unfreeze()
            self._is_thawed = True
            self._thawed.emit()

    def _freeze_again(self) -> None:
        if self._is_thawed:
            self._is_thawed = False
            self._collect_all_and_freeze()

    def _collect_all_and_freeze(self) -> None:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._frozen = WeakSet(self._layers)

    def _look(self) -> None:
        counts, limits = gc.get_count(), gc.get_threshold()
        if counts[2] > limits[2] > 0 and not self._is_thawed:
            self._collect_all_and_freeze()
            return
        for generation in (1, 0):
            if counts[generation] > limits[generation] > 0:
                gc.collect(generation)
                return
