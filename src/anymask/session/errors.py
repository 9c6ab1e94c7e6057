"""What a session refuses to do."""

from __future__ import annotations

from collections.abc import Sequence

from anymask.errors import AnymaskError


class SessionError(AnymaskError):
    """A session cannot be opened, or something in it is not as it should be."""


class EditedError(SessionError):
    """Layers that were edited by hand would be replaced, and nobody allowed it.

    Attributes
    ----------
    layers : tuple of LayerKey
        Those layers.
    """

    def __init__(self, message: str, layers: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.layers = tuple(layers)


class StoppedError(Exception):
    """Somebody pressed Cancel; never leaves the package."""
