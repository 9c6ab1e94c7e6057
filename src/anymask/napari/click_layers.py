"""The napari layers for clicking: points, boxes and the preview."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Points, Shapes
from napari.utils.colormaps import DirectLabelColormap

from anymask.napari.colours import PREVIEW, to_hex
from anymask.palette import colours_of
from anymask.session import ClickPrompts, MaskFit, Preview

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from anymask.napari.outlines import Outlines

Box = tuple[float, float, float, float]
Place = tuple[float, float]
# Told apart by their form too, for those who see no difference between green and red.
_COLOURS, _FORMS = {1: "#3ddc84", 0: "#ff5252"}, {1: "disc", 0: "x"}
# The label and the colour of what other objects keep of a mask.
_KEPT_BY_OTHERS, _NOT_TAKEN = 255, (0.95, 0.25, 0.3, 1.0)
# Up to this distance between press and release, in screen pixels, it is a click, not a drag.
_CLICK_PIXELS = 5
DRAGS = ("scribble", "lasso", "brush")
"""Tools with which a drag draws, and does not move the image."""
NAMES = ("anymask preview", "anymask boxes", "anymask clicks")
"""Names of the layers, from bottom to top."""


class ClickLayers:
    """Shows prompts and previews, and reports clicks and boxes.

    Parameters
    ----------
    viewer : napari.Viewer
    outlines : Outlines
    on_click, on_stroke : callable
        Called with a point (x, y), or with the points of a drag, and whether it excludes.
    on_choose : callable
        Called with a point (x, y) that was clicked with Alt.
    on_close : callable
        Called with a double click: the end of a line that was clicked corner by corner.
    on_boxes : callable
        Called with all boxes (x0, y0, x1, y1) when one is added, changed or removed.
    on_other_tool : callable
        Called with a layer whose own tool, such as the brush, gets the clicks; once, until a layer
        of these is active again.
    """

    def __init__(
        self,
        viewer: Viewer,
        outlines: Outlines,
        on_click: Callable[[Place, bool], None],
        on_stroke: Callable[[list[Place], bool], None],
        on_choose: Callable[[Place], None],
        on_close: Callable[[], None],
        on_boxes: Callable[[list[Box]], None],
        on_other_tool: Callable[[Any], None],
    ) -> None:
        self._viewer, self._outlines, self._on_other_tool = viewer, outlines, on_other_tool
        self._tool, self._has_told, self._is_shown = "points", False, False
        viewer.mouse_drag_callbacks.append(self._take_over)
        self._on_click, self._on_stroke, self._on_boxes = on_click, on_stroke, on_boxes
        self._on_choose, self._on_close = on_choose, on_close
        self.brush_radius = 6.0
        self.points: Points | None = None
        self.boxes: Shapes | None = None
        self.preview: Labels | None = None
        self._is_quiet = False
        # Boxes of commits that are still drawn.
        self._committed = 0
        self.keys: dict[str, Callable[[], None]] = {}

    def show(self, tool: str) -> None:
        """Put the layers on top and activate the one for the tool."""
        self._is_shown = True
        layers = self._viewer.layers
        if self.preview is None or self.preview not in layers:
            self.preview = Labels(np.zeros((1, 1), np.uint8), name=NAMES[0], opacity=0.35)
            self.preview.colormap = DirectLabelColormap(color_dict=_colours())
            layers.append(self.preview)
        if self.boxes is None or self.boxes not in layers:
            self.boxes = Shapes(
                ndim=2,
                name=NAMES[1],
                edge_color=to_hex(PREVIEW),
                face_color="transparent",
                edge_width=2,
            )
            self.boxes.events.data.connect(self._drawn)
            layers.append(self.boxes)
        if self.points is None or self.points not in layers:
            self.points = Points(
                ndim=2, name=NAMES[2], size=10, border_color="white", border_width=0.12
            )
            self.points.mouse_drag_callbacks.append(self._follow)
            self.points.mouse_double_click_callbacks.append(lambda *_: self._on_close())
            layers.append(self.points)
        for layer in (self.preview, *self._outlines.layers, self.boxes, self.points):
            if layers.index(layer) != len(layers) - 1:
                layers.move(layers.index(layer), len(layers))
        for layer in (self.preview, self.boxes, self.points):
            if not layer.visible:
                layer.visible = True
            for key, act in self.keys.items():
                layer.bind_key(key, lambda _, act=act: act(), overwrite=True)
        self._tool = tool
        self._activate()

    def _activate(self) -> None:
        """Make the layer for the tool the one that gets clicks."""
        if not self._is_shown or self.boxes is None or self.points is None:
            return
        tool, self._has_told = self._tool, False
        self._viewer.layers.selection.active = self.boxes if tool == "box" else self.points
        self.boxes.mode = "add_rectangle" if tool == "box" else "pan_zoom"
        self.points.mode = "pan_zoom"
        # These tools are drags, which must not pan the image.
        self.points.mouse_pan = tool not in DRAGS
        self._viewer.cursor.style = "circle" if tool == "brush" else "crosshair"
        if tool == "brush":
            self._viewer.cursor.size = 2 * self.brush_radius

    def set_brush(self, radius: float) -> None:
        """Set the radius of the brush, in pixels of the image."""
        self.brush_radius = radius
        if self._is_shown and self._tool == "brush":
            self._viewer.cursor.size = 2 * radius

    def _take_over(self, viewer: Any, event: Any) -> None:
        """Take a click back from a layer that has no use for it, as a napari drag callback.

        napari calls it before it looks which layer is active.
        """
        active = viewer.layers.selection.active
        if not self._is_shown or active in (self.points, self.boxes):
            return
        if active is None or str(active.mode) == "pan_zoom":
            self._activate()
        elif not self._has_told:
            self._has_told = True
            self._on_other_tool(active)

    def hide(self) -> None:
        """Hide the layers; napari would take half a second to remove them and to add new ones."""
        self.draw(ClickPrompts(), [])
        self.show_masks([], [])
        self._is_shown = False
        for layer in (self.preview, self.boxes, self.points):
            if layer is not None and layer.visible:
                layer.visible = False
        if self.preview is not None:  # the next image may be smaller
            self.preview.scale, self.preview.translate = (1, 1), (0, 0)

    def remove(self) -> None:
        """Remove the layers."""
        self._is_shown = False
        for layer in (self.preview, self.boxes, self.points):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self.preview = self.boxes = self.points = None

    def draw(self, prompts: ClickPrompts, boxes: list[Box]) -> None:
        """Show prompts."""
        if self._is_shown and self.points is not None:
            places = [(y, x) for x, y in prompts.points]
            self.points.data = np.array(places, np.float64).reshape(-1, 2)
            if places:
                self.points.face_color = [_COLOURS[label] for label in prompts.labels]
                self.points.symbol = [_FORMS[label] for label in prompts.labels]
                self.points.size = self._dot()
        if not self._is_shown or self.boxes is None:
            return
        if self.boxes._is_creating:  # the next box is being drawn, and must not be disturbed
            self._committed = max(len(self.boxes.data) - 1 - len(boxes), 0)
            return
        self._committed = 0
        if len(self.boxes.data) != len(boxes):
            self._is_quiet = True
            self.boxes.data = [_corners(box) for box in boxes]
            self._is_quiet = False

    def show_corners(self, corners: list[Place]) -> None:
        """Show the corners of a line that is being clicked; [] removes it."""
        # A short dash marks the first corner.
        closed = [*corners, corners[0]] if len(corners) > 1 else []
        dash = [(x + 3 / max(self._viewer.scene.camera.zoom, 1e-3), y) for x, y in corners[:1]]
        self._outlines.show_path(closed or [*corners, *dash])

    def show_masks(self, previews: list[Preview], fits: list[MaskFit]) -> None:
        """Show masks of one region, and which parts other objects keep; [] clears the preview."""
        if not self._is_shown or self.preview is None:
            return
        self._outlines.show_preview(previews)
        if not previews:
            if self.preview.data.shape != (1, 1):
                self.preview.data = np.zeros((1, 1), np.uint8)
            return
        region, shape = previews[0].region, previews[0].shown.shape
        shown = np.zeros(shape, np.uint8)
        for number, preview in enumerate(previews):
            shown[preview.shown] = number % 250 + 1
        for preview, each in zip(previews, fits, strict=False):
            if each.kept:
                got = np.zeros(shape, bool)
                got[each.crop.window] = each.crop.pixels
                shown[preview.shown & ~got] = _KEPT_BY_OTHERS
        middle = (region.step - 1) / 2
        if self.preview.data.shape == shape:
            self.preview.data[...] = shown
            self.preview.refresh()
        else:
            self.preview.data = shown
        self.preview.scale = (region.step, region.step)
        self.preview.translate = (region.top + middle, region.left + middle)

    def _follow(self, layer: Any, event: Any) -> Iterator[None]:
        """Follow the mouse from press to release, as a napari drag callback."""
        exclude = event.button == 2 or "Shift" in event.modifiers
        chooses = "Alt" in event.modifiers
        path, start = [_place(event)], np.array(event.pos)
        moved = False
        yield
        while event.type == "mouse_move":
            moved = moved or bool(np.abs(np.array(event.pos) - start).max() > _CLICK_PIXELS)
            path.append(_place(event))
            if moved and self._tool in DRAGS:
                self._outlines.show_path(path)
            yield
        self._outlines.show_path([])
        if moved:
            self._on_stroke(path, exclude)
        elif chooses:
            self._on_choose(path[0])
        else:
            self._on_click(path[0], exclude)

    def _dot(self) -> float:
        """Return a point size that looks the same at any zoom."""
        return 11.0 / max(float(self._viewer.scene.camera.zoom), 1e-3)

    def _drawn(self, event: Any) -> None:
        if self._is_quiet or self.boxes is None or str(event.action) not in (
            "ActionType.ADDED", "added", "ActionType.CHANGED", "changed",
            "ActionType.REMOVED", "removed",
        ):  # fmt: skip
            return
        boxes = []
        for shape in self.boxes.data[self._committed :]:
            corners = np.asarray(shape)[:, -2:]
            (y0, x0), (y1, x1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
            if x1 - x0 >= 1 and y1 - y0 >= 1:
                boxes.append((x0, y0, x1, y1))
        self._on_boxes(boxes)


def visible_part(picture: Any) -> tuple[float, float, float, float] | None:
    """Return top, left, bottom and right of the visible part of an image, in its pixels."""
    if picture is None:
        return None
    (top, left), (bottom, right) = picture.corner_pixels[:, -2:].tolist()
    if bottom <= top or right <= left:
        return None
    return float(top), float(left), float(bottom), float(right)


def _place(event: Any) -> Place:
    """Return the mouse position in the image as (x, y)."""
    row, column = event.position[-2:]
    return float(column), float(row)


def _corners(box: Box) -> np.ndarray:
    x0, y0, x1, y1 = box
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)])


def _colours() -> dict[int | None, Any]:
    """Return the colours: cyan for a single preview, different ones for several."""
    one = np.array(PREVIEW)
    table: dict[int | None, Any] = {None: one, 0: np.zeros(4), 1: one}
    for number in range(2, 256):
        table[number] = np.array([*(colours_of(np.array(number)) / 255), 1.0])
    table[_KEPT_BY_OTHERS] = np.array(_NOT_TAKEN)
    return table
