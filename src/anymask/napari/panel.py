"""The panel: pages, the current image, messages, and the running task."""

from __future__ import annotations

import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QApplication,
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from anymask.napari.canvas import Canvas
from anymask.napari.clicking import Clicking
from anymask.napari.controller import NO_IMAGE, Controller
from anymask.napari.dropping import Dropping
from anymask.napari.garbage import Collector
from anymask.napari.internal_layers import InternalLayers
from anymask.napari.model_loading import Models
from anymask.napari.pages.cleanup_page import CleanUpPage
from anymask.napari.pages.click_page import ClickPage
from anymask.napari.pages.images_page import ImagesPage
from anymask.napari.pages.log_page import LogPage
from anymask.napari.pages.model_page import ModelPage
from anymask.napari.pages.objects_page import ObjectsPage
from anymask.napari.pages.pseudo_rgb_page import PseudoRgbPage
from anymask.napari.pages.save_page import SavePage
from anymask.napari.pages.segment_page import SegmentPage
from anymask.napari.pages.spectra_page import SpectraPage
from anymask.napari.plugin_pages import plugin_pages
from anymask.napari.warm_up import warm_up
from anymask.napari.widgets import Elided, MessageBar, Page, button, hint, plain, row
from anymask.plugins import PluginWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer

    from anymask.session import LayerKey

_COLUMNS = 5
_OF_CUBES = ("Pseudo-RGB", "Spectra")
_ABOUT = {
    "Images": "1. Add the images to work on.",
    "Pseudo-RGB": "Choose the three bands or expressions that a cube is shown and segmented by.",
    "Model": "2. Choose the model that finds objects; the built-in one is ready to use.",
    "Segment": "3. Let the model find all objects, then set which of them are kept.",
    "Click": "4. Add and correct objects with clicks and boxes.",
    "Objects": "5. Look through the objects: review, classes, erase, merge, split.",
    "Clean up": "6. Choose objects by a condition, and correct many at once.",
    "Spectra": "Compare the spectra of objects and pixels.",
    "Save": "7. Write the masks for other programs.",
    "Log": "What happened so far, and a report to copy if something went wrong.",
}
_MOST_RECIPES = 60  # buttons for the pseudo-RGBs of all images; beyond, those of this image
_WIDTH = 396
_RECIPE = """
QToolButton { padding: 3px 7px; border-radius: 3px; background: #414851; color: #f0f2f4; }
QToolButton:checked { background: #3b6ea8; color: white; }
"""
_TAB = """
QPushButton { padding: 4px 2px; border-radius: 3px; }
QPushButton:checked { background: #3b6ea8; color: white; }
"""


