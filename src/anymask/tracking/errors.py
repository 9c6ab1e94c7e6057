"""The error of following objects."""

from __future__ import annotations

from anymask.errors import AnymaskError


class TrackingError(AnymaskError):
    """Frames cannot be read, or a step does not fit what was prompted before."""
