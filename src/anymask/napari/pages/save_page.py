"""The Save page: formats, folder, and which layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit, QListWidget, QListWidgetItem

from anymask.io.registry import written_formats
from anymask.napari.dialogs import ask, choose_folder
from anymask.napari.widgets import Page, button, chooser, heading, hint, row
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller
    from anymask.napari.tasks import Task
    from anymask.session import LayerKey, Session

_WHAT = ("All images with masks", "The current image", "Layers selected in the layer list")
_ID = Qt.ItemDataRole.UserRole


class SavePage(Page):
    """Writes masks for other programs."""

    def __init__(self, control: Controller, canvas: Canvas) -> None:
        super().__init__()
        self._control, self._canvas = control, canvas
        self.what = chooser(*_WHAT)
        self.folder = QLineEdit()
        self.button = button("Save", self.save)
        self.folder.setPlaceholderText("Folder")
        self.formats = QListWidget()
        self.formats.setMinimumHeight(150)
        self.formats.setSpacing(1)
        for form in written_formats().values():
            item = QListWidgetItem(f"{form.title[0].upper()}{form.title[1:]}")
            item.setData(_ID, form.name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            on = form.name in ("labels", "csv")
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
            self.formats.addItem(item)
        self.put(
            heading("What"),
            self.what,
            heading("Where"),
            row(self.folder, button("…", self._choose, "Choose a folder")),
            heading("Formats"),
            self.formats,
            self.button,
            hint(
                "Files are named after the image, and ids stay the same. Files that are not as "
                "this session saved them are replaced only after asking, and its images never."
            ),
        )
        self.column.setStretchFactor(self.formats, 1)
        control.session_changed.connect(self._from_session)

    @property
    def chosen(self) -> list[str]:
        """Names of the ticked formats."""
        items = [self.formats.item(at) for at in range(self.formats.count())]
        return [str(i.data(_ID)) for i in items if i.checkState() == Qt.CheckState.Checked]

    def choose_formats(self, names: list[str]) -> None:
        """Tick these formats and no others."""
        for at in range(self.formats.count()):
            item = self.formats.item(at)
            on = item.data(_ID) in names
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)

    def _choose(self) -> None:
        folder = choose_folder(self._control.window, "Save masks in", self.folder.text())
        if folder:
            self.folder.setText(str(folder))

    def _from_session(self) -> None:
        session = self._control.session
        if session is not None:
            self.folder.setText(str(session.ui.get("save_folder", "")))
            if session.ui.get("save_formats"):
                self.choose_formats(list(session.ui["save_formats"]))

    def _layers(self, session: Session) -> list[LayerKey]:
        current, which = self._control.current, self.what.currentIndex()
        if which == 2:
            found = [self._canvas.own(each) for each in self._control.viewer.layers.selection]
            return list(dict.fromkeys(key for key in found if key is not None))
        keys = [key for key in session.layers if session.layers.state(key) != "new"]
        if which == 1:
            return [key for key in keys if current is not None and key.image == current.image]
        return keys

    def save(self) -> None:
        """Save, after asking about existing files."""
        control, session = self._control, self._control.session
        control.leave()
        place, formats = self.folder.text().strip(), self.chosen
        if session is None:
            control.say("There is nothing to save yet: add an image first.")
            return
        keys = [key for key in self._layers(session) if session.layers.state(key) != "new"]
        if not keys:
            control.say("There are no masks to save there yet: segment, click or paint first.")
        elif not formats:
            control.say("Tick at least one format.")
        elif not place:
            self._choose()
            if self.folder.text():
                self.save()
        else:
            self._save(session, Path(place).expanduser(), formats, keys)

    def _save(
        self, session: Session, folder: Path, formats: list[str], keys: list[LayerKey]
    ) -> None:
        control = self._control
        export = session.export
        existing = control.guarded(lambda: export.existing(folder, formats, keys))
        others = control.guarded(lambda: export.existing(folder, formats, keys, own=False))
        if existing is None or others is None:
            return
        if others:
            names = ", ".join(path.name for path in others[:4])
            names += f" and {len(others) - 4} more" if len(others) > 4 else ""
            question = f"{folder} already has these files: {names}."
            if ask(control.window, "Files exist", question, ["Replace them"]) is None:
                return
        if not session.read_only:
            session.remember(save_folder=str(folder), save_formats=formats)

        def work(task: Task) -> Any:
            return session.export.save(
                folder, formats, keys,
                overwrite=bool(existing),
                progress=lambda done, total: task.progress(done / total, f"{done} of {total}"),
                cancel=task.cancel,
            )  # fmt: skip

        def done(saved: Any) -> None:
            text = f"Saved {counted(len(saved.files), 'file')} in {folder.name}."
            if saved.cancelled:
                text = f"Cancelled; {counted(len(saved.files), 'file')} written."
            if saved.losses:
                name, sentence = saved.losses[0]
                text += f" {name}: {sentence}"
            control.say(text, "info" if saved.cancelled else "good")

        control.run("Saving", work, done)
