"""A session: images, their masks and every step, kept in a folder from the first click on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from anymask.session.alike import Alike
from anymask.session.clicks import Clicks
from anymask.session.edits import Edits
from anymask.session.export import Export
from anymask.session.images import Images
from anymask.session.layers import Layers
from anymask.session.records import ModelRecord
from anymask.session.run_options import Options
from anymask.session.runs import Runs
from anymask.session.store.events import Listener
from anymask.session.store.folder import create_folder, find_folder
from anymask.session.store.store import Store

# How the store reads values of the journal that it need not understand itself.
_READERS = {"options": Options.from_json, "model": lambda facts: ModelRecord(**facts)}


class Session:
    """Images, their masks, and every step that led to them.

    A session is a folder ``NAME.anymask``. Each step is written to its journal before it takes
    effect, so a killed program loses at most the current step. Create a session with
    `Session.create`, open one with `Session.open`, and close it, best with a `with` statement.

    All methods may be called from any thread. In a program with a window, call methods marked
    slow from a background thread.

    Attributes
    ----------
    images : Images
        The images, their pseudo-RGBs and pixels.
    layers : Layers
        Labels and objects, read-only.
    edits : Edits
        Changes by hand; undo and redo.
    runs : Runs
        Runs of the model over many images, and changes of thresholds afterwards.
    clicks : Clicks
        Masks from clicks and boxes.
    alike : Alike
        Objects like some that are shown.
    export : Export
        Writes masks to files.
    folder : Path
    read_only : bool
    messages : list of str
        Problems found on opening, such as damaged or moved files.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from anymask.session import Session
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/cell.npy", np.zeros((6, 8), np.uint8))
    ...     with Session.create(f"{folder}/work") as session:
    ...         _ = session.images.add(f"{folder}/cell.npy")
    ...         layer = session.layers[0]
    ...         painted = session.layers.labels(layer).copy()
    ...         painted[2:4, 3:6] = 1
    ...         _ = session.edits.paint(layer, painted)
    ...         _ = session.edits.undo(layer)
    ...         _ = session.edits.redo(layer)
    ...     with Session.open(f"{folder}/work") as session:
    ...         session.layers.objects(layer).columns["area"].tolist()
    [6]
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._store = store = Store(folder, read_only=read_only, readers=_READERS)
        self.images = Images(store)
        self.layers = Layers(store, self.images)
        self.edits = Edits(store, self.images, self.layers)
        self.runs = Runs(store, self.images, self.layers)
        self.clicks = Clicks(store, self.images, self.layers, self.edits, self.runs)
        self.alike = Alike(store, self.images, self.layers, self.edits, self.runs)
        self.export = Export(store, self.images, self.layers)

    @classmethod
    def create(cls, folder: str | os.PathLike[str]) -> Self:
        """Create a session.

        Parameters
        ----------
        folder : path-like
            The suffix ``.anymask`` is added if it is missing.

        Raises
        ------
        SessionError
            If a file or folder of that name exists.
        OutputError
            If it cannot be written.
        """
        return cls(create_folder(folder))

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, read_only: bool = False) -> Self:
        """Open a session as it was after its last step, even if the program crashed.

        Parameters
        ----------
        folder : path-like
            The suffix ``.anymask`` may be left out.
        read_only : bool
            Open without a lock and without writing anything.

        Raises
        ------
        SessionError
            If it is not a session, was made by a later version, or is open in another window.
        """
        return cls(find_folder(folder), read_only=read_only)

    def close(self) -> None:
        """Write snapshots of changes and release the session; a second call does nothing."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call a function with an `Event` after each change, in the thread of the change.

        Returns
        -------
        callable
            Call it to unsubscribe.
        """
        return self._store.subscribe(listener)

    @property
    def folder(self) -> Path:
        """The folder of the session."""
        return self._store.folder

    @property
    def name(self) -> str:
        """The name of the folder without its suffix."""
        return self.folder.stem

    @property
    def read_only(self) -> bool:
        """Whether the session was opened read-only."""
        return self._store.read_only

    @property
    def messages(self) -> list[str]:
        """Problems found on opening and reading, such as damaged or moved files."""
        return self._store.messages

    @property
    def ui(self) -> dict[str, Any]:
        """Values that a window stored with `remember`."""
        return dict(self._store.state.ui)

    def remember(self, **values: Any) -> None:
        """Store values for the next time the session is opened, such as the current image."""
        if any(self.ui.get(name) != value for name, value in values.items()):
            json.dumps(values)  # raises before the journal is touched
            self._store.record("ui", ui=values)

    def log(self, text: str) -> None:
        """Add lines to the log, with the time."""
        self._store.log(text)

    def log_lines(self, count: int = 200) -> list[str]:
        """Return the last lines of the log."""
        return self._store.log_lines(count)

    if not TYPE_CHECKING:  # type checkers see only the new names

        def __getattr__(self, name: str) -> Any:
            from anymask.session.renamed import forwarded

            return forwarded(self, name)
