"""The Clean up page: select objects by ids or condition, fix holes and outlines, binary masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLineEdit, QSpinBox

from anymask.errors import AnymaskError
from anymask.napari.dialogs import choose_new_file
from anymask.napari.tasks import InTurn, Latest, sentence_of
from anymask.napari.widgets import Form, Page, button, chooser, heading, hint, row
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller
    from anymask.session import Change, LayerKey, Session


class CleanUpPage(Page):
    """Changes many objects at once."""

    def __init__(self, control: Controller, canvas: Canvas) -> None:
        super().__init__()
        self._control, self._canvas = control, canvas
        self._checks = Latest(control.main, "checks of choices")
        self._answers = InTurn(control.main, "choices")
        self.choice = QLineEdit()
        self.choice.setPlaceholderText("1-8, 14   or   area > 200 and circularity > 0.8")
        self.choice.setClearButtonEnabled(True)
        self.choice.textChanged.connect(lambda _: self._check())
        self.range = hint("")
        self.which = chooser("all objects", "the selected objects")
        self.holes = QCheckBox("Fill holes")
        self.largest = QCheckBox("Keep only the largest piece of each object")
        self.border = QCheckBox("Remove objects at the image border")
        self.pieces, self.small = QSpinBox(), QSpinBox()
        for spin in (self.pieces, self.small):
            spin.setRange(0, 1_000_000)
            spin.setSuffix(" px")
            spin.setSpecialValueText("none")
        self.smooth = QDoubleSpinBox()
        self.smooth.setRange(0, 50)
        self.smooth.setDecimals(1)
        self.smooth.setSuffix(" px")
        self.smooth.setSpecialValueText("none")
        form = Form()
        form.add("Applies to", self.which)
        form.add("Remove pieces under", self.pieces, "Islands with fewer pixels")
        form.add("Remove objects under", self.small)
        form.add("Smooth outlines by", self.smooth, "Radius")
        self.put(
            heading("Choose objects"),
            self.choice,
            self.range,
            row(
                button("Select", self._select, "In the table and the canvas"),
                button("Keep only these", self._keep, "Erase all others"),
            ),
            row(
                button("Show as one mask", self._show_binary, "A layer of 0 and 1 in the canvas"),
                button("Save as one mask…", self._save_binary, "A PNG or TIFF of 0 and 255"),
            ),
            heading("Clean up"),
            form,
            self.holes,
            self.largest,
            self.border,
            row(button("Clean up", self._clean)),
            hint(
                "Each of these is one step that Ctrl+Z undoes. To paint, fill, draw polygons "
                "or erase by hand, use napari's tools on the left; the session records them."
            ),
        )
        self.column.addStretch(1)
        canvas.shown.connect(self._check)
        control.objects_changed.connect(lambda _: self._check())

    def shut(self) -> None:
        """End the threads."""
        self._checks.close()
        self._answers.close()

    def _check(self) -> None:
        """Show the range of ids, and how many objects match."""
        session, key = self._control.session, self._control.current
        self._checks.forget()
        if session is None or key is None:
            self.range.setText("")
            return
        ids = session.layers.ids(key)
        if not ids:
            self.range.setText("There are no objects yet.")
            return
        many, ends = counted(len(ids), "object"), f"{ids[0]} to {ids[-1]}"
        self.range.setText(f"Ids {ends}, {many}")
        choice, plane = self.choice.text().strip(), self._control.plane
        if choice:
            self._checks.ask(
                lambda: session.layers.matching(key, choice, plane),
                lambda found: self.range.setText(f"{len(found)} of {many}; ids {ends}"),
                lambda error: self.range.setText(sentence_of(error)),
            )

    def _text(self) -> str:
        text = self.choice.text().strip()
        if not text:
            raise AnymaskError("Enter ids such as 1-8, 14, or a condition.")
        return text

    def _ask(
        self, find: Callable[[Session, LayerKey], Any], done: Callable[[LayerKey, Any], None]
    ) -> None:
        """Find something out in a thread, after the edits that were asked for before."""
        control = self._control

        def ask(session: Session, key: LayerKey) -> None:
            self._answers.ask(
                lambda: find(session, key), lambda found: done(key, found), control.fail
            )

        control.edit(ask)

    def _select(self) -> None:
        control = self._control
        text, plane = control.guarded(self._text), control.plane

        def select(key: LayerKey, found: list[int]) -> None:
            if control.current == key:
                control.select(found)

        if text is not None:
            self._ask(lambda session, key: session.layers.matching(key, text, plane), select)

    def _keep(self) -> None:
        text = self._control.guarded(self._text)
        if text is not None:
            self._control.edit_slowly(
                "Erasing the others", lambda session, key: session.edits.keep(key, text)
            )

    def _show_binary(self) -> None:
        control = self._control
        choice, plane = self.choice.text().strip() or None, control.plane

        def show(key: LayerKey, mask: NDArray[np.bool_]) -> None:
            if control.session is not None and control.current == key:
                name = f"{control.session.layers.title(key)} · one mask"
                control.viewer.add_labels(mask.astype("uint8"), name=name, opacity=0.5)

        self._ask(lambda session, key: session.layers.binarise(key, choice, plane), show)

    def _save_binary(self) -> None:
        control = self._control
        if control.session is None or control.current is None:
            control.say("There are no masks yet.")
            return
        name = f"{control.session.layers.title(control.current)}.mask.png"
        path = choose_new_file(control.window, "Save one mask", name, "Images (*.png *.tif)")
        if path is None:
            return
        choice, plane = self.choice.text().strip() or None, control.plane

        def save(session: Session, key: LayerKey) -> None:
            # The dialog has asked whether an existing file may be replaced.
            session.export.save_binary(key, choice, path, overwrite=True, plane=plane)

        self._ask(save, lambda *_: control.say(f"Saved {path.name}.", "good"))

    def _clean(self) -> None:
        control = self._control
        ids = None if self.which.currentIndex() == 0 else control.selected
        if ids == ():
            control.say("Select objects in the table first, or apply to all objects.")
            return
        wanted: dict[str, Any] = {
            "fill_holes": self.holes.isChecked(),
            "largest": self.largest.isChecked(),
            "clear_border": self.border.isChecked(),
            "min_piece": self.pieces.value() or None,
            "min_area": self.small.value() or None,
            "smooth": self.smooth.value() or None,
        }
        if not any(wanted.values()):
            control.say("Choose a clean-up step first.")
            return

        def tell(change: Change) -> None:
            count = len(change.ids)
            control.say(f"Cleaned up: {counted(count, 'object')} changed." if count else
                        "Nothing to clean up.")  # fmt: skip

        control.edit_slowly(
            "Cleaning up", lambda session, key: session.edits.clean(key, ids, **wanted), tell
        )
