"""The Spectra page: the pixel under the cursor, and mean spectra of selected objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QCheckBox, QLabel

from anymask.images.object_spectra import object_spectra
from anymask.napari.curve_plot import Curve, Plot
from anymask.napari.dialogs import choose_new_file
from anymask.napari.tasks import Latest
from anymask.napari.widgets import Page, button, hint, row
from anymask.palette import colours_of
from anymask.session.rendering import plane_of

if TYPE_CHECKING:
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller

_CURSOR = "#ffffff"
_MOST = 10


class SpectraPage(Page):
    """Plots spectra of a cube."""

    def __init__(self, control: Controller, canvas: Canvas) -> None:
        super().__init__()
        self._control = control
        self._pixel = Latest(control.main, "pixel", in_between=True)
        self._objects = Latest(control.main, "spectra")
        self.plot = Plot()
        self.follow = QCheckBox("Pixel under the cursor")
        self.follow.setChecked(True)
        self.place = QLabel("")
        self._cursor: Curve | None = None
        self._means: list[Curve] = []
        self._spectra: Any = None
        self.put(
            row(self.follow, 1, self.place),
            self.plot,
            row(
                button("Selected objects", self.measure, "Mean ± standard deviation of each"),
                button("Clear", self._clear),
                button("Save table…", self._save, "CSV, one row per object and band"),
            ),
            hint(
                f"Select objects on the Objects page; at most {_MOST} are drawn, the table has "
                "all. Move the mouse over the image to see the spectrum of a pixel."
            ),
        )
        self.column.setStretchFactor(self.plot, 1)
        control.viewer.mouse_move_callbacks.append(self._moved)
        control.current_changed.connect(self._clear)
        canvas.shown.connect(self._draw)
        self._draw()

    def shut(self) -> None:
        """End the threads."""
        self._pixel.close()
        self._objects.close()

    @property
    def _has_spectra(self) -> bool:
        record = self._control.record
        return record is not None and record.bands > 1

    def _axis(self) -> tuple[Any, str]:
        record = self._control.record
        assert record is not None
        if record.wavelengths:
            return record.wavelengths, "wavelength (nm)"
        return np.arange(record.bands), "band"

    def _moved(self, viewer: Any, event: Any) -> None:
        """Read the pixel under the cursor."""
        if not self.isVisible() or not self.follow.isChecked() or not self._has_spectra:
            return
        row_, column = (round(v) for v in event.position[-2:])
        self.show_pixel(row_, column)

    def show_pixel(self, row_: int, column: int) -> None:
        """Plot the spectrum of a pixel, if it is inside the image."""
        control = self._control
        session, current, record, plane = (
            control.session, control.current, control.record, control.plane,
        )  # fmt: skip
        if session is None or current is None or record is None:
            return
        height, width = record.size
        if not (0 <= row_ < height and 0 <= column < width):
            return

        def work() -> Any:
            image = plane_of(session.images.load(current.image), plane)
            pixel = image.region(row_, column, 1, 1)
            return np.asarray(pixel.without_nodata(pixel.numpy(), pixel.axes), np.float64).ravel()

        def done(values: Any) -> None:
            if len(values) == record.bands:
                self._cursor = Curve("cursor", _CURSOR, values)
                self.place.setText(f"x {column}, y {row_}")
                self._draw()

        self._pixel.ask(work, done, lambda error: session.log(str(error)))

    def measure(self) -> None:
        """Plot the mean spectra of the selected objects."""
        control = self._control
        if control.current is None:
            control.ask_for_image()
            return
        if not control.selected or not self._has_spectra:
            control.say(
                "Select objects on the Objects page first." if self._has_spectra else
                "This image has one band, so there are no spectra."
            )  # fmt: skip
            return
        control.leave()
        (session, current), plane = control.need_current(), control.plane
        selected = control.selected

        def work() -> Any:
            labels = session.layers.labels(current, plane)
            chosen = np.where(np.isin(labels, selected), labels, 0)
            return object_spectra(plane_of(session.images.load(current.image), plane), chosen)

        def done(spectra: Any) -> None:
            self._spectra = spectra
            self._means = [self._mean(spectra, at) for at in range(min(len(spectra.ids), _MOST))]
            self._draw()

        self._objects.ask(work, done, control.fail)

    def _mean(self, spectra: Any, at: int) -> Curve:
        record = self._control.record
        assert record is not None
        mean, std = np.full(record.bands, np.nan), np.full(record.bands, np.nan)
        mean[spectra.bands], std[spectra.bands] = spectra.mean[at], spectra.std[at]
        label = int(spectra.ids[at])
        r, g, b = colours_of(np.array(label)).tolist()
        return Curve(f"object {label}", f"#{r:02x}{g:02x}{b:02x}", mean, std)

    def _clear(self) -> None:
        self._pixel.forget()
        self._objects.forget()
        self._cursor, self._means, self._spectra = None, [], None
        self.place.setText("")
        self._draw()

    def _draw(self) -> None:
        lines = [*self._means, *([self._cursor] if self._cursor else [])]
        if lines and self._control.record is not None:
            self.plot.show_lines(*_with(self._axis(), lines))
        elif self._has_spectra:
            self.plot.say("Move the mouse over the image, or select objects.")
        else:
            self.plot.say("Spectra need an image with several bands.")

    def _save(self) -> None:
        control = self._control
        if self._spectra is None:
            control.say("Press “Selected objects” first; the table holds their spectra.")
            return
        session, current = control.need_current()
        name = f"{session.layers.title(current)}.spectra.csv"
        path = choose_new_file(control.window, "Save spectra", name, "Tables (*.csv)")
        if path is not None:
            spectra = self._spectra
            control.guarded(lambda: spectra.to_csv(path))


def _with(axis: tuple[Any, str], lines: list[Curve]) -> tuple[Any, list[Curve], str]:
    return axis[0], lines, axis[1]
