"""A session: everything that is done with images, kept in a folder from the first click on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from anymask.session.records import Event, LayerKey
from anymask.session.saving import SessionSaving


class Session(SessionSaving):
    """Images, their masks, and every step that led to these.

    A session is a folder ``NAME.anymask``. What is done in it is written to its journal before it
    is done, so that a program that is killed loses nothing but the step at hand. Make one with
    `Session.create`, open it with `Session.open`, and close it, best in a `with` statement.

    All methods may be called from any thread; those called slow belong in a thread of their own
    where there is a window.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from anymask.session import LayerKey, Session
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/cell.npy", np.zeros((6, 8), np.uint8))
    ...     with Session.create(f"{folder}/work") as session:
    ...         added = session.add_images(f"{folder}/cell.npy")
    ...         layer = LayerKey(added.ids[0], "rgb")
    ...         painted = session.labels(layer).copy()
    ...         painted[2:4, 3:6] = 1
    ...         _ = session.record_pixels(layer, painted)
    ...         _ = session.undo(layer)
    ...         _ = session.redo(layer)
    ...     with Session.open(f"{folder}/work") as session:
    ...         session.objects(layer).columns["area"].tolist()
    [6]
    """

    @property
    def ui(self) -> dict[str, Any]:
        """What a window noted with `remember`."""
        return dict(self._state.ui)

    def remember(self, **values: Any) -> None:
        """Note something for the next time the session is open, such as the current image."""
        if any(self._state.ui.get(name) != value for name, value in values.items()):
            json.dumps(values)  # what cannot be written is refused before the journal is touched
            self._record("ui", ui=values)

    def picture_hash(self, layer: LayerKey) -> str:
        """What tells the picture of a layer from all others: content and pseudo-RGB."""
        record = self.image(layer.image)
        facts = [
            record.fingerprint.get("sha256"),
            list(record.recipe(layer.recipe).source),
            sorted((record.read_options or {}).items()),
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def bug_report(self) -> str:
        """Versions, device, model and the last lines of the log, without names of folders."""
        from anymask.session.report import report_of

        return report_of(self)

    def refresh(self) -> None:
        """Tell all listeners that everything may be another, such as after opening."""
        self._tell(Event("images"))
