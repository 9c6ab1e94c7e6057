"""The Model page: which model, from which checkpoint, on which device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from anymask.napari.dialogs import choose_files, tell_once
from anymask.napari.model_loading import ANY, TITLES, Choice, Models
from anymask.napari.widgets import Form, Page, button, chooser, heading, hint, row

if TYPE_CHECKING:
    from anymask.napari.controller import Controller

_DEVICES = {"auto": "Automatic", "cpu": "CPU", "cuda": "GPU (CUDA)", "mps": "GPU (Apple)"}
_TYPES = {
    "auto": "Automatic",
    "float32": "32 bit (exact)",
    "bfloat16": "16 bit (bfloat16)",
    "float16": "16 bit (float16)",
}
_KINDS = "Checkpoints (*.pth *.pt *.safetensors *.bin);;All files (*)"


class ModelPage(Page):
    """Chooses and loads a model."""

    def __init__(self, control: Controller, models: Models) -> None:
        super().__init__()
        self._control, self._models = control, models
        self._told: Choice | None = None
        # Files whose type the user chose.
        self._typed: set[str | None] = set()
        self.variant, self.checkpoint = chooser(), chooser()
        self.device, self.dtype = chooser(), chooser()
        for name, title in {**TITLES, ANY: "Detect from the checkpoint"}.items():
            self.variant.addItem(title, name)
        for box, table in ((self.device, _DEVICES), (self.dtype, _TYPES)):
            for name, title in table.items():
                box.addItem(title, name)
        self.state = hint("")
        self.start = button("Initialize model", self.load, "Load the model chosen above")
        form = Form()
        form.add("Model type", self.variant, "Kind of network")
        form.add("Checkpoint", self.checkpoint, "Its weights")
        self.forget = button(
            "Remove", self._forget, "Take this file off the list; it is not deleted"
        )
        own = QWidget()
        own.setLayout(
            row(
                button("Add your own…", self._choose, "A .pth, .pt or .safetensors file"),
                self.forget,
            )
        )
        form.addWidget(own, form.rowCount(), 1)
        form.add("Runs on", self.device)
        form.add("Precision", self.dtype, "16 bit is faster if the device supports it")
        self.put(
            form,
            row(self.start),
            heading("Model in use"),
            self.state,
            hint(
                "The model that comes with anymask needs no download. The other models are "
                "downloaded on first use: 0.04 GB (ViT-T), 0.4 GB (B), 1.2 GB (L), 2.6 GB (H)."
            ),
        )
        self.column.addStretch(1)
        self._list_checkpoints()
        self.variant.currentIndexChanged.connect(lambda _: self._name_default())
        self.checkpoint.currentIndexChanged.connect(lambda _: self._show_file())
        self.variant.activated.connect(lambda _: self._typed.add(self.checkpoint.currentData()))
        self._show_file()
        control.model_changed.connect(self._tell)
        control.session_changed.connect(self._from_session)
        models.chosen.connect(self._show_choice)
        self._tell()

    @property
    def choice(self) -> Choice:
        """The choice in the fields."""
        path = self.checkpoint.currentData()
        variant = str(self.variant.currentData())
        return Choice(
            "small" if variant == ANY and not path else variant,
            path or None,
            str(self.device.currentData()),
            str(self.dtype.currentData()),
        )

    def load(self) -> None:
        """Load the chosen model, and confirm it with a box unless the user turned that off."""
        self._models.load(self.choice, self._confirm)

    def _confirm(self) -> None:
        tell_once(
            self._control.window,
            "Model initialized",
            f"The model is ready: {self._models.description}.",
            "confirm_model",
        )

    def add_checkpoint(self, path: Path | str) -> None:
        """Add a checkpoint file to the list and choose it."""
        if str(path) not in self._models.checkpoints:
            self._models.checkpoints.append(str(path))
        self._list_checkpoints()
        self.checkpoint.setCurrentIndex(self.checkpoint.findData(str(path)))
        self.variant.setCurrentIndex(self.variant.findData(ANY))
        self._remember()
        self._identify(str(path))

    def _identify(self, path: str) -> None:
        """Set the type to what a checkpoint is, unless the user chose one meanwhile."""

        def look() -> str:
            from anymask.checkpoints.info import info

            return info(path).variant

        def tell(variant: str) -> None:
            is_open = self.checkpoint.currentData() == path and path not in self._typed
            if is_open and self.variant.currentData() == ANY and variant in TITLES:
                self.variant.setCurrentIndex(self.variant.findData(variant))

        # What is wrong with a file is said when it is loaded.
        self._control.small.ask(look, tell, lambda _: None)

    def _forget(self) -> None:
        """Take the chosen checkpoint off the list."""
        path = self.checkpoint.currentData()
        if path in self._models.checkpoints:
            self._models.checkpoints.remove(path)
            self.checkpoint.setCurrentIndex(0)
            self._list_checkpoints()
            self._remember()
            if self.variant.currentData() == ANY:
                self.variant.setCurrentIndex(0)

    def _remember(self) -> None:
        session = self._control.session
        if session is not None and not session.read_only:
            session.remember(checkpoints=list(self._models.checkpoints))

    def _show_file(self) -> None:
        path = self.checkpoint.currentData()
        self.checkpoint.setToolTip(str(path) if path else "The weights that belong to the type")
        self.forget.setEnabled(bool(path))
        self._models.choice = self.choice

    def _show_choice(self) -> None:
        """Show in the fields what the session chose."""
        choice = self._models.choice
        if choice.path and choice.path not in self._models.checkpoints:
            self._models.checkpoints.append(choice.path)
        self._list_checkpoints()
        self.checkpoint.setCurrentIndex(max(0, self.checkpoint.findData(choice.path or "")))
        self.variant.setCurrentIndex(self.variant.findData(choice.variant))
        self._models.choice = choice

    def _choose(self) -> None:
        for path in choose_files(self._control.window, "Add checkpoints of your own", _KINDS):
            self.add_checkpoint(path)

    def _list_checkpoints(self) -> None:
        chosen = self.checkpoint.currentData()
        self.checkpoint.clear()
        self.checkpoint.addItem("", "")
        for path in self._models.checkpoints:
            self.checkpoint.addItem(Path(path).name, path)
            tip = Qt.ItemDataRole.ToolTipRole
            self.checkpoint.setItemData(self.checkpoint.count() - 1, str(path), tip)
        self.checkpoint.setCurrentIndex(max(0, self.checkpoint.findData(chosen)))
        self._name_default()

    def _name_default(self) -> None:
        from anymask.checkpoints.registry import CHECKPOINTS

        entry = CHECKPOINTS.get(str(self.variant.currentData()))
        name = "default" if entry is None else f"default ({entry.file_name})"
        self.checkpoint.setItemText(0, name)
        self._models.choice = self.choice

    def _from_session(self) -> None:
        session = self._control.session
        for path in () if session is None else session.ui.get("checkpoints", ()):
            if path not in self._models.checkpoints:
                self._models.checkpoints.append(path)
        self._list_checkpoints()

    def _tell(self) -> None:
        loaded = self._models.loaded
        text = self._models.description
        self.state.setText(text[0].upper() + text[1:] + ".")
        if loaded is not None and loaded != self._told:
            # Only once, so that later events do not undo the user's next choice.
            self._told = loaded
            self.variant.setCurrentIndex(self.variant.findData(loaded.variant))