class Panel(QWidget):
    """The anymask panel of a napari window.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.setMinimumWidth(_WIDTH)
        self.viewer = napari_viewer
        self._collector = Collector(napari_viewer, self)
        self.control = Controller(napari_viewer, self)
        self.canvas = Canvas(self.control)
        self._internal = InternalLayers(napari_viewer)
        self.models = Models(self.control)
        self.clicks = Clicking(self.control, self.canvas, self.models)
        self.images = ImagesPage(self.control, self.canvas)
        self.model = ModelPage(self.control, self.models)
        self.pseudo_rgb = PseudoRgbPage(self.control, self.canvas)
        self.segment = SegmentPage(self.control, self.canvas, self.models)
        self.click = ClickPage(self.control, self.clicks)
        self.objects = ObjectsPage(self.control, self.canvas)
        self.clean_up = CleanUpPage(self.control, self.canvas)
        self.spectra = SpectraPage(self.control, self.canvas)
        self.save = SavePage(self.control, self.canvas)
        self.log = LogPage(self.control)
        self.pages: dict[str, Page] = {
            "Images": self.images,
            "Pseudo-RGB": self.pseudo_rgb,
            "Model": self.model,
            "Segment": self.segment,
            "Click": self.click,
            "Objects": self.objects,
            "Clean up": self.clean_up,
            "Spectra": self.spectra,
            "Save": self.save,
        }
        with warnings.catch_warnings(record=True) as left_out:
            warnings.simplefilter("always", PluginWarning)
            self.pages |= plugin_pages(self.control, {*self.pages, "Log"})
        self.pages["Log"] = self.log
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(4)
        column.addLayout(self._tabs())
        column.addWidget(self._shown_now())
        column.addWidget(self.about)
        column.addWidget(self.stack, 1)
        self.message = MessageBar(self.stack)
        column.addWidget(self._running())
        canvas = getattr(napari_viewer.window, "_qt_viewer", None)
        self._dropping = Dropping([self, *([canvas] if canvas else [])], self.images.take)
        self._closed = False
        self._watch: _OnClose | None = None
        self._connect()
        threading.Thread(target=warm_up, name="anymask: warm-up", daemon=True).start()
        self.open_page("Images")
        self._tell()
        for warning in left_out:
            self.control.said.emit(str(warning.message), "error", None)

    def _tabs(self) -> QGridLayout:
        self._grid = grid = QGridLayout()
        grid.setSpacing(3)
        self.stack = QStackedWidget()
        self.about = hint("")
        self._group = QButtonGroup(self)
        self.tabs: dict[str, QPushButton] = {}
        for name, page in self.pages.items():
            tab = button(name, partial(self.open_page, name))
            tab.setCheckable(True)
            tab.setStyleSheet(_TAB)
            self._group.addButton(tab)
            self.tabs[name] = tab
            area = QScrollArea()
            area.setWidgetResizable(True)
            area.setFrameShape(QFrame.Shape.NoFrame)
            area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            area.setWidget(page)
            self.stack.addWidget(area)
        self._arrange_tabs()
        return grid

    def _arrange_tabs(self) -> None:
        """Show the pages that are of use: those for spectra once there is a cube."""
        session = self.control.session
        has_cube = session is not None and any(
            "C" in record.axes and record.bands > 1 for record in session.images
        )
        shown = [name for name in self.pages if has_cube or name not in _OF_CUBES]
        if self.stack.currentIndex() >= 0 and self.page not in shown:
            self.open_page("Images")
        for tab in self.tabs.values():
            self._grid.removeWidget(tab)
        columns = min(_COLUMNS, -(-len(shown) // 2))
        for at in range(_COLUMNS):
            self._grid.setColumnStretch(at, int(at < columns))
        for number, name in enumerate(shown):
            self._grid.addWidget(self.tabs[name], number // columns, number % columns)
        for name, tab in self.tabs.items():
            tab.setVisible(name in shown)

    @property
    def page(self) -> str:
        """The name of the page that is open."""
        return list(self.pages)[self.stack.currentIndex()]

    def _shown_now(self) -> QWidget:
        """Make the row with the image name, buttons for pseudo-RGBs, undo and redo."""
        part = QWidget()
        column = QVBoxLayout(part)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(3)
        self.shown = Elided("No image yet")
        self.shown.setStyleSheet("font-weight: bold;")
        self._undo = _tool("↶", "Undo (Ctrl+Z)", self.control.undo)
        self._redo = _tool("↷", "Redo (Ctrl+Shift+Z)", self.control.redo)
        back = _tool("◀", "Previous image (Page Up)", lambda: self.control.step(-1))
        on = _tool("▶", "Next image (Page Down)", lambda: self.control.step(1))
        column.addLayout(row(back, on, self.shown, self._undo, self._redo))
        self._strip = QScrollArea()
        self._strip.setWidgetResizable(True)
        self._strip.setFrameShape(QFrame.Shape.NoFrame)
        self._strip.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._strip.setFixedHeight(44)
        buttons = QWidget()
        self._recipes = QHBoxLayout(buttons)
        self._recipes.setContentsMargins(0, 0, 0, 0)
        self._recipes.setSpacing(3)
        self._strip.setWidget(buttons)
        self._strip.hide()
        column.addWidget(self._strip)
        self.recipe_buttons: dict[LayerKey, QToolButton] = {}
        return part

    def _running(self) -> QWidget:
        """Make the progress bar of the running task."""
        self._task = QWidget()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(12)
        self.task_text = plain()
        self.task_text.setMinimumWidth(10)
        self.cancel = button("Cancel", self.control.tasks.cancel, "Stop; finished parts are kept")
        self.cancel.setStyleSheet("padding: 2px 8px;")
        column = QVBoxLayout(self._task)
        column.setContentsMargins(4, 0, 4, 2)
        column.setSpacing(2)
        column.addWidget(self.task_text)
        column.addLayout(row(self.bar, self.cancel))
        self._task.hide()
        return self._task

    def _connect(self) -> None:
        control, tasks = self.control, self.control.tasks
        control.said.connect(self.message.say)
        control.current_changed.connect(self._tell)
        control.current_changed.connect(self.message.outdate)
        self.clicks.changed.connect(self._go_on)
        control.model_changed.connect(self._collector.freeze)
        control.recipes_changed.connect(self._tell)
        control.images_changed.connect(self._tell)
        for change in (control.images_changed, control.session_changed):
            change.connect(self._arrange_tabs)
        control.states_changed.connect(self._tell_history)
        self.canvas.shown.connect(self._tell_place)
        tasks.started.connect(self._begin)
        tasks.moved.connect(self._move)
        tasks.ended.connect(self._task.hide)
        for keys, act in self._keys().items():
            self.clicks.layers.keys[keys] = act
            self.viewer.bind_key(keys, lambda _, act=act: act(), overwrite=True)
        QApplication.instance().aboutToQuit.connect(self.shut)

    def _keys(self) -> dict[str, Callable[[], Any]]:
        clicks = self.clicks
        return {
            "C": clicks.commit,
            "Shift-C": clicks.commit_to_selected,
            "N": clicks.cycle,
            "W": clicks.take_back,
            "Q": clicks.clear,
            "G": lambda: self._use("points"),
            "J": lambda: self._use("box"),
            "H": lambda: self._use("scribble"),
            "L": lambda: self._use("lasso"),
            "B": lambda: self._use("brush"),
            "O": lambda: self._use("eraser"),
            "R": clicks.refine,
            "[": lambda: self._resize_brush(1 / 1.25),
            "]": lambda: self._resize_brush(1.25),
            "Enter": clicks.close_lasso,
            "U": self.objects.next_unreviewed,
            "K": self.objects.mark_ok,
            "PageUp": lambda: self.control.step(-1),
            "PageDown": lambda: self.control.step(1),
            "Control-Z": self.control.undo,
            "Control-Shift-Z": self.control.redo,
        }

    def _resize_brush(self, by: float) -> None:
        self.click.brush.setValue(self.click.brush.value() * by)

    def _use(self, tool: str) -> None:
        self.clicks.set_tool(tool)
        if not self.clicks.is_on:
            self.clicks.start()

    def open_page(self, name: str) -> None:
        """Show a page."""
        self.tabs[name].setChecked(True)
        self.stack.setCurrentIndex(list(self.pages).index(name))
        self.about.setText(_ABOUT.get(name, ""))
        self.about.setVisible(name in _ABOUT)
        self.message.raise_()

    def _tell(self) -> None:
        record, session = self.control.record, self.control.session
        self._list_recipes()
        if record is None or self.control.current is None or session is None:
            self.shown.show_text("No image yet")
        else:
            self._tell_place()
        is_empty = session is None or not len(session.images)
        if not is_empty and self.message.text.text() == NO_IMAGE:
            self.message.hide()
        self._tell_history()

    def _list_recipes(self) -> None:
        """Make a button for each pseudo-RGB, of all images if these are not too many."""
        session, current = self.control.session, self.control.current
        keys: list[LayerKey] = [] if session is None or current is None else list(session.layers)
        if session is not None and len(keys) <= len(session.images):
            keys = []  # one for each image: there is nothing to choose
        if current is not None and len(keys) > _MOST_RECIPES:
            keys = [key for key in keys if key.image == current.image]
        if keys != list(self.recipe_buttons):
            self._make_recipe_buttons(keys)
        self._strip.setVisible(bool(keys))
        for key, made in self.recipe_buttons.items():
            made.setChecked(key == current)
            if key == current:
                self._strip.ensureWidgetVisible(made)

    def _make_recipe_buttons(self, keys: list[LayerKey]) -> None:
        while self._recipes.count():
            item = self._recipes.takeAt(0)
            widget = None if item is None else item.widget()
            if widget is not None:
                widget.hide()  # until it is deleted it would cover the others
                widget.deleteLater()
        self.recipe_buttons = {}
        session = self.control.session
        for key in keys:
            assert session is not None
            record = session.images[key.image]
            number = session.images.ids.index(key.image) + 1
            at = [how.name for how in record.recipes].index(key.recipe) + 1
            made = _tool(
                f"Pseudo-RGB image {number}-{at}",
                f"{record.name}, {key.recipe}: {'; '.join(record.recipe(key.recipe).source)}",
                partial(self.control.show, key.image, key.recipe),
            )
            made.setCheckable(True)
            made.setStyleSheet(_RECIPE)
            self._recipes.addWidget(made)
            self.recipe_buttons[key] = made
        self._recipes.addStretch(1)

    def _go_on(self) -> None:
        """Hide an earlier error once a mask is shown."""
        if self.clicks.previews:
            self.message.outdate()

    def _tell_place(self) -> None:
        """Show the name of the image and the plane of a stack."""
        record, session = self.control.record, self.control.session
        if record is None or session is None:
            return
        ids = [each.id for each in session.images]
        place = record.place_of(self.control.plane)
        name = f"{record.name}  ({ids.index(record.id) + 1} of {len(ids)})"
        self.shown.show_text(f"{name}\n{place}" if place else name, str(record.path))

    def _tell_history(self) -> None:
        session, key = self.control.session, self.control.current
        undo = None if session is None or key is None else session.edits.can_undo(key)
        redo = None if session is None or key is None else session.edits.can_redo(key)
        self._undo.setEnabled(undo is not None)
        self._redo.setEnabled(redo is not None)
        self._undo.setToolTip(f"Undo {undo} (Ctrl+Z)" if undo else "Nothing to undo")
        self._redo.setToolTip(f"Redo {redo} (Ctrl+Shift+Z)" if redo else "Nothing to redo")

    def _begin(self, title: str) -> None:
        self.bar.setRange(0, 0)
        self.task_text.setText(f"{title}…")
        self.cancel.setEnabled(True)
        self._task.show()

    def _move(self, fraction: float | None, text: str) -> None:
        task = self.control.tasks.task
        if task is None:
            return
        if fraction is not None:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(fraction * 1000))
        stopping = "Stopping… " if task.cancel.is_cancelled else ""
        left = task.left(fraction)
        parts = [f"{task.title}: {text}" if text else f"{task.title}…", *([left] if left else [])]
        self.task_text.setText(stopping + ", ".join(parts))

    def showEvent(self, event: Any) -> None:
        """Watch the window, so that the session closes with it."""
        window = self.window()
        if window is not self and (self._watch is None or self._watch.parent() is not window):
            self._watch = _OnClose(window, self.shut)
        super().showEvent(event)

    def shut(self) -> None:
        """End threads and close the session."""
        if self._closed:
            return
        self._closed = True
        self.control.close()
        self._collector.stop()
        self.clicks.close()
        self.canvas.outlines.close()
        self._internal.close()
        self._dropping.close()
        for page in self.pages.values():
            page.shut()


class _OnClose(QObject):
    """Calls a function when a window closes; lives as long as the window."""

    def __init__(self, window: QWidget, act: Callable[[], None]) -> None:
        super().__init__(window)
        self._act = act
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Watch for the close event of the window."""
        if event.type() == QEvent.Type.Close:
            self._act()
        return False


def _tool(text: str, tip: str, pressed: Callable[[], Any]) -> QToolButton:
    made = QToolButton()
    made.setText(text)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.clicked.connect(lambda *_: pressed())
    return made
