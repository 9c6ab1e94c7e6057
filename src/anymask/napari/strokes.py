"""Records strokes in a napari labels layer in the session while they are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer

from anymask.session import Change, LayerKey

if TYPE_CHECKING:
    from anymask.napari.controller import Controller

Window = tuple[slice, ...]
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
        # The boxes that napari said it painted, in pixels; None if it did not say.
        self._painted: list[Window] | None = []
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
            self._painted = []

    def record(self) -> None:
        """Record what was painted, as part of the current stroke."""
        self._timer.stop()
        self._soon.stop()
        if not self._changed or self._is_held:
            return
        self._changed = False
        painted, self._painted = self._painted, []
        session = self._control.session
        if session is None or session.read_only:
            return
        kind, continues = _KINDS.get(str(self._layer.mode), "paint"), self._continues
        self._is_recording = True
        change = self._control.guarded(
            lambda: session.edits.paint(
                self._key, self._layer.data, _joined(painted), kind=kind, continues=continues
            )
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

    def _touch(self, event: Any) -> None:
        if not self._is_quiet:
            self._changed = True
            self._note([self._box_drawn(event.offset, event.data.shape)])
            if not self._timer.isActive():
                self._timer.start()

    def _stroke(self, event: Any) -> None:
        """Record as soon as napari is done, because it reports a fill before filling."""
        if not self._is_quiet:
            self._changed = True
            parts = getattr(event, "value", None)  # the history of a stroke, or the new array
            known = parts if isinstance(parts, list) and parts else [None]
            self._note([_box_of(part) for part in known])
            self._soon.start()

    def _note(self, boxes: list[Window | None]) -> None:
        """Add boxes that were painted; without a box, all of the layer has to be compared."""
        known = [box for box in boxes if box is not None]
        whole = self._painted is None or len(known) < len(boxes)
        self._painted = None if whole else [*(self._painted or []), *known]

    def _box_drawn(self, offset: Sequence[int], shape: Sequence[int]) -> Window:
        """Return the part of the layer whose picture napari drew again."""
        dims, box = self._control.viewer.dims, [slice(None)] * self._layer.ndim
        for axis, start, size in zip(dims.displayed, offset, shape, strict=True):
            box[axis - dims.ndim + self._layer.ndim] = slice(int(start), int(start) + size)
        return tuple(box)


def _box_of(part: Any) -> Window | None:
    """Return the box of one entry of napari's history; None if it cannot be told."""
    if hasattr(part, "slice_key"):
        return tuple(part.slice_key)
    if isinstance(part, tuple) and part and isinstance(part[0], tuple) and len(part[0][0]):
        return tuple(slice(int(at.min()), int(at.max()) + 1) for at in map(np.asarray, part[0]))
    return None


def _joined(boxes: list[Window] | None) -> Window | None:
    """Return the box around boxes; None stands for everything."""
    if not boxes:
        return None
    return tuple(
        slice(None)
        if any(part.start is None for part in parts)
        else slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*boxes, strict=True)
    )
