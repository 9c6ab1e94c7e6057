"""Records strokes in a napari labels layer in the session while they are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer

from anymask.session import Change, LayerKey

if TYPE_CHECKING:
    from anymask.napari.controller import Controller

# Interval of recording while the mouse is pressed; a crash loses at most this much.
_EVERY_MS = 1000
_KINDS = {"paint": "paint", "fill": "fill", "erase": "erase", "polygon": "polygon"}


class Strokes(QObject):
    """Watches a napari layer and records what is painted on it."""

    def __init__(self, control: Controller, key: LayerKey, layer: Labels) -> None:
        super().__init__(control)
        self._control, self._key, self._layer = control, key, layer
        self._is_quiet = False
        self._is_held = False
        self._changed = False
        # Whether parts of the current stroke are already recorded.
        self._continues = False
        self._is_recording = False
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self.record)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._record_stroke)
        layer.events.paint.connect(self._stroke)
        layer.events.labels_update.connect(self._touch)
        layer.events.data.connect(self._stroke)
        for keys, act in (("Control-Z", control.undo), ("Control-Shift-Z", control.redo)):
            # napari's own keys would undo strokes without the session.
            layer.bind_key(keys, lambda _, act=act: act(), overwrite=True)

    @property
    def is_held(self) -> bool:
        """Whether the layer shows something that must not be recorded."""
        return self._is_held

    def is_own(self, change: Change | None) -> bool:
        """Whether a change is the one being recorded, which is already drawn."""
        return self._is_recording and change is not None and not change.whole

    @contextmanager
    def quiet(self, hold: bool = False) -> Iterator[None]:
        """Change the layer without recording; with `hold`, never record its new content."""
        self.record()
        self._is_quiet = True
        try:
            yield
        finally:
            self._is_quiet = False
            self._is_held = hold
            self._changed = self._continues = False

    def record(self) -> None:
        """Record what was painted, as part of the current stroke."""
        self._timer.stop()
        self._soon.stop()
        if not self._changed or self._is_held:
            return
        self._changed = False
        session = self._control.session
        if session is None or session.read_only:
            return
        kind, continues = _KINDS.get(str(self._layer.mode), "paint"), self._continues
        self._is_recording = True
        change = self._control.guarded(
            lambda: session.edits.paint(self._key, self._layer.data, kind=kind, continues=continues)
        )
        self._is_recording = False
        self._continues = change is not None or continues

    def _record_stroke(self) -> None:
        """Record the end of a stroke; what follows is a new one."""
        self.record()
        self._continues = False

    def close(self) -> None:
        """Record the rest and stop watching."""
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
        """Record as soon as napari is done, because it reports a fill before filling."""
        if not self._is_quiet:
            self._changed = True
            self._soon.start()
