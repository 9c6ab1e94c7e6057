"""Files that are dropped on the window are added to the session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

_DRAGS = (QEvent.Type.DragEnter, QEvent.Type.DragMove)


class Dropping(QObject):
    """Takes files that are dropped on widgets; napari would show them, but not keep their masks.

    Parameters
    ----------
    widgets : sequence of QWidget
    drop : callable
        Called with the paths.
    """

    def __init__(self, widgets: list[QWidget], drop: Callable[[list[Path]], Any]) -> None:
        super().__init__()
        self._widgets, self._drop = widgets, drop
        for widget in widgets:
            widget.setAcceptDrops(True)
            widget.installEventFilter(self)

    def close(self) -> None:
        """Leave dropped files to napari."""
        for widget in self._widgets:
            widget.removeEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Take drags of files, and the files that are dropped."""
        dropped: Any = event
        if event is None or event.type() not in (*_DRAGS, QEvent.Type.Drop):
            return False
        paths = [Path(url.toLocalFile()) for url in dropped.mimeData().urls() if url.isLocalFile()]
        if not paths:
            return False
        dropped.acceptProposedAction()
        if event.type() == QEvent.Type.Drop:
            self._drop(paths)
        return True
