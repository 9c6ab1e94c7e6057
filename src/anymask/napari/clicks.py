"""From clicks on the canvas to prompts, previews and objects."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from anymask.napari.click_layers import ClickLayers
from anymask.napari.tasks import Latest
from anymask.session import Clicker, Preview, Prompts, Region, points_along

if TYPE_CHECKING:
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller
    from anymask.napari.models import Models

TOOLS = {"points": "Points", "box": "Boxes", "scribble": "Scribble", "eraser": "Eraser"}
# A press and release this near each other, in pixels of the screen, is a click and no drag.
_CLICK_PIXELS = 5
_VIEW_SETTLED_MS = 500


class Clicks(QObject):
    """Prompts for the layer that is shown, and the masks that answer them.

    Signals
    -------
    changed()
        Tool, prompts, preview or readiness are others.
    """

    changed = Signal()

    def __init__(self, control: Controller, canvas: Canvas, models: Models) -> None:
        super().__init__(control)
        self._control, self._canvas, self._models = control, canvas, models
        self._encoding = Latest(control.main, "encoding")
        self._asking = Latest(control.main, "answers")
        self._clicker: Clicker | None = None
        self.layers = ClickLayers(control.viewer, self._on_drag, self._on_boxes)
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
        self._waits = False
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(_VIEW_SETTLED_MS)
        self._look.timeout.connect(self._prepare)
        control.viewer.scene.camera.events.connect(lambda _: self._view_moved())
        control.model_changed.connect(self._renew)
        control.session_changed.connect(self._renew)
        canvas.shown.connect(self._on_shown)

    @property
    def clicker(self) -> Clicker | None:
        """What asks the model, once there are a model and a session."""
        return self._clicker

    @property
    def is_ready(self) -> bool:
        """Whether a click is answered at once."""
        ready = None if self._clicker is None else self._clicker.selected
        return ready is not None and (ready.layer, ready.plane) == (
            self._control.current,
            self._control.plane,
        )

    def start(self) -> None:
        """Take clicks from now on."""
        if self._control.current is None:
            self._control.say("Add an image first, on the Images page.")
            return
        self._models.with_model(lambda _: self._start())

    def _start(self) -> None:
        self.is_on = True
        self.layers.show(self.tool)
        self._prepare()

    def stop(self) -> None:
        """Leave clicks to napari."""
        self.is_on = False
        self.clear()
        self.layers.hide()
        self._canvas_active()
        self._say("Off")

    def _canvas_active(self) -> None:
        layer = self._canvas.layer
        if layer is not None and layer in self._control.viewer.layers:
            self._control.viewer.layers.selection.active = layer

    def set_tool(self, tool: str) -> None:
        """Choose what clicks and drags mean: a key of `TOOLS`."""
        self.tool = tool
        if self.is_on:
            self.layers.show(tool)
        self.changed.emit()

    def close(self) -> None:
        """End the threads."""
        self._encoding.close()
        self._asking.close()

    def _renew(self) -> None:
        self.clear()
        self._clicker = None
        if self.is_on:
            self._prepare()

    def _on_shown(self) -> None:
        if self.is_on:
            ready = self._clicker.selected if self._clicker else None
            now = (self._control.current, self._control.plane)
            if ready is None or (ready.layer, ready.plane) != now:
                self.clear()
                self._prepare()
            self.layers.show(self.tool)

    def _view_moved(self) -> None:
        if self.is_on and not self.prompts and not self.boxes:
            self._look.start()

    def _region(self, clicker: Clicker) -> Region | None:
        record, picture = self._control.record, self._canvas.picture
        if record is None:
            return None
        view = None
        if picture is not None:
            (top, left), (bottom, right) = picture.corner_pixels[:, -2:].tolist()
            if bottom > top and right > left:
                view = (float(top), float(left), float(bottom), float(right))
        return clicker.region_for(record.size, view)

    def _prepare(self) -> None:
        """Encode what is shown, in the background."""
        control = self._control
        session, key, sam = control.session, control.current, control.sam
        if not self.is_on or session is None or key is None or sam is None:
            return
        plane = control.plane
        known = self._clicker

        def work() -> Any:
            clicker = known or Clicker(sam, session)
            region = self._region(clicker)
            return clicker, clicker.prepare(key, plane, region)

        if known is not None:
            ready, region = known.selected, self._region(known)
            if ready is not None and (ready.layer, ready.plane, ready.region) == (
                key, plane, region
            ):  # fmt: skip
                return
        self._say("Preparing the image…")

        def done(found: Any) -> None:
            if (control.session, control.current, control.plane) != (session, key, plane):
                return
            self._clicker, ready = found
            self._clicker.select(ready)
            took = "found on disk" if ready.from_cache else f"{ready.seconds:.1f} s"
            self._say(f"Ready to click ({took})")
            if self._waits:
                self._ask()

        def failed(error: Exception) -> None:
            self._say("Not ready")
            control.fail(error)

        self._encoding.ask(work, done, failed)

    def _say(self, status: str) -> None:
        self.status = status
        self.changed.emit()

    def _on_drag(self, layer: Any, event: Any) -> Iterator[None]:
        """Follow the mouse from press to release, as napari's generators do."""
        exclude = event.button == 2 or "Shift" in event.modifiers
        path, start = [self._place(event)], np.array(event.pos)
        moved = False
        yield
        while event.type == "mouse_move":
            moved = moved or bool(np.abs(np.array(event.pos) - start).max() > _CLICK_PIXELS)
            path.append(self._place(event))
            yield
        if self.tool == "scribble" and moved:
            self.add_points(points_along(path), 0 if exclude else 1)
        elif not moved and self.tool == "eraser":
            self.erase_at(*path[0])
        elif not moved:
            self.add_points([path[0]], 0 if exclude else 1)

    def _place(self, event: Any) -> tuple[float, float]:
        """Where the mouse is in the picture (x, y)."""
        row, column = event.position[-2:]
        return float(column), float(row)

    def _inside(self, x: float, y: float) -> bool:
        record = self._control.record
        return (
            record is not None
            and -0.5 <= x < record.size[1] - 0.5
            and (-0.5 <= y < record.size[0] - 0.5)
        )

    def add_points(self, points: list[tuple[float, float]], label: int) -> None:
        """Add points (x, y) on the object (1) or off it (0), and ask the model."""
        inside = [point for point in points if self._inside(*point)]
        if inside:
            self.prompts = self.prompts.with_points(inside, label)
            self._draw()
            self._ask()

    def erase_at(self, x: float, y: float) -> None:
        """Erase the object under a place."""
        session, key = self._control.session, self._control.current
        if session is None or key is None or not self._inside(x, y):
            return
        plane = self._control.plane
        label = int(session.plane_labels(key, plane)[round(y), round(x)])
        if label:
            stack = session.image(key.image).planes > 1
            self._control.edit(lambda s, k: s.erase(k, [label], plane if stack else None))

    def _on_boxes(self, boxes: list[tuple[float, float, float, float]]) -> None:
        self.boxes = boxes
        box = boxes[0] if len(boxes) == 1 else None
        self.prompts = Prompts(self.prompts.points, self.prompts.labels, box)
        self._ask()

    def refine(self) -> None:
        """Take the selected object's mask as the prompt; commit goes to that object."""
        if len(self._control.selected) != 1:
            self._control.say("Select one object first: in the table, or by clicking it there.")
            return
        self.prompts = Prompts(object_id=self._control.selected[0])
        self._ask()

    def take_back(self) -> None:
        """Remove the point set last, or the box."""
        self.prompts = self.prompts.without_last()
        if self.prompts.box is None:
            self.boxes = []
        self._draw()
        self._ask()

    def clear(self) -> None:
        """Forget prompts and preview."""
        self.prompts, self.boxes, self.previews = Prompts(), [], []
        self._waits = False
        self._asking.forget()
        self._draw()
        self.layers.show_masks([])
        self.changed.emit()

    def _draw(self) -> None:
        self.layers.draw(self.prompts, self.boxes)

    def _ask(self) -> None:
        """Have the model answer the prompts as they are now."""
        if not self.prompts and len(self.boxes) < 2:
            self.previews = []
            self.layers.show_masks([])
            self.changed.emit()
            return
        clicker, prompts, boxes = self._clicker, self.prompts, list(self.boxes)
        self._asked_at = time.perf_counter()
        if clicker is None or not self.is_ready:
            self._waits = True
            self._say("Preparing the image…")
            self._prepare()
            return
        self._waits = False

        def work() -> list[Preview]:
            if len(boxes) > 1:
                return clicker.predict_boxes(boxes)
            return [clicker.predict(prompts)]

        def done(found: list[Preview]) -> None:
            if (prompts, boxes) == (self.prompts, self.boxes):
                self._show(found)

        self._asking.ask(work, done, self._refused)

    def _refused(self, error: Exception) -> None:
        self.previews = []
        self.layers.show_masks([])
        self._control.fail(error)
        self.changed.emit()

    def _show(self, previews: list[Preview]) -> None:
        self.previews = previews
        self.layers.show_masks(previews)
        self.latency = time.perf_counter() - self._asked_at
        count = len(previews)
        text = f"{count} boxes" if count > 1 else f"Predicted quality {previews[0].score:.2f}"
        self._say(f"{text} · {self.latency * 1000:.0f} ms")

    def cycle(self, by: int = 1) -> None:
        """Show the next of the candidates."""
        clicker = self._clicker
        if len(self.previews) != 1 or clicker is None:
            return
        preview = self.previews[0]
        self._asked_at = time.perf_counter()
        self._asking.ask(
            lambda: [clicker.cycle(preview, by)],
            lambda found: self._show(found) if self.previews == [preview] else None,
            self._refused,
        )

    def commit(self, label: int | None = None) -> None:
        """Make an object of what is shown: a new one, or in place of one's pixels."""
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
                return session.commit_many(previews, class_name=name, overwrite=overwrite)
            return session.commit(previews[0], id=label, class_name=name, overwrite=overwrite)

        change = control.guarded(commit)
        if change is not None:
            self.clear()
            control.select(change.ids[-1:])

    def commit_to_selected(self) -> None:
        """Replace the selected object's pixels by what is shown."""
        if len(self._control.selected) == 1:
            self.commit(self._control.selected[0])
        else:
            self._control.say("Select the one object that the mask is for, in the table.")
