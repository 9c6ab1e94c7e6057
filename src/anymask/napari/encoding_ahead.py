"""Encodes the current image before the first click, while nothing else is running."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from anymask.napari.click_layers import visible_part
from anymask.napari.tasks import Latest
from anymask.session import region_for

if TYPE_CHECKING:
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller

# After this long without a change, the user is looking at the image.
_SETTLED_MS = 800
_NICE = 10
# Larger regions, which have to be read first, are not encoded in advance.
_MOST_PIXELS = 2**26


class EncodingAhead(QObject):
    """Encodes what a first click needs, in a thread with low priority.

    It starts when a model is loaded, the image has not changed for a moment, `is_clicking` is False
    (clicking encodes by itself) and no task is running. A waiting request is dropped when another
    image is shown or a task starts; a running one is finished and kept on disk.
    """

    def __init__(
        self, control: Controller, canvas: Canvas, is_clicking: Callable[[], bool]
    ) -> None:
        super().__init__(control)
        self._control, self._canvas, self._is_clicking = control, canvas, is_clicking
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
        control = self._control
        session, key, sam, record = control.session, control.current, control.sam, control.record
        if session is None or key is None or sam is None or record is None:
            return
        if self._is_clicking() or control.tasks.is_busy or self._canvas.picture is None:
            return
        plane, size = control.plane, record.size
        view = visible_part(self._canvas.picture)
        picture = session.images.rgb_hash(key)
        region = region_for(size, view, sam.config.image_size)
        question = (session, sam, key, plane, picture, region)
        if question == self._asked or region.height * region.width > _MOST_PIXELS:
            return
        self._asked = question

        def work() -> None:
            yield_to_others()
            session.clicks.model(sam)  # slow on first use; another image may be shown by then
            if self._asked == question:
                session.clicks.prepare(sam, key, plane, region)

        def failed(error: Exception) -> None:
            if control.session is session:  # the user did not ask for it; a click shows the error
                session.log(f"{record.name} was not prepared for clicks: {error}")

        self._encoding.ask(work, lambda _: None, failed)


def yield_to_others() -> None:
    """Give the calling thread, and threads it starts, a low priority.

    Does nothing on systems without thread priorities.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            if os.getpriority(os.PRIO_PROCESS, thread) < _NICE:
                os.setpriority(os.PRIO_PROCESS, thread, _NICE)
