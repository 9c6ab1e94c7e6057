"""The Images page: sessions, files, thumbnails and the state of each image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QFrame, QListWidget, QListWidgetItem, QMenu, QVBoxLayout

from anymask.napari.dialogs import ask, choose_file, choose_files, choose_folder, choose_new_file
from anymask.napari.internal_layers import NAMES as INTERNAL
from anymask.napari.recent import recent_sessions, sessions_folder
from anymask.napari.viewer_layers import take_images, take_labels, taken
from anymask.napari.widgets import Elided, Page, button, heading, hint, plain, row
from anymask.session import Added, LayerKey, Session
from anymask.session.store.folder import SUFFIX
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller
    from anymask.napari.tasks import Task

STATES = {
    "new": "no masks yet",
    "segmented": "segmented",
    "edited": "edited, not saved",
    "saved": "saved",
}
"""The state of an image in words."""
_MARKS = {"new": "○", "segmented": "◐", "edited": "✎", "saved": "●"}
_FAILED = "✗"
_ID = Qt.ItemDataRole.UserRole
_SIDE = 44
_HEADERS = "ENVI headers (*.hdr *.HDR);;All files (*)"


class ImagesPage(Page):
    """Lists the images of the session."""

    def __init__(self, control: Controller, canvas: Canvas) -> None:
        super().__init__()
        self._control, self._canvas = control, canvas
        # By the hash of the pixels they show.
        self._icons: dict[str, QIcon] = {}
        self._headless: list[Path] = []
        self.session_name = Elided()
        self.list = QListWidget()
        self.list.setIconSize(QSize(_SIDE, _SIDE))
        self.list.setUniformItemSizes(True)
        self.list.setSelectionMode(QListWidget.SelectionMode.ExtendedSelection)
        self.list.setMinimumHeight(120)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.currentItemChanged.connect(self._chosen)
        self.nothing = QFrame()
        self.nothing.setObjectName("nothing")
        self.nothing.setStyleSheet("#nothing { border: 2px dashed #6b7683; border-radius: 6px; }")
        begin = QVBoxLayout(self.nothing)
        begin.addStretch(1)
        drop = plain("Drop images here, or")
        drop.setAlignment(Qt.AlignmentFlag.AlignCenter)
        begin.addWidget(drop)
        self.begin = button("Add files…", self.choose_files, "Images, stacks and spectral cubes")
        self.try_sample = button("Try a sample", self.add_sample, "A spectral cube of leaves")
        for each in (self.begin, self.try_sample):
            each.setFixedWidth(170)
            begin.addWidget(each, alignment=Qt.AlignmentFlag.AlignCenter)
        begin.addStretch(1)
        self.recent = QMenu(self)
        self.recent.aboutToShow.connect(self._list_recent)
        recent = button("Recent", lambda: None, "Recently opened sessions")
        recent.setMenu(self.recent)
        self.put(
            row(
                button("Add files…", self.choose_files, "Images, stacks and spectral cubes"),
                button("Add folder…", self._choose_folder),
                button("Remove", self._remove, "Remove the selected images from the session"),
            ),
            row(
                button(
                    "Use the selected layers",
                    self.use_layers,
                    "Images and labels that the viewer has from elsewhere",
                )
            ),
            self.nothing,
            self.list,
            row(
                button("◀ Previous", lambda: control.step(-1), "Page Up"),
                button("Next ▶", lambda: control.step(1), "Page Down"),
            ),
            heading("Session"),
            self.session_name,
            row(
                button("New…", self._new_session, "Start a session in a folder of your choice"),
                button("Open…", self._open_session, "Continue an earlier session"),
                recent,
            ),
            hint("Everything you do is saved in the session at once."),
        )
        self.column.setStretchFactor(self.list, 1)
        self.column.setStretchFactor(self.nothing, 1)
        control.choose_images = self.choose_files
        control.session_changed.connect(self._tell_session)
        control.images_changed.connect(self._fill)
        control.recipes_changed.connect(self._fill)
        control.states_changed.connect(self._mark)
        control.current_changed.connect(self._follow)
        control.lost.connect(self._tell_lost)
        self._tell_session()
        self._fill()

    def take(self, paths: Sequence[Path]) -> None:
        """Take dropped files: a session is opened, everything else is added."""
        if len(paths) == 1 and paths[0].suffix == SUFFIX and paths[0].is_dir():
            self.open(paths[0])
        else:
            self.add(paths)

    def add(self, paths: Sequence[Path | str], header: Path | None = None) -> None:
        """Add files, folders and patterns in the background."""
        control = self._control
        session = control.guarded(control.need_session)
        if session is None:
            return

        def work(task: Task) -> Added:
            def tell(done: int, total: int) -> None:
                task.progress(done / max(total, 1), f"{done} of {total} files")

            return session.images.add(paths, header, progress=tell, cancel=task.cancel)

        control.run("Adding images", work, lambda added: self._added(session, added))

    def _added(self, session: Session, added: Added) -> None:
        control = self._control
        if control.session is not session:
            return
        known = {record.id for record in session.images}
        fresh = [image for image in (*added.ids, *added.already) if image in known]
        if fresh and (control.current is None or added.ids):
            control.show(fresh[0])
        lost = [failure for failure in added.failed if not failure.needs_header]
        if lost:
            more = f" (and {len(lost) - 1} more, see the Log page)" if len(lost) > 1 else ""
            control.said.emit(lost[0].sentence + more, "error", None)  # it is already in the log
        elif added.already and not added.ids:
            control.say("These images are already in the session.")
        self._headless += [failure.path for failure in added.failed if failure.needs_header]
        self._ask_header()

    def use_layers(self) -> None:
        """Take the layers that are selected in the layer list, and are not the session's yet."""
        control = self._control
        own = {*self._canvas.labels.values(), *self._canvas.pictures.values()}
        chosen = [
            layer
            for layer in control.viewer.layers
            if layer in control.viewer.layers.selection and layer not in own
        ]
        layers = taken([layer for layer in chosen if layer.name not in INTERNAL])
        if not layers:
            control.say("Select images or labels in the layer list first, from File > Open Files.")
            return
        session, current = control.guarded(control.need_session), control.current
        if session is None:
            return

        def work(task: Task) -> tuple[list[str], list[LayerKey]]:
            images = take_images(session, layers)
            return [image for _, image in images], take_labels(session, layers, images, current)

        def done(found: tuple[list[str], list[LayerKey]]) -> None:
            for layer in chosen:
                layer.visible = False  # the session shows it
            images = [*found[0], *(key.image for key in found[1])]
            if control.session is session:
                control.show(images[0])
                text = f"{counted(len(found[0]), 'image')} added"
                if found[1]:
                    text += f", masks of {counted(len(found[1]), 'image')} imported"
                control.say(f"{text}.", "good")

        control.run("Taking layers", work, done)

    def _ask_header(self) -> None:
        """Ask for the header of one file, then of the next."""
        control = self._control
        if not self._headless:
            return
        path = self._headless.pop(0)
        answer = ask(
            control.window,
            "ENVI header",
            f"{path.name} has no header beside it. Where is its .hdr file? Nothing is copied.",
            ["Choose header…"],
        )
        header = None
        if answer:
            header = choose_file(control.window, f"Header of {path.name}", _HEADERS)
        if header is None:
            left = [path, *self._headless]
            self._headless = []
            names = ", ".join(each.name for each in left[:3]) + (", …" if len(left) > 3 else "")
            control.say(
                f"{names} was skipped, because it cannot be read without its header."
                if len(left) == 1
                else f"{names} were skipped, because they cannot be read without their headers."
            )
        else:
            self.add([path], header)

    def add_sample(self) -> None:
        """Add an image that comes with anymask, to try things out."""

        def work(task: Task) -> Path:
            from anymask.samples import sample

            task.progress(None, "Computing it…")
            return sample("leaf_cube")

        self._control.run("Getting the sample", work, lambda path: self.add([path]))

    def choose_files(self) -> None:
        """Ask for images, and add them."""
        paths = choose_files(self._control.window, "Add images")
        if paths:
            self.add(paths)

    def _choose_folder(self) -> None:
        folder = choose_folder(self._control.window, "Add all images of a folder")
        if folder:
            self.add([folder])

    def _remove(self) -> None:
        control = self._control
        ids = [str(item.data(_ID)) for item in self.list.selectedItems()]
        if control.session is None or not ids:
            return
        session = control.session
        worked = [image for image in ids if session.images.state(image) in ("edited", "segmented")]
        if worked:
            question = (
                f"{len(worked)} of these images have masks that are not saved; they would be "
                "removed too. The image files are not deleted."
            )
            if ask(control.window, "Remove images", question, ["Remove"]) is None:
                return
        control.leave()
        control.guarded(lambda: session.images.remove(ids))

    def _new_session(self) -> None:
        if self._control.is_occupied():
            return
        start = str(sessions_folder() / "session.anymask")
        path = choose_new_file(self._control.window, "New session", start, "Sessions (*.anymask)")
        if path is not None:
            self._begin("Starting the session", lambda: Session.create(path))

    def _begin(
        self,
        title: str,
        make: Callable[[], Session],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Go to another session; what the one before has to write is written beside the window."""
        control, before = self._control, self._control.session

        def work(_: Task) -> Session:
            if before is not None:
                before.edits.checkpoint()
            return make()

        control.leave()
        control.run(title, work, self._opened, failed)

    def _open_session(self) -> None:
        folder = choose_folder(
            self._control.window, "Open a session (a folder NAME.anymask)", str(sessions_folder())
        )
        if folder is not None:
            self.open(folder)

    def open(self, folder: Path) -> None:
        """Open a session in the background; read-only if another window has it."""
        control = self._control
        if control.session is not None and control.session.folder == folder.absolute():
            control.say("This session is already open here.")
            return

        def failed(error: Exception) -> None:
            if "another window" not in str(error):
                control.fail(error)
                return
            look = ("Open read-only", lambda: self._open(folder, read_only=True))
            control.say(str(error), "error", look)

        self._begin("Opening the session", lambda: Session.open(folder), failed)

    def _open(self, folder: Path, *, read_only: bool) -> None:
        self._begin("Opening the session", lambda: Session.open(folder, read_only=read_only))

    def _opened(self, session: Session) -> None:
        self._control.set_session(session)
        missing = [r.name for r in session.images if session.images.is_missing(r.id)]
        if missing:
            names = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
            what = "1 image is" if len(missing) == 1 else f"{len(missing)} images are"
            self._tell_lost(f"{what} missing, because files were moved or deleted: {names}.")

    def _tell_lost(self, sentence: str) -> None:
        self._control.say(sentence, "error", ("Search in a folder…", self._search))

    def _search(self) -> None:
        control, session = self._control, self._control.session
        folder = choose_folder(control.window, "Where are the images now?")
        if folder is None or session is None:
            return

        def done(found: list[str]) -> None:
            if control.session is not session:
                return
            left = [r.name for r in session.images if session.images.is_missing(r.id)]
            what = "1 image was" if len(found) == 1 else f"{len(found)} images were"
            if left:
                more = f"; {len(left)} are still missing" if len(left) > 1 else (
                    f"; {left[0]} is still missing"
                )  # fmt: skip
                self._tell_lost(f"{what} found again{more}.")
            else:
                control.say(f"{what} found again.", "good")
            if control.current is not None:
                control.show(control.current.image)

        control.run("Searching", lambda _: session.images.search(folder), done)

    def _list_recent(self) -> None:
        self.recent.clear()
        for path in recent_sessions():
            self.recent.addAction(path.stem, lambda path=path: self.open(path))
        if self.recent.isEmpty():
            self.recent.addAction("No recent sessions").setEnabled(False)

    def _tell_session(self) -> None:
        session = self._control.session
        if session is None:
            text = "None yet; adding the first image starts one."
        else:
            looked = " (read-only)" if session.read_only else ""
            text = f"{session.name}{looked}"
        self.session_name.show_text(text, "" if session is None else str(session.folder))

    def _fill(self) -> None:
        """List the images again."""
        session = self._control.session
        is_empty = session is None or not len(session.images)
        self.nothing.setVisible(is_empty)
        self.list.setVisible(not is_empty)
        self.list.blockSignals(True)
        self.list.clear()
        for record in () if session is None else session.images:
            item = QListWidgetItem(record.name)
            item.setData(_ID, record.id)
            item.setSizeHint(QSize(0, _SIDE + 6))
            self.list.addItem(item)
            assert session is not None
            self._give_icon(session, item, LayerKey(record.id, record.recipes[0].name))
        self.list.blockSignals(False)
        self._mark()
        self._follow()

    def _mark(self) -> None:
        session = self._control.session
        if session is None:
            return
        records = {record.id: record for record in session.images}
        failures: dict[str, list[str]] = {}
        for layer, sentence in session.runs.failures.items():
            several = len(records[layer.image].recipes) > 1 if layer.image in records else False
            why = f"{layer.recipe}: {sentence}" if several else sentence
            failures.setdefault(layer.image, []).append(why)
        for item in self._items():
            record = records.get(str(item.data(_ID)))
            if record is not None:
                state = session.images.state(record.id)
                size = "×".join(map(str, reversed(record.size)))  # width first
                more = f" · {record.planes} planes" if record.planes > 1 else ""
                more += f" · {record.bands} bands" if record.bands > 4 else ""
                text = f"{_MARKS[state]} {STATES[state]} · {size}{more}"
                facts = f"{record.path}\n{record.axes} {record.shape} {record.dtype}"
                sentences = failures.get(record.id)
                if sentences:
                    text, facts = f"{_FAILED} {sentences[0]}", "\n".join([*sentences, text, facts])
                if (item.text(), item.toolTip()) != (f"{record.name}\n{text}", facts):
                    item.setText(f"{record.name}\n{text}")
                    item.setToolTip(facts)

    def _items(self) -> list[QListWidgetItem]:
        return [self.list.item(at) for at in range(self.list.count())]

    def _give_icon(self, session: Session, item: QListWidgetItem, layer: LayerKey) -> None:
        image, name = layer.image, session.images.rgb_hash(layer)
        if name in self._icons:
            item.setIcon(self._icons[name])
            return
        blank = QPixmap(_SIDE, _SIDE)
        blank.fill(Qt.GlobalColor.transparent)
        item.setIcon(QIcon(blank))

        def work() -> NDArray[np.uint8] | None:
            if self._control.session is not session:
                return None  # thumbnails of another session must not delay this one
            pixels = session.images.thumbnail(image, 96)
            # The pseudo-RGB may have changed; then the list was filled again.
            return pixels if session.images.rgb_hash(layer) == name else None

        def done(pixels: NDArray[np.uint8] | None) -> None:
            if pixels is None:
                return
            self._icons[name] = icon_of(pixels)
            for each in self._items():
                if self._control.session is session and each.data(_ID) == image:
                    each.setIcon(self._icons[name])

        def failed(error: Exception) -> None:
            session.log(str(error))

        self._control.small.ask(work, done, failed)

    def _follow(self) -> None:
        current = self._control.current
        for item in self._items():
            if current is not None and item.data(_ID) == current.image:
                self.list.blockSignals(True)
                self.list.setCurrentItem(item)
                self.list.blockSignals(False)

    def _chosen(self, item: QListWidgetItem | None, _: Any = None) -> None:
        if item is not None:
            self._control.show(str(item.data(_ID)))


def icon_of(pixels: NDArray[np.uint8]) -> QIcon:
    """Convert an image (h, w, 3) to an icon."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
    pixmap = QPixmap.fromImage(image)
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)  # Qt would tint the icon of the selected row
    return icon
