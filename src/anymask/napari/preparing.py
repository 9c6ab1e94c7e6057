"""Encodes the part of the image that is shown, so that clicks in it are answered at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anymask.napari.click_layers import visible_part
from anymask.napari.tasks import Latest
from anymask.session import region_for

if TYPE_CHECKING:
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller
    from anymask.session import Prepared, Region


class Preparing:
    """The encoded image that prompts refer to, and the thread that encodes the next one.

    Parameters
    ----------
    control : Controller
    canvas : Canvas
    done : callable
        Called with what was asked for last, if it still is what the window shows; whether it takes
        the place of `ready` is for the caller to say.
    failed : callable
        Called with the error of what was asked for last.

    Attributes
    ----------
    ready : Prepared or None
    """

    def __init__(
        self,
        control: Controller,
        canvas: Canvas,
        done: Callable[[Prepared], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._control, self._canvas = control, canvas
        self._done, self._failed = done, failed
        self._encoding = Latest(control.main, "encoding", in_between=True)
        self._asked: Any = None
        self.ready: Prepared | None = None

    def close(self) -> None:
        """End the thread."""
        self._encoding.close()

    def forget(self) -> None:
        """Ask for nothing any more."""
        self._encoding.forget()
        self._asked = None

    def now(self) -> tuple[Any, ...]:
        """Identify the image that is shown, and how; prompts belong only to it."""
        control = self._control
        session, key = control.session, control.current
        picture = "" if session is None or key is None else session.images.rgb_hash(key)
        return session, key, control.plane, picture

    @property
    def is_ready(self) -> bool:
        """Whether `ready` is the image that is shown."""
        ready = self.ready
        return ready is not None and (ready.layer, ready.plane, ready.rgb_hash) == self.now()[1:]

    def visible_region(self) -> Region | None:
        """The region to encode for what is visible; None without an image or a model."""
        control = self._control
        if control.sam is None or control.record is None:
            return None
        view = visible_part(self._canvas.picture)
        return region_for(control.record.size, view, control.sam.config.image_size)

    def prepare(self) -> bool | None:
        """Encode the visible part in the background.

        Returns
        -------
        bool or None
            Whether there is anything to do; None without an image or a model.
        """
        control = self._control
        session, key, sam, region = (
            control.session,
            control.current,
            control.sam,
            self.visible_region(),
        )
        if session is None or key is None or sam is None or region is None:
            return None
        plane, now = control.plane, self.now()
        if self.ready is not None and self.is_ready and self.ready.region == region:
            self.forget()
            return False
        question = (now, region)
        if question == self._asked:
            return True
        self._asked = question

        def work() -> Prepared:
            return session.clicks.prepare(sam, key, plane, region)

        def done(ready: Prepared) -> None:
            if self._asked == question:
                self._asked = None
            if now == self.now() and sam is control.sam:
                self._done(ready)

        def failed(error: Exception) -> None:
            if self._asked == question:
                self._asked = None
                self._failed(error)

        self._encoding.ask(work, done, failed)
        return True
