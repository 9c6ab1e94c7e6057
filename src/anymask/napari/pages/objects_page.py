"""The Objects page: table, classes, review and simple edits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelection, QItemSelectionModel, Qt, QTimer
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QComboBox,
    QLabel,
    QMenu,
    QTableView,
)

from anymask.napari.colours import STATES, to_hex
from anymask.napari.dialogs import ask, ask_text, choose_files
from anymask.napari.pages.object_rows import ObjectRows
from anymask.napari.tasks import Latest
from anymask.napari.widgets import Page, button, chooser, hint, plain, row
from anymask.session.importing import Imported, import_files
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller
    from anymask.napari.tasks import Task
    from anymask.session import LayerKey, Session

_MEASURES = {
    "": "measure…",
    "shape": "shape",
    "size": "size and position",
    "intensity": "intensity",
}
_COLOURS = {"": "each object its own", "class": "by class", "state": "by review state"}
_LEGEND = " &nbsp; ".join(
    f"<span style='color: {to_hex(colour)}'>■</span> {name}" for name, colour in STATES.items()
)
_MASK_FILES = (
    "Masks (*.tif *.tiff *.png *.json *.geojson *.npz *.npy *.roi *.zip *.xml *.txt *.gpkg *.shp "
    "*.csv *.parquet);;All files (*)"
)
_MANY = 100
_WIDTHS = (48, 60, 60, 54, 30, 74)
_PROPERTIES = {
    "shape": ("circularity", "eccentricity", "solidity"),
    "size": ("equivalent_diameter_area", "perimeter_crofton", "centroid"),
    "intensity": ("intensity_mean", "intensity_std"),
}


class ObjectsPage(Page):
    """Lists the objects of the current layer, linked with the canvas in both directions."""

    def __init__(self, control: Controller, canvas: Canvas) -> None:
        super().__init__()
        self._control, self._canvas = control, canvas
        self._latest = Latest(control.main, "measurements")
        self.model = ObjectRows()
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(22)
        header = self.table.horizontalHeader()
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(30)
        header.setDefaultSectionSize(84)
        for at, width in enumerate(_WIDTHS):
            self.table.setColumnWidth(at, width)
        self.table.setMinimumHeight(190)
        self.table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.table.doubleClicked.connect(lambda _: self._look())
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._chosen())
        self.measures = chooser()
        self.measures.setFixedWidth(150)
        for name, title in _MEASURES.items():
            self.measures.addItem(title, name)
        self.measures.currentIndexChanged.connect(lambda _: self.refresh())
        self.count = hint("")
        self.count.setWordWrap(False)
        self.class_box = QComboBox()
        self.class_box.setEditable(True)
        self.class_box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.class_box.lineEdit().setPlaceholderText("class")
        self.colours = chooser()
        for name, title in _COLOURS.items():
            self.colours.addItem(title, name)
        self.colours.currentIndexChanged.connect(lambda _: self._colour_by())
        self.legend = QLabel(_LEGEND)
        self.legend.hide()
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._list_classes)
        classes = button("Classes", lambda: None, "Names and colours")
        classes.setMenu(self._menu)
        self._quiet = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(60)
        self._soon.timeout.connect(self.refresh)
        self.put(
            row(self.count, 1, self.measures),
            self.table,
            row(
                button(
                    "Import masks…",
                    self._choose_masks,
                    "Of Cellpose, COCO, ImageJ, TIFF and others, named like their images",
                )
            ),
            row(self.class_box, button("Set class", self._set_class), classes),
            row(plain("Colours:"), self.colours),
            self.legend,
            row(
                button("Next to review  (U)", self.next_unreviewed, "Lowest quality first"),
                button("OK  (K)", self.mark_ok, "Reviewed; go to the next one"),
                button("Not OK yet", lambda: self._review(False)),
            ),
            row(
                button("Erase", self.erase),
                button("Merge", self._merge, "Merge the selected objects into one"),
                button(
                    "Split pieces",
                    lambda: self._split("components"),
                    "Make each separate piece an object",
                ),
                button("Split narrow", lambda: self._split("watershed"), "Split at narrow necks"),
            ),
            hint(
                "While clicking is off, click an object in the image to find its row. Double-click "
                "a row to see the object. The selected object has a yellow outline; objects that "
                "you made or reviewed have one in their own colour."
            ),
        )
        self.column.setStretchFactor(self.table, 1)
        control.objects_changed.connect(self._event)
        control.classes_changed.connect(self._fill_classes)
        control.session_changed.connect(self._fill_classes)
        control.selection_changed.connect(self._follow)
        canvas.shown.connect(self._soon.start)
        control.current_changed.connect(self._latest.forget)
        control.current_changed.connect(self._soon.start)

    def shut(self) -> None:
        """End the thread."""
        self._latest.close()

    def _event(self, event: Any) -> None:
        if event.layer == self._control.current:
            self._soon.start()

    def _choose_masks(self) -> None:
        if self._control.current is None:
            self._control.ask_for_image()
            return
        files = choose_files(self._control.window, "Import masks", _MASK_FILES)
        if files:
            self.import_masks(files)

    def import_masks(self, files: Sequence[Path], replace: bool = False) -> None:
        """Import mask files into the images they are named after, or else the current one."""
        control = self._control
        session, current = control.session, control.current
        if session is None:
            control.ask_for_image()
            return
        paths = list(files)

        def work(task: Task) -> Imported:
            def tell(done: int, total: int) -> None:
                task.progress(done / total, f"{done} of {total} files")

            return import_files(
                session, paths, current, replace=replace, progress=tell, cancel=task.cancel
            )

        def done(found: Imported) -> None:
            if control.session is not session:
                return
            if found.done and (current is None or current not in [key for _, key in found.done]):
                control.show(found.done[0][1].image)
            others = [why for _, why in found.failed]
            if found.edited and not replace:
                names = ", ".join(session.layers.title(key) for key in found.edited[:3])
                question = f"Masks that you edited would be replaced: {names}. Undo is possible."
                if ask(control.window, "Edited masks", question, ["Replace them"]):
                    done_already = {path for path, _ in found.done}
                    left = [path for path in paths if path not in done_already]
                    self.import_masks(left, replace=True)
                    return
            if others:
                more = f" ({len(others) - 1} more failed.)" if len(others) > 1 else ""
                control.say(others[0] + more, "error")
            else:
                names = ", ".join(session.layers.title(key) for _, key in found.done[:3])
                control.say(f"Imported the masks of {names}.", "good")

        control.leave()
        control.run("Importing masks", work, done)

    def _colour_by(self) -> None:
        by = str(self.colours.currentData())
        self.legend.setVisible(by == "state")
        self._canvas.colour_by(by)

    def refresh(self) -> None:
        """List the objects again."""
        session, key = self._control.session, self._control.current
        self._latest.forget()
        if session is None or key is None:
            self._fill(None)
            return
        wanted = _PROPERTIES.get(str(self.measures.currentData()), ())
        plane = self._control.plane
        if not wanted:
            self._fill(self._control.guarded(lambda: session.layers.objects(key)))
            return
        stack = session.images[key.image].planes > 1

        self._latest.ask(
            lambda: session.layers.objects(key, wanted, plane if stack else None),
            self._fill,
            self._control.fail,
        )

    def _fill(self, table: Any) -> None:
        session = self._control.session
        colours = {} if session is None else {c.name: c.color for c in session.layers.classes}
        self._quiet = True
        self.model.fill(table, colours)
        self._quiet = False
        self._follow()
        number = self.model.rowCount()
        waiting = 0
        if session is not None and self._control.current is not None and number:
            waiting = len(session.layers.review_queue(self._control.current))
        self.count.setText(
            f"{number} object{'' if number == 1 else 's'}"
            + (f", {waiting} to review" if waiting else ", all reviewed" if number else "")
        )

    def _follow(self) -> None:
        """Select the rows of the selected objects."""
        ids, chosen = self.model.ids, QItemSelection()
        places = {label: at for at, label in enumerate(ids)}
        last = self.model.columnCount() - 1
        rows = [places[i] for i in self._control.selected if i in places]
        for at in rows:
            chosen.select(self.model.index(at, 0), self.model.index(at, last))
        self._quiet = True
        self.table.selectionModel().select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self._quiet = False
        if len(rows) == 1:
            self.table.scrollTo(self.model.index(rows[0], 0))

    def _chosen(self) -> None:
        if self._quiet:
            return
        ids = self.model.ids
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        self._control.select(ids[at] for at in rows if at < len(ids))

    def _look(self) -> None:
        if self._control.selected:
            self._canvas.look_at(self._control.selected[-1])

    def _selected(self) -> tuple[int, ...]:
        if not self._control.selected:
            self._control.say("Select objects in the table first.")
        return self._control.selected

    def erase(self) -> None:
        """Erase the selected objects."""
        ids = self._selected()
        if ids:
            self._edit("Erasing", ids, lambda session, key: session.edits.erase(key, ids))

    def _merge(self) -> None:
        ids = self._selected()
        if ids:
            self._edit("Merging", ids, lambda session, key: session.edits.merge(key, ids))

    def _edit(
        self, title: str, ids: tuple[int, ...], change: Callable[[Session, LayerKey], Any]
    ) -> None:
        """Edit objects; if they are many, beside the window."""
        if len(ids) > _MANY:
            self._control.edit_slowly(f"{title} {counted(len(ids), 'object')}", change)
        else:
            self._control.edit(change)

    def _split(self, how: Any) -> None:
        for label in self._selected():

            def split(session: Session, key: LayerKey, label: int = label) -> Any:
                return session.edits.split(key, label, how=how)

            self._control.edit(split)

    def _set_class(self) -> None:
        ids, name = self._selected(), self.class_box.currentText().strip()
        if ids:
            self._control.edit(lambda session, key: session.edits.classify(key, ids, name))

    def _review(self, reviewed: bool) -> None:
        ids = self._selected()
        if ids:
            self._control.edit(lambda session, key: session.edits.review(key, ids, reviewed))

    def mark_ok(self) -> None:
        """Mark the selected objects as reviewed and go to the next one."""
        ids = self._selected()
        if ids:
            after = ids[-1]

            def change(session: Any, key: LayerKey) -> int | None:
                following = session.layers.next_unreviewed(key, after)
                session.edits.review(key, ids, True)
                return following if following not in ids else session.layers.next_unreviewed(key)

            self._control.edit(change, self._go_to)

    def next_unreviewed(self) -> None:
        """Select the next object to review, and move it into view."""
        selected = self._control.selected
        if self._control.current is None:
            self._control.ask_for_image()
            return
        after = selected[-1] if selected else None
        self._control.edit(
            lambda session, key: session.layers.next_unreviewed(key, after), self._go_to
        )

    def _go_to(self, label: int | None) -> None:
        if label is None:
            self._control.say("All objects of this image are reviewed.", "good")
            return
        self._control.select([label])
        self._canvas.look_at(label)

    def _fill_classes(self) -> None:
        session, text = self._control.session, self.class_box.currentText()
        self.class_box.clear()
        for record in () if session is None else session.layers.classes:
            self.class_box.addItem(record.name)
        self.class_box.setCurrentText(text)
        self._soon.start()

    def _list_classes(self) -> None:
        self._menu.clear()
        session = self._control.session
        for record in () if session is None else session.layers.classes:
            sub = self._menu.addMenu(record.name)
            sub.addAction("Colour…", lambda name=record.name: self._colour(name))
            sub.addAction("Rename…", lambda name=record.name: self._rename(name))
        self._menu.addAction("Add…", self._add_class)

    def _add_class(self) -> None:
        name = ask_text(self._control.window, "Classes", "Name of the new class")
        session = self._control.guarded(self._control.need_session)
        if name and session is not None:
            known = [(c.name, c.color) for c in session.layers.classes]
            self._control.guarded(lambda: session.edits.set_classes([*known, (name, None)]))

    def _rename(self, old: str) -> None:
        name = ask_text(self._control.window, "Classes", f"New name of {old}", old)
        session = self._control.session
        if name and session is not None and name != old:
            self._control.guarded(lambda: session.edits.rename_class(old, name))

    def _colour(self, name: str) -> None:
        session = self._control.session
        if session is None:
            return
        now = next(c.color for c in session.layers.classes if c.name == name)
        chosen = QColorDialog.getColor(QColor(now), self._control.window, f"Colour of {name}")
        if chosen.isValid():
            changed = [
                (c.name, chosen.name() if c.name == name else c.color)
                for c in session.layers.classes
            ]
            self._control.guarded(lambda: session.edits.set_classes(changed))
