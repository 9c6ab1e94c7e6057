"""Strokes in napari's Labels layer, handed to the session as they are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer

from anymask.session import LayerKey

if TYPE_CHECKING:
    from anymask.napari.controller import Controller

# While the mouse is down: what a crash may cost at most.
_EVERY_MS = 1000
_KINDS = {"paint": "paint", "fill": "fill", "erase": "erase", "polygon": "polygon"}


class Painting(QObject):
    """Watches one layer of napari and records what is painted into it."""

    def __init__(self, control: Controller, key: LayerKey, layer: Labels) -> None:
        super().__init__(control)
        self._control, self._key, self._layer = control, key, layer
        self._is_quiet = False
        self._is_held = False
        self._changed = False
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self.record)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.record)
        layer.events.paint.connect(self._stroke)
        layer.events.labels_update.connect(self._touch)
        layer.events.data.connect(self._stroke)
        for keys, act in (("Control-Z", control.undo), ("Control-Shift-Z", control.redo)):
            # napari's own would take back strokes that the session has, behind its back.
            layer.bind_key(keys, lambda _, act=act: act(), overwrite=True)

    @contextmanager
    def quiet(self, hold: bool = False) -> Iterator[None]:
        """While the layer is changed by us; with `hold` what it has then is not recorded."""
        self.record()
        self._is_quiet = True
        try:
            yield
        finally:
            self._is_quiet = False
            self._is_held = hold
            self._changed = False

    def record(self) -> None:
        """Give what was painted to the session."""
        self._timer.stop()
        self._soon.stop()
        if not self._changed or self._is_held:
            return
        self._changed = False
        session = self._control.session
        if session is None or session.read_only:
            return
        kind = _KINDS.get(str(self._layer.mode), "paint")
        self._control.guarded(lambda: session.record_pixels(self._key, self._layer.data, kind=kind))

    def close(self) -> None:
        """Record what is left and watch no more."""
        self.record()
        self._layer.events.paint.disconnect(self._stroke)
        self._layer.events.labels_update.disconnect(self._touch)
        self._layer.events.data.disconnect(self._stroke)
        self.deleteLater()

    def _touch(self, event: object = None) -> None:
        if not self._is_quiet:
            self._changed = True
            if not self._timer.isActive():
                self._timer.start()

    def _stroke(self, event: object = None) -> None:
        """Record as soon as napari is done: it tells of a fill before it fills."""
        if not self._is_quiet:
            self._changed = True
            self._soon.start()
