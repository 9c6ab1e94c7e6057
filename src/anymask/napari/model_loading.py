"""Loads models for the window: shows downloads, and offers the right type after a wrong one."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from anymask.checkpoints.registry import CHECKPOINTS, SHIPPED, CheckpointEntry
from anymask.errors import CheckpointError

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.napari.controller import Controller
    from anymask.napari.tasks import Task

TITLES = {
    "small": "anymask small (built in)",
    "vit_b": "SAM ViT-B",
    "vit_l": "SAM ViT-L",
    "vit_h": "SAM ViT-H",
    "vit_t": "MobileSAM ViT-T",
}
"""Names of the models in the window."""
ANY = "any"
"""Model type that stands for the type found in the checkpoint."""
_POLL_SECONDS = 0.2
_STOP_SECONDS = 2.0  # time for a cancelled download to end


class WrongTypeError(CheckpointError):
    """A checkpoint is not of the chosen type.

    Attributes
    ----------
    variant : str
        Its actual type; `ANY` if that has no name.
    """

    def __init__(self, message: str, variant: str) -> None:
        super().__init__(message)
        self.variant = variant


class StoppedLoadingError(CheckpointError):
    """Loading a model was cancelled."""


@dataclass(frozen=True)
class Choice:
    """A chosen model.

    Attributes
    ----------
    variant : str
        A key of `TITLES`, or `ANY`.
    path : str or None
        A checkpoint file; None for the variant's own.
    device, dtype : str
        See `anymask.load`.
    """

    variant: str = SHIPPED
    path: str | None = None
    device: str = "auto"
    dtype: str = "auto"

    @property
    def source(self) -> str:
        """The argument for `anymask.load`; paths are absolute, as sessions record them."""
        return os.path.abspath(self.path) if self.path else self.variant


def load_chosen(choice: Choice, task: Task) -> tuple[Sam, list[str]]:
    """Load a model; return it with the warnings about its checkpoint.

    Raises
    ------
    WrongTypeError
        If the checkpoint is not of the chosen type.
    StoppedLoadingError
        If loading was cancelled.
    CheckpointError
        If it cannot be loaded.
    """
    task.progress(None, "Starting PyTorch…")
    from anymask.checkpoints.loading import load

    task.progress(None, f"Reading {Path(choice.source).name}…")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if choice.path is None:
            _download(CHECKPOINTS[choice.variant], task)
            sam = load(choice.variant, device=choice.device, dtype=choice.dtype)
        else:
            variant = None if choice.variant == ANY else choice.variant
            try:
                sam = load(choice.path, variant=variant, device=choice.device, dtype=choice.dtype)
            except CheckpointError as error:
                right = _right_variant(choice)
                if right is None:
                    raise
                what = "another model" if right == ANY else TITLES[right].split(" (")[0]
                raise WrongTypeError(
                    f"{Path(choice.path).name} is {what}, not {TITLES[choice.variant]}; load it as "
                    "that model, or choose another file.",
                    right,
                ) from error
    if task.cancel.is_cancelled:
        raise StoppedLoadingError(
            f"{Path(choice.source).name} was not loaded, because you cancelled it."
        )
    notices = [str(w.message) for w in caught if "anymask" in type(w.message).__module__]
    return sam, notices


def _right_variant(choice: Choice) -> str | None:
    """Return the type of a checkpoint, if it is a model but not of the chosen type."""
    from anymask.checkpoints.info import info

    if choice.variant == ANY or choice.path is None:
        return None
    try:
        found = info(choice.path).variant
    except CheckpointError:
        return None
    if found == choice.variant:
        return None
    return found if found in TITLES else ANY


def _download(entry: CheckpointEntry, task: Task) -> None:
    """Download a checkpoint unless it is cached, and report progress.

    Raises
    ------
    StoppedLoadingError
        If the download was cancelled; the received part is kept for next time.
    CheckpointError
        If it cannot be downloaded.
    """
    from anymask.checkpoints.download import cached_path, fetch

    if entry.url is None or cached_path(entry) is not None:
        return
    errors: list[Exception] = []
    there, whole = 0, entry.size

    def tell(done: int, total: int | None) -> None:
        nonlocal there, whole
        there, whole = done, total
        if task.cancel.is_cancelled:
            raise StoppedLoadingError(_stopped(entry, there))

    def work() -> None:
        try:
            fetch(entry, progress=tell)
        except Exception as error:
            errors.append(error)

    # In a separate thread, because a silent server blocks it for half a minute.
    thread = threading.Thread(target=work, name="anymask: download", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
        if there and whole:
            text = f"{entry.file_name}, {there / 1e6:,.0f} of {whole / 1e6:,.0f} MB"
            task.progress(there / whole, text)
        if task.cancel.is_cancelled:
            thread.join(_STOP_SECONDS)
            if thread.is_alive():
                raise StoppedLoadingError(_stopped(entry, there))
    if errors:
        raise errors[0]


def _stopped(entry: CheckpointEntry, there: int) -> str:
    kept = f"the {there / 1e6:,.0f} MB received are kept, and loading the model again continues"
    return f"The download of {entry.file_name} was stopped; {kept} from there."


class Models(QObject):
    """The model of the window.

    Signals
    -------
    chosen
        A session has chosen its model.
    """

    chosen = Signal()

    def __init__(self, control: Controller) -> None:
        super().__init__(control)
        self._control = control
        self.choice = Choice()
        self.checkpoints: list[str] = []
        self.loaded: Choice | None = None
        self._expected: str | None = None
        control.session_changed.connect(self._restore)

    def _restore(self) -> None:
        """Choose the model that the session was made with; it is loaded when first needed."""
        control, session = self._control, self._control.session
        record = None if session is None else session.runs.model
        self._expected = None if record is None else record.model_hash
        if record is None or record.source in (None, control.model_source):
            return
        source = str(record.source)
        if source not in TITLES and not Path(source).is_file():
            control.say(
                f"This session was made with the model {source}, which is not there; choose a "
                "model on the Model page."
            )
            return
        device = self.choice.device, self.choice.dtype
        self.choice = (
            Choice(source, None, *device) if source in TITLES else Choice(ANY, source, *device)
        )
        control.sam, control.model_source, self.loaded = None, None, None
        self.chosen.emit()
        control.model_changed.emit()

    def _tell_changed(self, sam: Sam) -> None:
        """Say so if a session's model has other weights than it had before."""
        session = self._control.session
        if session is None or self._expected is None:
            return
        expected, self._expected = self._expected, None

        def look() -> bool:
            from anymask.predict.embeddings import model_hash

            record = session.runs.models.get(expected)
            source = self._control.model_source
            return record is not None and record.source == source and model_hash(sam) != expected

        def tell(changed: bool) -> None:
            if changed and self._control.session is session:
                name = Path(str(self._control.model_source)).name
                self._control.say(f"The model {name} has changed since this session used it.")

        self._control.small.ask(look, tell, self._control.fail)

    def load(self, choice: Choice, then: Callable[[], Any] | None = None) -> bool:
        """Load a model in the background, then call a function."""
        control = self._control
        self.choice = choice

        def done(found: tuple[Sam, list[str]]) -> None:
            sam, notices = found
            control.sam, control.model_source = sam, choice.source
            self.loaded = choice
            for notice in notices:
                control.say(notice)
            control.say(f"The model is ready: {self.description}.", "good")
            control.model_changed.emit()
            self._tell_changed(sam)
            control.note_model()
            if then is not None:
                then()

        def failed(error: Exception) -> None:
            if isinstance(error, StoppedLoadingError):
                control.say(str(error))
                return
            if not isinstance(error, WrongTypeError):
                control.fail(error)
                return
            right = error.variant
            title = "the type of the file" if right == ANY else TITLES[right]
            better = Choice(right, choice.path, choice.device, choice.dtype)
            control.say(
                str(error), "error", (f"Load it as {title}", lambda: self.load(better, then))
            )

        return control.run(
            "Loading the model", lambda task: load_chosen(choice, task), done, failed
        )

    def with_model(self, function: Callable[[Sam], Any]) -> None:
        """Call a function with the model; load the chosen model first if none is loaded."""
        control = self._control
        if control.sam is not None:
            function(control.sam)
            return

        def then() -> None:
            assert control.sam is not None
            function(control.sam)

        self.load(self.choice, then)

    @property
    def description(self) -> str:
        """A description of the loaded model."""
        sam, choice = self._control.sam, self.loaded
        if sam is None or choice is None:
            return "no model yet"
        name = TITLES.get(sam.config.name, sam.config.name).split(" (")[0]
        if choice.path is not None:
            name = f"{Path(choice.path).name} ({name})"
        millions = sum(p.numel() for p in sam.parameters()) / 1e6
        dtype = str(sam.dtype).removeprefix("torch.")
        return f"{name}, {millions:,.0f} million weights, on {sam.device.type} in {dtype}"
