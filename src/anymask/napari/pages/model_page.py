"""The Model page: which model, from which checkpoint, on which device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anymask.napari.dialogs import choose_files
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
        form.addWidget(
            button("Load custom checkpoint…", self._choose, "A .pth, .pt or .safetensors file"),
            form.rowCount(),
            1,
        )
        form.add("Runs on", self.device)
        form.add("Precision", self.dtype, "16 bit is faster if the device supports it")
        self.put(
            form,
            row(self.start),
            heading("In use"),
            self.state,
            hint(
                "The model that comes with anymask needs no download. The other models are "
                "downloaded on first use: 0.04 GB (ViT-T), 0.4 GB (B), 1.2 GB (L), 2.6 GB (H)."
            ),
        )
        self.column.addStretch(1)
        self._list_checkpoints()
        self.variant.currentIndexChanged.connect(lambda _: self._name_default())
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
        """Load the chosen model."""
        self._models.load(self.choice)

    def add_checkpoint(self, path: Path | str) -> None:
        """Add a checkpoint file to the list and choose it."""
        if str(path) not in self._models.checkpoints:
            self._models.checkpoints.append(str(path))
        self._list_checkpoints()
        self.checkpoint.setCurrentIndex(self.checkpoint.findData(str(path)))
        session = self._control.session
        if session is not None and not session.read_only:
            session.remember(checkpoints=self._models.checkpoints)

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
        for path in choose_files(self._control.window, "Load custom checkpoint", _KINDS):
            self.add_checkpoint(path)

    def _list_checkpoints(self) -> None:
        chosen = self.checkpoint.currentData()
        self.checkpoint.clear()
        self.checkpoint.addItem("", "")
        for path in self._models.checkpoints:
            self.checkpoint.addItem(Path(path).name, path)
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
