"""Garbage is collected in the main thread alone while the panel is open.

Layers and widgets that were removed are in reference cycles, so Python's collector frees them, in
whichever thread it happens to run. Qt and OpenGL objects freed in a thread that reads images or
runs the model crash the window.
"""

from __future__ import annotations

import gc

from qtpy.QtCore import QObject, QTimer

_EVERY_MS = 500


class Collector(QObject):
    """Takes the collector's place: looks a few times a second whether it is due."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._was_on = gc.isenabled()
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self._look)
        gc.disable()
        self._timer.start()

    def stop(self) -> None:
        """Have Python collect by itself again."""
        self._timer.stop()
        if self._was_on:
            gc.enable()

    def _look(self) -> None:
        counts, limits = gc.get_count(), gc.get_threshold()
        for generation in (2, 1, 0):
            if counts[generation] > limits[generation] > 0:
                gc.collect(generation)
                return
