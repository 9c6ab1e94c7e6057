"""The picture that is shown is encoded before anybody clicks, when nothing else is to be done."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from anymask.napari.click_layers import visible_part
from anymask.napari.tasks import Latest
from anymask.session import Clicker

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.napari.canvas import Canvas
    from anymask.napari.clicks import Clicks
    from anymask.napari.controller import Controller
    from anymask.session import Session

# After so long without a change somebody is looking at the picture.
_SETTLED_MS = 800
_NICE = 10
# Of larger parts of a picture, which have to be read first, nothing is encoded unasked.
_MOST_PIXELS = 2**26


class Clickers:
    """The one `Clicker` for a model and a session, whichever thread asks for it first."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._made: Clicker | None = None

    def of(self, sam: Sam, session: Session) -> Clicker:
        """Make it, or find it made. Slow the first time, for it reads all weights."""
        with self._guard:
            made = self._made
            if made is None or made.sam is not sam or made.session is not session:
                made = self._made = Clicker(sam, session)
            return made

    def forget(self) -> None:
        """Let go of a model and a session that are no longer used."""
        with self._guard:
            self._made = None


class Ahead(QObject):
    """Encodes what a first click would need, in a thread that yields to all others.

    It begins when a model is loaded, the picture stays the same for a moment, clicking is off
    (which encodes by itself) and no task is running. What waits is dropped when another picture is
    shown or a task starts; what was begun ends, and is kept on disk.
    """

    def __init__(self, control: Controller, canvas: Canvas, clicks: Clicks) -> None:
        super().__init__(control)
        self._control, self._canvas, self._clicks = control, canvas, clicks
        self._encoding = Latest(control.main, "encoding ahead")
        self._asked: Any = None
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(_SETTLED_MS)
        self._look.timeout.connect(self._begin)
        control.current_changed.connect(self._drop)
        control.tasks.started.connect(self._drop)
        for change in (canvas.shown, control.model_changed, control.tasks.ended):
            change.connect(self._look.start)
        control.viewer.scene.camera.events.connect(lambda _: self._look.start())

    def close(self) -> None:
        """End the thread."""
        self._look.stop()
        self._asked = None
        self._encoding.close()

    def _drop(self, *_: Any) -> None:
        self._asked = None
        self._encoding.forget()

    def _begin(self) -> None:
        control, clicks = self._control, self._clicks
        session, key, sam, record = control.session, control.current, control.sam, control.record
        if session is None or key is None or sam is None or record is None:
            return
        if clicks.is_on or control.tasks.is_busy or self._canvas.picture is None:
            return
        plane, size = control.plane, record.size
        view = visible_part(self._canvas.picture)
        picture = session.picture_hash(key)
        question = (session, sam, key, plane, picture, view)
        if question == self._asked:
            return
        self._asked = question

        def work() -> None:
            yield_to_others()
            clicker = clicks.clickers.of(sam, session)
            region = clicker.region_for(size, view)
            if self._asked == question and region.height * region.width <= _MOST_PIXELS:
                clicker.prepare(key, plane, region)

        def failed(error: Exception) -> None:
            if control.session is session:  # nobody asked for it; a click tells what is wrong
                session.log(f"{record.name} was not prepared for clicks: {error}")

        self._encoding.ask(work, lambda _: None, failed)


def yield_to_others() -> None:
    """Give the thread that calls this, and those that it starts, a low priority.

    Where a thread cannot have a priority of its own nothing happens.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            if os.getpriority(os.PRIO_PROCESS, thread) < _NICE:
                os.setpriority(os.PRIO_PROCESS, thread, _NICE)
