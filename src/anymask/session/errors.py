"""Errors of sessions."""

from __future__ import annotations

from collections.abc import Sequence

from anymask.errors import AnymaskError


class SessionError(AnymaskError):
    """A session cannot be opened, or cannot do what the user asked for."""


class EditedError(SessionError):
    """Layers that were edited by hand would be replaced without permission.

    Attributes
    ----------
    layers : tuple of LayerKey
        The edited layers.
    """

    def __init__(self, message: str, layers: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.layers = tuple(layers)


class RevisionError(SessionError):
    """A layer was changed by someone else since the caller last saw it."""


class StoppedError(Exception):
    """The user cancelled, or an object ended; never leaves the package."""
