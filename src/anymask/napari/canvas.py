"""The napari layers of the current image: its pixels, its masks, a single band."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import CyclicLabelColormap
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from anymask.napari.colours import cyclic, listed, of_objects
from anymask.napari.layer_data import StackPlanes, draw_part, empty, set_visible
from anymask.napari.outlines import Outlines
from anymask.napari.preferences import prefer, preference
from anymask.napari.seeing import bring_into_view
from anymask.napari.spare_layers import SpareLayers
from anymask.napari.strokes import Strokes
from anymask.napari.warm_up import warm_up
from anymask.session import Event, LayerKey, Session

if TYPE_CHECKING:
    from napari.layers import Layer

    from anymask.napari.controller import Controller

_CLICK_PIXELS = 5
_OPACITY = 0.45


class Canvas(QObject):
    """Keeps napari's layers in step with the session.

    Signals
    -------
    shown()
        The layers of another image were added.
    """

    shown = Signal()

    def __init__(self, control: Controller) -> None:
        super().__init__(control)
        self._control = control
        self._viewer = control.viewer
        self.pictures: dict[LayerKey, Image] = {}
        self._hashes: dict[LayerKey, str] = {}
        self.labels: dict[LayerKey, Labels] = {}
        self._strokes: dict[LayerKey, Strokes] = {}
        self._band: Image | None = None
        self.by = ""
        self.outlines = Outlines(control)
        self._quiet = self._is_removing = False
        self._tool = ("pan_zoom", 10.0)
        self._spare = SpareLayers(self._viewer.layers)
        # napari 0.9 still draws the (invisible) box behind its brush after the last layer is
        # removed, and Mesa's driver then crashes.
        brush = getattr(self._viewer.canvas.overlays, "_brush_circle", None)
        if brush is not None:
            brush.box = False
        control.current_changed.connect(self._show)
        control.recipes_changed.connect(self._show)
        control.labels_changed.connect(self._redraw)
        control.objects_changed.connect(lambda event: self._recolour(event.layer))
        control.classes_changed.connect(lambda: self._recolour(control.current))
        control.selection_changed.connect(self._select)
        control.before_leaving.append(self.record)
        self._viewer.dims.events.current_step.connect(self._moved_through)
        self._viewer.layers.events.removed.connect(self._deleted)

    @property
    def layer(self) -> Labels | None:
        """The napari labels layer of the current layer."""
        return None if self._control.current is None else self.labels.get(self._control.current)

    @property
    def picture(self) -> Image | None:
        """The napari image layer of the current layer."""
        return None if self._control.current is None else self.pictures.get(self._control.current)

    def record(self) -> None:
        """Record strokes that are not in the session yet."""
        for strokes in list(self._strokes.values()):
            strokes.record()

    def own(self, layer: Layer) -> LayerKey | None:
        """Return the session layer that a napari layer shows, or None."""
        for table in (self.labels, self.pictures):
            for key, known in table.items():
                if known is layer:
                    return key
        return None

    def _show(self) -> None:
        session, current = self._control.session, self._control.current
        # Labels being read may be older than an edit, or belong to another image.
        self._control.pictures.forget()
        if session is None or current is None:
            self._clear([])
            self._remove_spare()
            return
        self._drop_deleted()
        keys = [LayerKey(current.image, how.name) for how in session.images[current.image].recipes]
        wanted = [key for key in keys if key == current or session.layers.state(key) != "new"]
        self._clear(wanted)
        if current in self.pictures and all(key in self.labels for key in wanted):
            self._arrange(current)
            return

        def load() -> list[tuple[LayerKey, Any, Any]]:
            warm_up()
            found = []
            for key in wanted:
                labels = np.array(session.layers.labels(key)) if key not in self.labels else None
                picture = None
                if key == current and key not in self.pictures:
                    stack = session.images[key.image].planes > 1
                    picture = StackPlanes(session, key) if stack else session.images.rgb(key)
                    if stack:
                        session.images.rgb(key, 0)
                found.append((key, picture, labels))
            return found

        def done(found: list[tuple[LayerKey, Any, Any]]) -> None:
            first = not self.pictures
            for key, picture, labels in found:
                self._add(session, key, picture, labels)
            self._remove_spare()
            if first:
                self._viewer.reset_view()
            self._arrange(current)

        def failed(error: Exception) -> None:
            if session.images.is_missing(current.image):
                self._control.lost.emit(str(error))
            else:
                self._control.fail(error)

        self._control.pictures.ask(load, done, failed)

    def _add(self, session: Session, key: LayerKey, picture: Any, labels: Any) -> None:
        name = f"{session.images[key.image].name} · {key.recipe}"
        if picture is not None and key not in self.pictures:
            layer = self._spare.take(Image, picture, name)
            if layer is None:
                layer = Image(picture, name=name, rgb=True, multiscale=False)
                self._viewer.layers.insert(len(self.pictures), layer)
            self.pictures[key] = layer
            self._hashes[key] = session.images.rgb_hash(key)
        if labels is not None and key not in self.labels:
            self.labels[key] = made = self._masks_layer(labels, f"{name} · masks")
            made.editable = not session.read_only  # strokes would not be recorded
            self._strokes[key] = Strokes(self._control, key, made)
            self._recolour(key)

    def _masks_layer(self, labels: NDArray[Any], name: str) -> Labels:
        """Return a layer of masks in the viewer: one of the image before, or a new one."""
        made = self._spare.take(Labels, labels, name)
        if made is not None:
            self._quiet = True
            made.selected_label = 1
            self._quiet = False
            self._viewer.layers.selection.active = made
            made.mode, made.brush_size = self._tool
            return made
        layer = Labels(labels, name=name, opacity=float(preference("opacity", _OPACITY)))
        layer.contour = 0
        layer.events.opacity.connect(lambda _: prefer(opacity=layer.opacity))
        layer.events.selected_label.connect(lambda _: self.picked(layer.selected_label))
        layer.mouse_drag_callbacks.append(self._clicked)
        self._viewer.add_layer(layer)
        return layer

    def _arrange(self, current: LayerKey) -> None:
        """Show the pixels and masks of one layer and hide the others."""
        for key, picture in self.pictures.items():
            set_visible(picture, key == current)
        for key, labels in self.labels.items():
            set_visible(labels, key == current)
        if current in self.labels and self._viewer.layers.selection.active is None:
            self._viewer.layers.selection.active = self.labels[current]
            self.labels[current].mode, self.labels[current].brush_size = self._tool
        elif current in self.labels:
            active = self._viewer.layers.selection.active
            if active in (*self.labels.values(), *self.pictures.values()):
                self._viewer.layers.selection.active = self.labels[current]
        self._recolour(current)
        self.outlines.raise_layers()
        self._name_slider()
        self.shown.emit()

    def _name_slider(self) -> None:
        """Label the slider of a stack with its axes."""
        record, ndim = self._control.record, self._viewer.dims.ndim
        if record is not None and record.planes > 1 and ndim == 3:
            along = [axis for axis in "TZ" if record.planes_along(axis) > 1]
            self._viewer.dims.axis_labels = ("×".join(along).lower(), "y", "x")

    def _clear(self, keep: list[LayerKey]) -> None:
        """Remove layers of other images; keep those of pseudo-RGBs that stay."""
        self.show_band(None)
        session, current = self._control.session, self._control.current
        known = set()
        if session is not None and current is not None:
            known = {
                LayerKey(current.image, how.name) for how in session.images[current.image].recipes
            }
        for key in list(self.pictures):
            # The expressions of a pseudo-RGB may have changed.
            if session is None or key not in known or (
                session.images.rgb_hash(key) != self._hashes[key]
            ):  # fmt: skip
                self._spare.put(self.pictures.pop(key))
        for key in [key for key in self.labels if key not in keep]:
            self._strokes.pop(key).close()
            self._keep_tool(self.labels[key])
            self._spare.put(self.labels.pop(key))

    def _drop_deleted(self) -> None:
        """Forget layers that the user deleted in napari; the session still has them."""
        for key in [key for key, each in self.labels.items() if each not in self._viewer.layers]:
            self._strokes.pop(key).close()
            del self.labels[key]
        for key in [key for key, each in self.pictures.items() if each not in self._viewer.layers]:
            del self.pictures[key]

    def _deleted(self, event: Any) -> None:
        """Say that a layer deleted in napari is still in the session."""
        if self._is_removing or self.own(event.value) is None:
            return
        what = f"{event.value.name} was only removed from the canvas; the session still has it."
        self._control.say(what, "info", ("Show it again", self._show))

    def _remove(self, layer: Layer) -> None:
        if layer in self._viewer.layers:
            if isinstance(layer, Labels) and layer.visible:
                self._keep_tool(layer)
            self._is_removing = True
            empty(layer)
            self._viewer.layers.remove(layer)
            self._is_removing = False

    def _keep_tool(self, layer: Labels) -> None:
        """Remember the tool for the masks of the next image."""
        if layer.visible:
            self._tool = (str(layer.mode), float(layer.brush_size))
        layer.mode = "pan_zoom"

    def _remove_spare(self) -> None:
        for layer in self._spare.give_up():
            self._remove(layer)

    def _redraw(self, event: Event) -> None:
        """Redraw what an edit changed."""
        session, key, change = self._control.session, event.layer, event.change
        if session is None or key is None:
            return
        layer = self.labels.get(key)
        if layer is None or layer not in self._viewer.layers:
            if self._control.current is not None and key.image == self._control.current.image:
                self._show()
            return
        labels, strokes = session.layers.labels(key), self._strokes[key]
        if strokes.is_own(change):
            return  # painted here, so it is already shown
        has_others = strokes.is_held
        with strokes.quiet():
            if change is None or change.whole or layer.data.dtype != labels.dtype:
                layer.data = np.array(labels)
            elif has_others:
                layer.data[...] = labels
                layer.refresh()
            else:
                draw_part(layer, labels, change.window)
        if key == self._control.current:
            set_visible(layer, True)

    def preview(self, key: LayerKey, labels: NDArray[Any] | None) -> None:
        """Show labels that are not in the session; None shows those of the session again."""
        layer, session = self.labels.get(key), self._control.session
        if layer is None or session is None:
            return
        shown = session.layers.labels(key) if labels is None else labels
        with self._strokes[key].quiet(hold=labels is not None):
            if layer.data.dtype == shown.dtype:
                layer.data[...] = shown
                layer.refresh()
            else:
                layer.data = np.array(shown)

    def show_band(self, pixels: NDArray[Any] | None, name: str = "") -> None:
        """Show one band in grey above the image; None removes it."""
        if pixels is None:
            if self._band is not None:
                self._remove(self._band)
                self._band = None
            return
        finite = pixels[np.isfinite(pixels)]
        low, high = np.percentile(finite, (1, 99)) if finite.size else (0.0, 1.0)
        limits = (float(low), float(high) if high > low else float(low) + 1)
        if self._band is None or self._band not in self._viewer.layers:
            self._band = Image(pixels, name=name, colormap="gray", contrast_limits=limits)
            self._viewer.layers.insert(len(self.pictures), self._band)
        else:
            self._band.data = pixels
            self._band.name = name
            self._band.contrast_limits = limits

    def _select(self) -> None:
        """Let napari's tools paint the selected object; `Outlines` shows which it is."""
        layer, selected = self.layer, self._control.selected
        if layer is None:
            return
        if len(selected) == 1 and layer.selected_label != selected[0]:
            self._quiet = True
            layer.selected_label = selected[0]
            self._quiet = False

    def picked(self, label: int) -> None:
        """Select the object that the user picked with napari's tool."""
        session, current = self._control.session, self._control.current
        if self._quiet or session is None or current is None or not label:
            return
        if label in session.layers.ids(current):
            self._control.select([label])

    def _clicked(self, layer: Any, event: Any) -> Iterator[None]:
        """Select the clicked object in pan mode."""
        start: Any = np.array(event.pos)
        place = event.position[-2:]
        yield
        while event.type == "mouse_move":
            yield
        record = self._control.record
        still = np.abs(np.array(event.pos) - start).max() <= _CLICK_PIXELS
        shown: Any = self.layer
        if record is None or not still or layer is not shown or str(layer.mode) != "pan_zoom":
            return
        at = tuple(round(v) for v in place)
        if all(0 <= v < size for v, size in zip(at, record.size, strict=True)):
            data = layer.data[self._control.plane] if layer.data.ndim == 3 else layer.data
            label = int(data[at])
            more = "Control" in event.modifiers
            others = [i for i in self._control.selected if i != label] if more else []
            self._control.select([*others, label] if label else others)

    def look_at(self, label: int) -> None:
        """Bring an object into view, large enough to be seen."""
        session, current = self._control.session, self._control.current
        if session is None or current is None:
            return
        if label not in session.layers.ids(current):
            return
        box = session.layers.box(current, label)
        if len(box) == 3:
            own = session.layers.labels(current)[box] == label
            plane = box[0].start + int(np.median(np.nonzero(own)[0]))
            self._viewer.dims.set_current_step(0, plane)
        bring_into_view(self._viewer, session.images[current.image].size, box[-2:])

    def colour_by(self, by: str) -> None:
        """Colour objects by "class" or "state", or each in its own colour ("")."""
        self.by = by
        self._recolour(self._control.current)

    def _recolour(self, key: LayerKey | None) -> None:
        session = self._control.session
        layer = None if key is None else self.labels.get(key)
        if session is None or key is None or layer is None:
            return
        if not self.by:
            if (
                not isinstance(layer.colormap, CyclicLabelColormap)
                or layer.metadata.get("anymask colours") != "own"
            ):
                self._colour(layer, cyclic())
                layer.metadata["anymask colours"] = "own"
            return
        colours = of_objects(session, key, self.by)
        if layer.metadata.get("anymask colours") != colours:
            self._colour(layer, listed(colours))
            layer.metadata["anymask colours"] = colours

    def _colour(self, layer: Labels, colours: Any) -> None:
        """Colour a layer; ignore napari's report of a selected label that did not change."""
        self._quiet = True
        layer.colormap = colours
        self._quiet = False

    def _moved_through(self) -> None:
        """Follow the slider of a stack."""
        record = self._control.record
        if record is None or record.planes == 1:
            return
        plane = int(self._viewer.dims.current_step[0])
        if plane != self._control.plane and plane < record.planes:
            self._control.plane = plane
            self.outlines.look_again()
            self.shown.emit()
