"""Turns clicks on the canvas into prompts, previews and objects."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, QTimer, Signal

from anymask.napari.click_layers import ClickLayers
from anymask.napari.drawing import Drawing
from anymask.napari.encoding_ahead import EncodingAhead
from anymask.napari.erasing import erase_at, is_inside, label_at
from anymask.napari.preparing import Preparing
from anymask.napari.sign import Sign
from anymask.napari.turn_queue import SELECT_ONE, TurnQueue
from anymask.napari.turns import Box, Commit, Turn
from anymask.session import ClickPrompts, Preview, points_along
from anymask.session.mask_fit import held

if TYPE_CHECKING:
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller
    from anymask.napari.model_loading import Models
    from anymask.session import Prepared

TOOLS = {
    "points": "Points",
    "box": "Boxes",
    "scribble": "Scribble",
    "lasso": "Lasso",
    "brush": "Brush",
    "eraser": "Eraser",
}
_VIEW_SETTLED_MS = 500
_PREPARING, _READY = "Preparing the image…", "Ready to click"
_FINDING, _COMMITTING = "Finding the mask…", "Committing…"


class Clicking(QObject):
    """Prompts for the current layer, and the masks predicted from them.

    What is clicked and pressed is done in its order, though answers take time: a commit takes its
    turn, the prompts until then, to the end of a queue, and what follows is for the next object.

    Signals
    -------
    changed()
        Tool, prompts, preview or readiness changed.
    """

    changed = Signal()

    def __init__(self, control: Controller, canvas: Canvas, models: Models) -> None:
        super().__init__(control)
        self._control, self._canvas, self.models = control, canvas, models
        self._image = Preparing(control, canvas, self._on_prepared, self._on_not_prepared)
        self.layers = ClickLayers(
            control.viewer,
            canvas.outlines,
            self._on_click,
            self._on_stroke,
            self._choose,
            self.close_lasso,
            self._on_boxes,
            self._on_other_tool,
        )
        self._drawing = Drawing(
            self.layers,
            lambda: self.prompts,
            lambda prompts: self._change(prompts, self.boxes),
            self._say,
        )
        self.sign = Sign(control.viewer)
        self.is_on = False
        self.tool = "points"
        self.class_name = ""
        self.overwrite = False
        self._keep_clicked = True
        self.one_each = False
        self.status = "Off"
        self.latency: float | None = None
        self._asked_at = 0.0
        # The prompts that are shown; commits, and what was pressed after them.
        self._turn = Turn()
        self._queue = TurnQueue(control, self._answered, self._committed, self._give_back)
        # Whether the prompts wait for the image to be prepared.
        self._waits = False
        self._place = self._image.now()
        self._uses = control.session, control.sam
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(_VIEW_SETTLED_MS)
        self._look.timeout.connect(self._view_settled)
        control.viewer.scene.camera.events.connect(lambda _: self._look.start())
        control.model_changed.connect(self._renew)
        control.session_changed.connect(self._renew)
        control.current_changed.connect(self._follow)
        control.labels_changed.connect(lambda _: self.fit_again())
        control.in_turn = self._in_turn
        control.before_closing.append(self._queue.finish)
        canvas.shown.connect(self._on_shown)
        self._ahead = EncodingAhead(control, canvas, lambda: self.is_on)

    @property
    def prompts(self) -> ClickPrompts:
        """The prompts for the next object."""
        return self._turn.prompts

    @property
    def boxes(self) -> list[Box]:
        """The boxes that are drawn, (x0, y0, x1, y1)."""
        return self._turn.boxes

    @property
    def previews(self) -> list[Preview]:
        """The masks that are shown."""
        return self._turn.previews

    @property
    def held(self) -> str:
        """A sentence on what other objects keep of the masks that are shown; "" for nothing."""
        return held(self._turn.fits) if self._turn.previews else ""

    @property
    def _may_take(self) -> bool | None:
        return True if self.overwrite else None

    @property
    def ready(self) -> Prepared | None:
        """The encoded image that prompts refer to, once there is one."""
        return self._image.ready

    @property
    def is_ready(self) -> bool:
        """Whether a click gives a mask at once, without encoding."""
        return self._image.is_ready

    def start(self, then: Callable[[], Any] | None = None) -> None:
        """Start taking clicks, then call a function."""
        if self._control.current is None:
            self._control.ask_for_image()
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
        self._image.forget()
        self.clear()
        self.layers.hide()
        layer, layers = self._canvas.layer, self._control.viewer.layers
        if layer is not None and layer in layers:
            layers.selection.active = layer
        self._say("Off")

    def set_tool(self, tool: str) -> None:
        """Choose the tool for clicks and drags: a key of `TOOLS`."""
        self.tool = tool
        self._drawing.drop()
        if self.is_on:
            self.layers.show(tool)
        self.changed.emit()

    def close(self) -> None:
        """End the threads."""
        for thread in (self._ahead, self._image, self._queue):
            thread.close()

    def _renew(self) -> None:
        """Start over with another model or session."""
        uses = self._control.session, self._control.sam
        if uses == self._uses:  # the session only recorded its model
            return
        self._uses = uses
        self._image.forget()
        self.clear()
        self._image.ready = None
        if self._control.session is None:
            self.layers.remove()
        elif self.is_on:
            self._prepare()

    def _follow(self) -> None:
        """Forget prompts for an image that is no longer shown."""
        place = self._image.now()
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
        coming = self._image.prepare() if self.is_on else None
        if coming:
            self._say(_PREPARING)
        elif coming is not None and self.status == _PREPARING:
            self._say(_READY)
        return bool(coming)

    def _on_prepared(self, ready: Prepared) -> None:
        waits, self._waits = self._waits, False
        if self._is_in_use and not waits and not self._turn.is_within(ready.region):
            self._say(_READY)
            return
        self._image.ready = ready
        took = "found on disk" if ready.from_cache else f"{ready.seconds:.1f} s"
        self._say(f"{_READY} ({took})")
        if waits or self._is_in_use:
            self._turn.is_current = False  # candidates asked for meanwhile stay asked for
            self._ask(prepared=True)

    def _on_not_prepared(self, error: Exception) -> None:
        self._waits = False
        self._say("Not ready")
        self._control.fail(error)

    def _say(self, status: str) -> None:
        self.status = status
        self.sign.show(status if self.is_on else "")
        self.changed.emit()

    def _on_click(self, place: tuple[float, float], exclude: bool) -> None:
        if self.tool == "eraser":
            erase_at(self._control, *place)
        elif self.tool == "brush":
            self._brush([place], exclude)
        elif self.tool == "lasso":
            self._drawing.add_corner(place)
        else:
            self.add_points([place], 0 if exclude else 1)

    def _on_stroke(self, path: list[tuple[float, float]], exclude: bool) -> None:
        if self.tool == "scribble":
            self.add_points(points_along(path), 0 if exclude else 1)
        elif self.tool == "brush":
            self._brush(path, exclude)
        elif self.tool == "lasso":
            self._drawing.lasso(path)

    def close_lasso(self) -> None:
        """Close the line that was clicked corner by corner."""
        if self.tool == "lasso":
            self._drawing.close()

    def _brush(self, path: list[tuple[float, float]], removes: bool) -> None:
        """Draw on the mask that is shown."""
        if not self.prompts or len(self._turn.boxes) > 1 or self._turn.singles:
            self._control.say("The brush corrects the mask of one object: click on it first.")
            return
        self._drawing.brush(path, removes)

    def _choose(self, place: tuple[float, float]) -> None:
        """Select the object at a point."""
        label = label_at(self._control, *place)
        self._control.select([label] if label else [])

    def add_points(self, points: list[tuple[float, float]], label: int) -> None:
        """Add points (x, y) on the object (1) or off it (0), and predict."""
        # The outer half of a border pixel is part of the image too.
        inside = [(max(x, 0.0), max(y, 0.0)) for x, y in points if is_inside(self._control, x, y)]
        if inside:
            if not self._turn and label == 1:
                self._turn.met = label_at(self._control, *inside[0])
            self._change(self.prompts.with_points(inside, label), self.boxes)

    def _on_boxes(self, boxes: list[Box]) -> None:
        box = boxes[0] if len(boxes) == 1 else None
        self._turn.change(replace(self.prompts, box=box), boxes)
        self._ask()

    def refine(self) -> None:
        """Use an object's mask as a prompt, and commit replaces that object.

        It is the object that was clicked, which keeps the points; without clicks, the selected one.
        """
        met = self._turn.met
        if self.is_on and met:
            prompts = self.prompts
            self.clear()
            self._change(replace(prompts, object_id=met), [])
        elif len(self._control.selected) != 1:
            self._control.say("Select one object first, in the table on the Objects page.")
        elif self.is_on:
            self._refine(self._control.selected[0])
        else:
            label = self._control.selected[0]
            self.start(lambda: self._refine(label))

    def _refine(self, label: int) -> None:
        self.clear()
        self._change(replace(self.prompts, object_id=label), [])

    def take_back(self) -> None:
        """Remove the last point, or the box."""
        if self._drawing.take_corner_back():
            return
        prompts = self.prompts.without_last()
        self._change(prompts, self.boxes if prompts.box is not None else [])

    def clear(self) -> None:
        """Forget prompts and preview; commits that wait for their masks go on."""
        self._queue.forget(self._turn)
        self._drawing.drop()
        self._begin(self._next_turn())
        if self.is_on and not self._queue.is_waiting:
            self._say(_READY if self.is_ready else _PREPARING)
        self._look.start()  # the view may have changed while there were prompts

    def _next_turn(self) -> Turn:
        return Turn(ClickPrompts(keep_clicked=self._keep_clicked), one_each=self.one_each)

    def set_one_each(self, wanted: bool) -> None:
        """Choose whether each point on an object is for an object of its own."""
        self.one_each = self._turn.one_each = wanted
        self._change(self.prompts, self.boxes)

    def set_keep_clicked(self, wanted: bool) -> None:
        """Choose whether masks consist only of the regions that were clicked."""
        self._keep_clicked = wanted
        self._change(replace(self.prompts, keep_clicked=wanted), self.boxes)

    def _begin(self, turn: Turn) -> None:
        """Show the prompts and the masks of a turn."""
        self._turn, self._waits = turn, False
        self.layers.draw(turn.prompts, turn.boxes)
        self.layers.show_masks(turn.previews, turn.fits)
        self.changed.emit()

    def _change(self, prompts: ClickPrompts, boxes: list[Box]) -> None:
        """Draw other prompts, and predict."""
        self._turn.change(prompts, boxes)
        self.layers.draw(prompts, boxes)
        self._ask()

    def _ask(self, prepared: bool = False) -> None:
        """Predict masks for the current prompts, after what is still to be done."""
        turn = self._turn
        self._queue.forget(turn)
        self._waits = False
        if not turn:
            turn.previews, turn.fits = [], []
            self.layers.show_masks([], [])
            self._say(_READY)
        else:
            if not prepared:
                self._asked_at = time.perf_counter()
            if self.is_ready:
                self._say(_FINDING)  # what was said of the last mask is not so any more
        self._advance(prepared)

    def _in_turn(self, act: Callable[[], Any]) -> None:
        """Do something after the commits that were asked for before it."""
        self._queue.add(act)
        self._advance()

    def _advance(self, prepared: bool = False) -> None:
        """Do what was asked for, in its order, as far as there are answers to do it with."""
        if not self._queue.advance():
            return
        turn, session, ready = self._turn, self._control.session, self.ready
        if not turn or turn.is_answered or session is None:
            return
        if ready is None or not self.is_ready:
            self._waits = self._prepare()
        elif not prepared and not self._turn.is_within(ready.region) and self._prepare():
            self._waits = True
        else:
            overwrite = self._may_take
            self._queue.ask(turn, lambda: turn.ask(session, ready, overwrite))

    def _answered(self, turn: Turn) -> None:
        if turn is self._turn and turn.previews:
            self._show()
        elif turn is self._turn:
            self._begin(turn)
            self._say("No mask")
        self._advance()

    def _committed(self, commit: Commit, ids: tuple[int, ...]) -> None:
        """Say which objects were made, unless the next one is clicked already."""
        if self._turn or not self.is_on:
            return
        layers = commit.session.layers
        pixels = sum(layers.area(commit.layer, label) for label in ids)
        what = f"object {ids[0]}" if len(ids) == 1 else f"{len(ids)} objects"
        self._say(f"Committed {what} ({pixels:,} px)")

    def _show(self) -> None:
        """Show the answer to the current prompts."""
        previews = self.previews
        self.layers.show_masks(previews, self._turn.fits)
        self.latency = time.perf_counter() - self._asked_at
        count = len(previews)
        text = f"{count} masks" if count > 1 else f"Predicted quality {previews[0].score:.2f}"
        met = self._turn.met
        if met and not self.prompts.object_id and count == 1:
            text += f"\nObject {met} is here; R refines it"
        self._say(text)

    def fit_again(self) -> None:
        """Show anew what other objects keep of the masks that are shown."""
        session, turn = self._control.session, self._turn
        if session is not None and turn.previews and turn.previews[0].layer == self._image.now()[1]:
            turn.fits = session.clicks.fit(
                turn.previews, id=turn.prompts.object_id, overwrite=self._may_take
            )
            self.layers.show_masks(turn.previews, turn.fits)
            self.changed.emit()

    def cycle(self, by: int = 1) -> None:
        """Show the next candidate."""
        turn = self._turn
        if (
            not turn.prompts
            or len(turn.boxes) > 1
            or turn.singles
            or (turn.is_current and not turn.previews)
        ):
            return
        turn.cycles.append(by)
        if not self._queue.is_asked(turn):
            self._asked_at = time.perf_counter()
            if self.is_ready:
                self._say(_FINDING)
            self._advance()

    def commit(self, target: int | Literal["selected"] | None = None) -> None:
        """Make a new object from the preview, or replace the pixels of an object.

        If a prediction is still to come, commit waits for it; prompts after it are for the next
        object.

        Parameters
        ----------
        target : int or "selected", optional
            The object to replace; a new one by default, or the one that is refined.
        """
        control, turn = self._control, self._turn
        session, layer, sam = control.session, control.current, control.sam
        region = self._image.visible_region()
        if not turn or (turn.is_answered and not turn.previews):
            control.say("There is nothing to commit yet: click on an object first.")
            return
        if session is None or layer is None or sam is None or region is None:
            return
        ready = self.ready
        if not turn.is_current:
            is_settled = ready is not None and self.is_ready and self._turn.is_within(ready.region)
            turn.ready = ready if is_settled else None
        target = turn.prompts.object_id if target is None else target
        if target == "selected" and not self._queue.is_waiting:
            # Otherwise it is the object of the commit before.
            if len(control.selected) != 1:
                control.say(SELECT_ONE)
                return
            (target,) = control.selected
        how = self.class_name, self._may_take
        self._queue.add(Commit(turn, target, *how, session, layer, control.plane, sam, region))
        self._turn, self._waits = self._next_turn(), False
        self._say(_COMMITTING)
        self._advance()
        if self._turn.previews or not self._turn:
            self._begin(self._turn)
        self._look.start()

    def commit_to_selected(self) -> None:
        """Replace the pixels of the selected object with the preview."""
        self.commit("selected")

    def _give_back(self, commit: Commit) -> None:
        """Show the prompts of a commit that failed again, unless there are newer ones."""
        here = (commit.session, commit.layer, commit.plane) == self._image.now()[:3]
        if here and self.is_on and not self._turn:
            self._begin(commit.turn)
            self._say("Not committed")

    def _on_other_tool(self, layer: Any) -> None:
        """Say that clicks go to another layer, whose tool was chosen."""
        self._control.say(
            f"Clicks go to the layer “{layer.name}”, because its tool “{layer.mode}” is chosen.",
            "info",
            ("Click on objects", lambda: self.set_tool(self.tool)),
        )
