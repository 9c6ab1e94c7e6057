"""Turns clicks on the canvas into prompts, previews and objects."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from anymask.napari.click_layers import ClickLayers, visible_part
from anymask.napari.encoding_ahead import EncodingAhead
from anymask.napari.tasks import Latest
from anymask.session import Preview, Prompts, points_along, region_for

if TYPE_CHECKING:
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller
    from anymask.napari.model_loading import Models
    from anymask.session import Prepared, Region

TOOLS = {"points": "Points", "box": "Boxes", "scribble": "Scribble", "eraser": "Eraser"}
_VIEW_SETTLED_MS = 500
_PREPARING, _READY = "Preparing the image…", "Ready to click"


class Clicking(QObject):
    """Prompts for the current layer, and the masks predicted from them.

    Signals
    -------
    changed()
        Tool, prompts, preview or readiness changed.
    """

    changed = Signal()

    def __init__(self, control: Controller, canvas: Canvas, models: Models) -> None:
        super().__init__(control)
        self._control, self._canvas, self.models = control, canvas, models
        self._encoding = Latest(control.main, "encoding", in_between=True)
        self._asking = Latest(control.main, "answers")
        # The encoded image that prompts refer to, once there is one.
        self.ready: Prepared | None = None
        self.layers = ClickLayers(control.viewer, self._on_click, self._on_stroke, self._on_boxes)
        self.is_on = False
        self.tool = "points"
        self.prompts = Prompts()
        self.boxes: list[tuple[float, float, float, float]] = []
        self.previews: list[Preview] = []
        self.class_name = ""
        self.overwrite = False
        self.status = "Off"
        self.latency: float | None = None
        self._asked_at = 0.0
        # Whether a prediction is running, and what to do once it is there.
        self._is_asking = False
        self._later: list[Callable[[], Any]] = []
        self._place = self._now()
        self._preparing: Any = None
        self._uses = control.session, control.sam
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(_VIEW_SETTLED_MS)
        self._look.timeout.connect(self._view_settled)
        control.viewer.scene.camera.events.connect(lambda _: self._look.start())
        control.model_changed.connect(self._renew)
        control.session_changed.connect(self._renew)
        control.current_changed.connect(self._follow)
        canvas.shown.connect(self._on_shown)
        self._ahead = EncodingAhead(control, canvas, self)

    def _now(self) -> tuple[Any, ...]:
        """Identify the image that is shown, and how; prompts belong only to it."""
        control = self._control
        session, key = control.session, control.current
        picture = "" if session is None or key is None else session.images.rgb_hash(key)
        return session, key, control.plane, picture

    @property
    def is_ready(self) -> bool:
        """Whether a click gives a mask at once, without encoding."""
        ready = self.ready
        return ready is not None and (ready.layer, ready.plane, ready.rgb_hash) == self._now()[1:]

    def start(self, then: Callable[[], Any] | None = None) -> None:
        """Start taking clicks, then call a function."""
        if self._control.current is None:
            self._control.say("Add an image first, on the Images page.")
            return
        self.models.with_model(lambda _: self._start(then))

    def _start(self, then: Callable[[], Any] | None) -> None:
        if self._control.current is None:  # closed while the model was loading
            return
        self.is_on = True
        self.layers.show(self.tool)
        self._prepare()
        if then is not None:
            then()

    def stop(self) -> None:
        """Stop taking clicks."""
        self.is_on = False
        self._forget_preparing()
        self.clear()
        self.layers.hide()
        layer, layers = self._canvas.layer, self._control.viewer.layers
        if layer is not None and layer in layers:
            layers.selection.active = layer
        self._say("Off")

    def set_tool(self, tool: str) -> None:
        """Choose the tool for clicks and drags: a key of `TOOLS`."""
        self.tool = tool
        if self.is_on:
            self.layers.show(tool)
        self.changed.emit()

    def close(self) -> None:
        """End the threads."""
        for thread in (self._ahead, self._encoding, self._asking):
            thread.close()

    def _forget_preparing(self) -> None:
        self._encoding.forget()
        self._preparing = None

    def _renew(self) -> None:
        """Start over with another model or session."""
        uses = self._control.session, self._control.sam
        if uses == self._uses:  # the session only recorded its model
            return
        self._uses = uses
        self._forget_preparing()
        self.clear()
        self.ready = None
        if self.is_on:
            self._prepare()

    def _follow(self) -> None:
        """Forget prompts for an image that is no longer shown."""
        place = self._now()
        if place != self._place:
            self._place = place
            self.clear()

    def _on_shown(self) -> None:
        self._follow()
        self._view_settled()
        if self.is_on:
            self._look.start()  # the visible part is known only after napari has drawn
            self.layers.show(self.tool)

    @property
    def _is_in_use(self) -> bool:
        """Whether there are prompts for the encoded region, which must then not change."""
        return self.is_ready and (bool(self.prompts) or bool(self.boxes))

    def _view_settled(self) -> None:
        if self.is_on and not self._is_in_use:
            self._prepare()

    def _prepare(self) -> bool:
        """Encode the visible part in the background; return whether there is anything to do."""
        control = self._control
        session, key, sam, record = control.session, control.current, control.sam, control.record
        if not self.is_on or session is None or key is None or sam is None or record is None:
            return False
        plane, size, now = control.plane, record.size, self._now()
        view = visible_part(self._canvas.picture)
        region = region_for(size, view, sam.config.image_size)
        if self.ready is not None and self.is_ready and self.ready.region == region:
            self._forget_preparing()
            if self.status == _PREPARING:
                self._say(_READY)
            return False
        self._say(_PREPARING)
        question = (now, region)
        if question == self._preparing:
            return True
        self._preparing = question

        def work() -> Prepared:
            return session.clicks.prepare(sam, key, plane, region)

        def done(ready: Prepared) -> None:
            if self._preparing == question:
                self._preparing = None
            if now != self._now() or sam is not control.sam:
                return
            if self._is_in_use and not self._is_asking and not self._is_inside(ready.region):
                self._say(_READY)
                return
            self.ready = ready
            took = "found on disk" if ready.from_cache else f"{ready.seconds:.1f} s"
            self._say(f"{_READY} ({took})")
            if self._is_asking or self._is_in_use:
                self._ask(prepared=True)

        def failed(error: Exception) -> None:
            if self._preparing == question:
                self._preparing = None
                self._is_asking = False
                self._later.clear()
                self._say("Not ready")
                control.fail(error)

        self._encoding.ask(work, done, failed)
        return True

    def _is_inside(self, region: Region) -> bool:
        """Whether a region contains all prompts."""
        corners = [place for x0, y0, x1, y1 in self.boxes for place in ((x0, y0), (x1, y1))]
        return all(region.holds(x, y) for x, y in (*self.prompts.points, *corners))

    def _say(self, status: str) -> None:
        self.status = status
        self.changed.emit()

    def _on_click(self, place: tuple[float, float], exclude: bool) -> None:
        if self.tool == "eraser":
            self.erase_at(*place)
        else:
            self.add_points([place], 0 if exclude else 1)

    def _on_stroke(self, path: list[tuple[float, float]], exclude: bool) -> None:
        if self.tool == "scribble":
            self.add_points(points_along(path), 0 if exclude else 1)

    def _inside(self, x: float, y: float) -> bool:
        record = self._control.record
        height, width = (0, 0) if record is None else record.size
        return -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5

    def add_points(self, points: list[tuple[float, float]], label: int) -> None:
        """Add points (x, y) on the object (1) or off it (0), and predict."""
        if self._later:  # a commit waits for its mask; these points are for the next object
            self._later.append(lambda: self.add_points(points, label))
            return
        # The outer half of a border pixel is part of the image too.
        inside = [(max(x, 0.0), max(y, 0.0)) for x, y in points if self._inside(x, y)]
        if inside:
            self.prompts = self.prompts.with_points(inside, label)
            self.layers.draw(self.prompts, self.boxes)
            self._ask()

    def erase_at(self, x: float, y: float) -> None:
        """Erase the object at a point."""
        session, key = self._control.session, self._control.current
        if session is None or key is None or not self._inside(x, y):
            return
        plane = self._control.plane
        label = int(session.layers.labels(key, plane)[round(y), round(x)])
        if label:
            stack = session.images[key.image].planes > 1
            self._control.edit(lambda s, k: s.edits.erase(k, [label], plane if stack else None))

    def _on_boxes(self, boxes: list[tuple[float, float, float, float]]) -> None:
        self.boxes = boxes
        box = boxes[0] if len(boxes) == 1 else None
        self.prompts = Prompts(self.prompts.points, self.prompts.labels, box)
        self._ask()

    def refine(self) -> None:
        """Use the selected object's mask as a prompt; commit replaces that object."""
        if len(self._control.selected) != 1:
            self._control.say("Select one object first, in the table on the Objects page.")
        elif self.is_on:
            self._refine(self._control.selected[0])
        else:
            label = self._control.selected[0]
            self.start(lambda: self._refine(label))

    def _refine(self, label: int) -> None:
        self.clear()
        self.prompts = Prompts(object_id=label)
        self._ask()

    def take_back(self) -> None:
        """Remove the last point, or the box."""
        self.prompts = self.prompts.without_last()
        if self.prompts.box is None:
            self.boxes = []
        self.layers.draw(self.prompts, self.boxes)
        self._ask()

    def clear(self) -> None:
        """Forget prompts and preview."""
        self.prompts, self.boxes, self.previews = Prompts(), [], []
        self._is_asking = False
        self._later.clear()
        self._asking.forget()
        self.layers.draw(self.prompts, self.boxes)
        self.layers.show_masks([])
        self._look.start()  # the view may have changed while there were prompts
        self.changed.emit()

    def _ask(self, prepared: bool = False) -> None:
        """Predict masks for the current prompts."""
        self._asking.forget()
        self._is_asking = False
        if not self.prompts and len(self.boxes) < 2:
            self.previews = []
            self.layers.show_masks([])
            self.changed.emit()
            return
        if not prepared:
            self._asked_at = time.perf_counter()
        session, ready = self._control.session, self.ready
        prompts, boxes = self.prompts, list(self.boxes)
        self._is_asking = True
        if session is None or ready is None or not self.is_ready:
            self._is_asking = self._prepare()
            return
        if not prepared and not self._is_inside(ready.region) and self._prepare():
            return

        def work() -> list[Preview]:
            if len(boxes) > 1:
                return session.clicks.predict_boxes(ready, boxes)
            return [session.clicks.predict(ready, prompts)]

        self._asking.ask(work, self._show, self._refused)

    def _refused(self, error: Exception) -> None:
        self._is_asking = False
        self._later.clear()
        self.previews = []
        self.layers.show_masks([])
        self._control.fail(error)
        self.changed.emit()

    def _show(self, previews: list[Preview]) -> None:
        self._is_asking = False
        self.previews = previews
        self.layers.show_masks(previews)
        self.latency = time.perf_counter() - self._asked_at
        count = len(previews)
        text = f"{count} boxes" if count > 1 else f"Predicted quality {previews[0].score:.2f}"
        self._say(f"{text} · {self.latency * 1000:.0f} ms")
        while self._later and not self._is_asking:
            self._later.pop(0)()

    def cycle(self, by: int = 1) -> None:
        """Show the next candidate."""
        if self._is_asking:
            self._later.append(lambda: self.cycle(by))
            return
        session = self._control.session
        if len(self.previews) != 1 or session is None:
            return
        clicks, preview = session.clicks, self.previews[0]
        self._asked_at = time.perf_counter()
        self._is_asking = True
        self._asking.ask(lambda: [clicks.cycle(preview, by)], self._show, self._refused)

    def commit(self, label: int | None = None) -> None:
        """Make a new object from the preview, or replace the pixels of an object.

        If the prediction for the last click is still running, commit waits for it.
        """
        if self._is_asking:
            self._later.append(lambda: self.commit(label))
            return
        control, previews = self._control, self.previews
        if not previews:
            control.say("There is nothing to commit yet: click on an object first.")
            return
        if label is None:
            label = self.prompts.object_id
        name, overwrite = self.class_name, self.overwrite

        def commit() -> Any:
            control.leave()
            session, _ = control.need_current()
            if len(previews) > 1:
                return session.clicks.commit_many(previews, class_name=name, overwrite=overwrite)
            return session.clicks.commit(
                previews[0], id=label, class_name=name, overwrite=overwrite
            )

        change = control.guarded(commit)
        if change is not None:
            later = list(self._later)
            self.clear()
            self._later += later
            control.select(change.ids[-1:])

    def commit_to_selected(self) -> None:
        """Replace the pixels of the selected object with the preview."""
        if len(self._control.selected) == 1:
            self.commit(self._control.selected[0])
        else:
            self._control.say(
                "Select the object to replace first, in the table on the Objects page."
            )
