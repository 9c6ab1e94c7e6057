"""The Click page: tools, candidates, classes, stacks and keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QPushButton,
    QWidget,
)

from anymask.napari.clicking import TOOLS, Clicking
from anymask.napari.widgets import Form, Page, button, heading, hint, plain, row

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.napari.controller import Controller
    from anymask.napari.tasks import Task

_TIPS = {
    "points": "Left click: part of the object. Right click or Shift: not part of it (key G)",
    "box": "Drag a box around an object, or one around each of many (key J)",
    "scribble": "Drag along the object; right button or Shift: along the background (key H)",
    "lasso": "Drag around the object, or click corners and double-click the last one (key L)",
    "brush": "Paint on the mask that is shown; right button or Shift takes away (key B)",
    "eraser": "Click on an object to erase it (key O)",
}
_LETTERS = {"points": "G", "box": "J", "scribble": "H", "lasso": "L", "brush": "B", "eraser": "O"}
KEYS = (
    ("Left click", "on the object"),
    ("Right click, Shift", "not on the object"),
    ("C", "commit as a new object"),
    ("Shift+C", "commit to the selected one"),
    ("N", "next candidate"),
    ("W", "remove the last point"),
    ("Q", "clear all prompts"),
    ("Alt+click", "select the object there"),
    ("R", "refine the clicked object"),
    ("Ctrl+Z, Ctrl+Shift+Z", "undo, redo"),
    ("U", "next object to review"),
    ("K", "mark as OK, go to the next"),
    ("Page Up, Page Down", "previous, next image"),
)
"""The keys, as the page shows them."""


class ClickPage(Page):
    """Starts clicking and shows the result of the last click."""

    def __init__(self, control: Controller, clicks: Clicking) -> None:
        super().__init__()
        self._control, self._clicks = control, clicks
        self.toggle = QPushButton("Start clicking")
        self.toggle.setCheckable(True)
        self.toggle.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.toggle.clicked.connect(self._toggled)
        self.status = QLabel("Off")
        self.status.setWordWrap(True)
        self._tools = QButtonGroup(self)
        self.tools: dict[str, QPushButton] = {}
        for name, title in TOOLS.items():
            tool = button(
                f"{title}  ({_LETTERS[name]})", partial(clicks.set_tool, name), _TIPS[name]
            )
            tool.setCheckable(True)
            self._tools.addButton(tool)
            self.tools[name] = tool
        self.tools["points"].setChecked(True)
        self.class_box = QComboBox()
        self.class_box.setEditable(True)
        self.class_box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.class_box.lineEdit().setPlaceholderText("no class")
        self.class_box.currentTextChanged.connect(self._name_class)
        self.overwrite = QCheckBox("Take pixels from all objects")
        self.overwrite.setToolTip(
            "Otherwise a new object takes pixels only from automatic masks; what you committed or "
            "edited keeps its own"
        )
        self.overwrite.toggled.connect(self._allow)
        self.one_each = QCheckBox("One object a point")
        self.one_each.setToolTip("Each point becomes an object of its own; C commits all of them")
        self.one_each.toggled.connect(clicks.set_one_each)
        self.brush = QDoubleSpinBox()
        self.brush.setRange(0.5, 500)
        self.brush.setDecimals(1)
        self.brush.setSuffix(" px")
        self.brush.setValue(clicks.layers.brush_radius)
        self.brush.valueChanged.connect(clicks.layers.set_brush)
        self.clicked_only = QCheckBox("Only the clicked regions")
        self.clicked_only.setChecked(True)
        self.clicked_only.setToolTip(
            "With points and no box: a mask loses the regions that hold no point on the object"
        )
        self.clicked_only.toggled.connect(clicks.set_keep_clicked)
        self.commit = button("Commit  (C)", clicks.commit, "Make a new object")
        self.commit_selected = button(
            "To selected  (⇧C)", clicks.commit_to_selected, "Replace the selected object"
        )
        form = Form()
        form.add("Class", self.class_box, "Given to new objects; type a name to add one")
        self.brush.setToolTip("Radius of the brush, in pixels of the image (keys [ and ])")
        self._stack = self._stack_tools()
        tools = list(self.tools.values())
        self.put(
            row(self.toggle),
            self.status,
            row(*tools[:3]),
            row(*tools[3:]),
            form,
            row(self.one_each, 1, plain("Brush"), self.brush),
            self.clicked_only,
            self.overwrite,
            row(self.commit, self.commit_selected),
            row(
                button("Next candidate  (N)", clicks.cycle, "Another mask that the model suggests"),
                button("Back  (W)", clicks.take_back, "Remove the last point or box"),
                button("Clear  (Q)", clicks.clear),
            ),
            row(
                button("Refine the object  (R)", clicks.refine, "The clicked or selected one"),
            ),
            self._stack,
            heading("Keys"),
            hint(_keys_as_table(), is_html=True),
        )
        self.column.addStretch(1)
        clicks.changed.connect(self._tell)
        control.classes_changed.connect(self._list_classes)
        control.session_changed.connect(self._list_classes)
        control.current_changed.connect(self._show_stack)
        self._tell()
        self._show_stack()

    def _stack_tools(self) -> QWidget:
        part = QWidget()
        column = Page()
        column.column.setContentsMargins(0, 0, 0, 0)
        self.follow_up = QComboBox()
        self.follow_up.addItems(["both ways", "forwards", "backwards"])
        column.put(
            heading("Through the stack"),
            row(
                button(
                    "Follow the object",
                    self._propagate,
                    "From this plane to its neighbours, until the object ends",
                ),
                self.follow_up,
            ),
            row(
                button(
                    "Fill in between",
                    self._interpolate,
                    "The planes between two where the object is drawn",
                ),
            ),
        )
        part.setLayout(column.column)
        return part

    def _toggled(self) -> None:
        if self.toggle.isChecked():
            self._clicks.start()
        else:
            self._clicks.stop()
        self._tell()

    def _tell(self) -> None:
        clicks = self._clicks
        self.toggle.setChecked(clicks.is_on)
        self.toggle.setText("Stop clicking" if clicks.is_on else "Start clicking")
        text = clicks.status
        if clicks.previews and len(clicks.previews) == 1:
            preview = clicks.previews[0]
            count = len(preview.scores)
            if count > 1:
                place = sorted(preview.scores.tolist(), reverse=True).index(preview.score) + 1
                text += f" · candidate {place} of {count}"
        self.status.setText(f"{text}\n{clicks.held}" if clicks.held else text)
        took = "" if clicks.latency is None else f"Answered in {1000 * clicks.latency:.0f} ms"
        self.status.setToolTip(took)
        self.tools[clicks.tool].setChecked(True)
        self.commit.setEnabled(bool(clicks.previews))
        self.commit_selected.setEnabled(bool(clicks.previews))

    def _name_class(self, name: str) -> None:
        self._clicks.class_name = name.strip()

    def _allow(self, allowed: bool) -> None:
        self._clicks.overwrite = allowed
        self._clicks.fit_again()

    def _list_classes(self) -> None:
        session, text = self._control.session, self.class_box.currentText()
        self.class_box.blockSignals(True)
        self.class_box.clear()
        self.class_box.addItem("")
        for record in () if session is None else session.layers.classes:
            self.class_box.addItem(record.name)
        self.class_box.setCurrentText(text)
        self.class_box.blockSignals(False)

    def _show_stack(self) -> None:
        record = self._control.record
        self._stack.setVisible(record is not None and record.planes > 1)

    def _one_selected(self) -> int | None:
        if len(self._control.selected) != 1:
            self._control.say("Select one object first, in the table on the Objects page.")
            return None
        return self._control.selected[0]

    def _propagate(self) -> None:
        label = self._one_selected()
        if label is not None:
            self._clicks.models.with_model(lambda sam: self._follow(sam, label))

    def _follow(self, sam: Sam, label: int) -> None:
        """Follow an object from the current plane to its neighbours."""
        control = self._control
        control.leave()
        session, key = control.session, control.current
        if session is None or key is None or control.selected != (label,):
            return  # another layer or object was selected in the meantime
        plane = control.plane
        direction: Any = ("both", 1, -1)[self.follow_up.currentIndex()]

        def work(task: Task) -> Any:
            return session.clicks.propagate(
                sam, key, label, plane,
                direction=direction,
                progress=lambda done, total: task.progress(done / max(total, 1), f"plane {done}"),
                cancel=task.cancel,
            )  # fmt: skip

        def done(found: Any) -> None:
            ends = " ".join(found.ended.values())
            count = len(found.planes)
            where = "no other plane" if not count else f"{count} more plane{'s'[: count > 1]}"
            control.say(f"Object {label} was found in {where}. {ends}")

        control.run(f"Following object {label}", work, done)

    def _interpolate(self) -> None:
        label = self._one_selected()
        if label is not None:
            self._control.edit_slowly(
                f"Filling in object {label}",
                lambda session, key: session.edits.interpolate(key, label),
            )


def _keys_as_table() -> str:
    lines = "".join(
        f"<tr><td><b>{keys}</b>&nbsp;&nbsp;</td><td>{what}</td></tr>" for keys, what in KEYS
    )
    return f"<table cellspacing='0'>{lines}</table>"
