"""Outlines on the canvas: selected objects, the preview, and objects that a person made or checked.

They keep their width on the screen at any zoom, and a dark seam keeps them apart from any ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Vectors
from qtpy.QtCore import QObject, QTimer

from anymask.napari.colours import PREVIEW, SELECTED
from anymask.napari.mask_edges import NO_SEGMENTS, Segments, edges_of
from anymask.napari.tasks import Latest
from anymask.palette import colours_of
from anymask.session import Event, LayerKey, Preview, Session, SessionError

if TYPE_CHECKING:
    from anymask.napari.controller import Controller

NAMES = ("anymask seams", "anymask outlines")
"""Names of the layers, from bottom to top."""
_WIDTH, _SEAM = 2.0, 4.5  # screen pixels
_SEAM_COLOUR = "#000000d8"
_SETTLED_MS = 30
# Objects that are outlined at once: more make the picture slow, and say nothing.
_MOST_SEGMENTS = 60_000
# Labels that are searched for outlines at once.
_MOST_PIXELS = 2**26


class Lines(Vectors):
    """Lines without a thumbnail, which napari would draw line by line, and nobody sees."""

    def _update_thumbnail(self) -> None:
        pass


class Outlines(QObject):
    """Two napari layers with lines: bright ones, and dark seams under the most important ones.

    Outlines of objects are found in a thread, those of the preview at once.
    """

    def __init__(self, control: Controller) -> None:
        super().__init__(control)
        self._control = control
        self._viewer = control.viewer
        self._finding = Latest(control.main, "outlines")
        self.seams: Vectors | None = None
        self.lines: Vectors | None = None
        self._place: tuple[Any, ...] = ()
        self._known: dict[int, Segments] = {}
        self._of_selected = self._of_preview = self._of_path = NO_SEGMENTS
        self._of_others: tuple[list[int], list[Segments]] = ([], [])
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._find)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLED_MS)
        self._settle.timeout.connect(self._fit_width)
        control.viewer.scene.camera.events.zoom.connect(lambda _: self._settle.start())
        control.selection_changed.connect(self._soon.start)
        control.labels_changed.connect(self._forget)
        control.objects_changed.connect(lambda _: self._soon.start())
        control.current_changed.connect(self._follow)

    def close(self) -> None:
        """End the thread."""
        self._soon.stop()
        self._settle.stop()
        self._finding.close()

    def look_again(self) -> None:
        """Find the outlines of what is shown now, such as another plane of a stack."""
        self._soon.start()

    @property
    def layers(self) -> list[Vectors]:
        """The layers that are in the viewer, from bottom to top."""
        made = (self.seams, self.lines)
        return [each for each in made if each is not None and each in self._viewer.layers]

    def show_preview(self, previews: Sequence[Preview]) -> None:
        """Outline masks that are not objects yet; [] removes their outlines."""
        found = []
        for preview in previews:
            region = preview.region
            middle = (region.step - 1) / 2
            origin = (region.top + middle, region.left + middle)
            found.append(edges_of(preview.shown, origin, region.step))
        new = np.concatenate(found) if found else NO_SEGMENTS
        if len(new) or len(self._of_preview):
            self._of_preview = new
            self._draw()

    def show_path(self, path: Sequence[tuple[float, float]]) -> None:
        """Show a line that is being drawn, as points (x, y); [] removes it."""
        places = np.array(path, np.float32).reshape(-1, 2)[:, ::-1]
        new = np.stack([places[:-1], np.diff(places, axis=0)], 1) if len(path) > 1 else NO_SEGMENTS
        if len(new) or len(self._of_path):
            self._of_path = new
            self._draw()

    def _forget(self, event: Event) -> None:
        """Forget outlines of objects that changed."""
        change = event.change
        if event.layer != self._control.current:
            return
        if change is None or change.whole:
            self._known = {}
        else:
            # A new table: the thread may still write what it found before into the old one.
            gone = {*change.ids, *change.touched}
            self._known = {i: found for i, found in self._known.items() if i not in gone}
        self._soon.start()

    def _find(self) -> None:
        """Find the outlines of the selected objects, and of those made or checked by a person."""
        control = self._control
        session, key, plane = control.session, control.current, control.plane
        self._finding.forget()
        if (session, key, plane) != self._place:
            self._place = (session, key, plane)
            self._known = {}
        if session is None or key is None:
            self._remove()
            return
        selected, known = control.selected, self._known

        def work() -> Any:
            return _found(session, key, plane, selected, known)

        def failed(error: Exception) -> None:
            # If an object is gone by now, or the session closed, the next event looks again.
            if control.session is session and not isinstance(error, SessionError):
                session.log(f"Outlines were not drawn: {error}")

        self._finding.ask(work, self._take, failed)

    def _follow(self) -> None:
        """Find the outlines of another image; without one, remove the layers."""
        if self._control.current is None:
            self._remove()
        self._soon.start()

    def _remove(self) -> None:
        self._finding.forget()
        self._of_selected = self._of_preview = self._of_path = NO_SEGMENTS
        self._of_others = ([], [])
        for layer in self.layers:
            # A layer that is removed with lines in it is drawn once more, from buffers that are
            # gone, and some graphics drivers crash.
            if len(layer.data):
                layer.data = NO_SEGMENTS
            self._viewer.layers.remove(layer)
        self.seams = self.lines = None

    def _take(self, found: tuple[Segments, tuple[list[int], list[Segments]]]) -> None:
        selected, others = found
        known = self._of_others
        same = others[0] == known[0] and all(map(lambda a, b: a is b, others[1], known[1]))
        if same and not len(selected) and not len(self._of_selected):
            return
        self._of_selected, self._of_others = found
        self._draw()

    def _draw(self) -> None:
        """Give the lines to napari."""
        bright = [self._of_selected, self._of_preview, self._of_path]
        ids, others = self._of_others
        lines = [*others, *bright]
        if not any(map(len, lines)) and self.lines is None:
            return
        self._make()
        assert self.seams is not None
        assert self.lines is not None
        paired = zip(colours_of(np.array(ids, np.int64)) / 255, others, strict=True)
        own = [np.tile([*colour, 1.0], (len(each), 1)) for colour, each in paired]
        colours = [
            *own,
            np.tile(SELECTED, (len(self._of_selected), 1)),
            np.tile(PREVIEW, (len(self._of_preview) + len(self._of_path), 1)),
        ]
        self._give(self.seams, np.concatenate(bright), None)
        self._give(self.lines, np.concatenate(lines), np.concatenate(colours))
        self._fit_width()

    def _give(self, layer: Vectors, segments: Segments, colours: Any) -> None:
        if not len(segments) and not len(layer.data):
            return
        layer.data = segments
        if len(segments):
            layer.edge_color = _SEAM_COLOUR if colours is None else colours

    def _make(self) -> None:
        """Make the layers once, under the layers with boxes and points."""
        active = self._viewer.layers.selection.active
        for name in NAMES:
            held = self.seams if name == NAMES[0] else self.lines
            if held is not None and held in self._viewer.layers:
                continue
            layer = Lines(
                NO_SEGMENTS, ndim=2, name=name, vector_style="line", edge_width=_WIDTH, opacity=1
            )
            if name == NAMES[0]:
                self.seams = layer
            else:
                self.lines = layer
            self._viewer.layers.append(layer)
            self._viewer.layers.selection.active = active
        self.raise_layers()

    def raise_layers(self) -> None:
        """Put the lines above all masks, but under what the user points at."""
        layers = self._viewer.layers
        above = {"anymask boxes", "anymask clicks"}
        for number, layer in enumerate(self.layers):
            top = sum(each.name not in above for each in layers)
            wanted = top - len(self.layers) + number
            if layers.index(layer) != wanted:
                layers.move(layers.index(layer), wanted + (layers.index(layer) < wanted))

    def _fit_width(self) -> None:
        """Keep the width of the lines on the screen."""
        zoom = max(float(self._viewer.scene.camera.zoom), 1e-3)
        for layer, width in zip((self.seams, self.lines), (_SEAM, _WIDTH), strict=True):
            if layer is not None and len(layer.data) and layer.edge_width != width / zoom:
                layer.edge_width = width / zoom


def _found(
    session: Session, key: LayerKey, plane: int, selected: Sequence[int], known: dict[int, Segments]
) -> tuple[Segments, tuple[list[int], list[Segments]]]:
    """Find outlines in a thread; known ones are not looked for again."""
    layers = session.layers
    there = layers.ids(key)
    waiting = set(layers.review_queue(key))
    by_hand = set(there) - layers.automatic(key)
    marked = [i for i in there if (i in by_hand or i not in waiting) and i not in selected]
    labels, seen, pixels = layers.labels(key, plane), set(there), 0

    def outline(label: int) -> Segments:
        nonlocal pixels
        if label not in known:
            rows, columns = layers.box(key, label)[-2:]
            pixels += (rows.stop - rows.start) * (columns.stop - columns.start)
            part = labels[rows, columns] == label
            known[label] = edges_of(part, (rows.start, columns.start))
        return known[label]

    bright = [outline(i) for i in selected if i in seen]
    ids: list[int] = []
    others: list[Segments] = []
    count = 0
    for label in marked:
        segments = outline(label)
        count += len(segments)
        if count > _MOST_SEGMENTS or pixels > _MOST_PIXELS:
            ids, others = [], []  # some, but not all, would mislead
            break
        ids.append(label)
        others.append(segments)
    return (np.concatenate(bright) if bright else NO_SEGMENTS), (ids, others)
