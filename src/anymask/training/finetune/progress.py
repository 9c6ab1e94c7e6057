"""How a fine-tuning tells how far it is; this one tells nobody."""

from __future__ import annotations


class Progress:
    """Called while a fine-tuning runs; the command line draws a bar from it."""

    def say(self, sentence: str) -> None:
        """Tell something that is worth a line."""

    def begin(self, what: str, total: int) -> None:
        """Begin a stretch of `total` steps."""

    def advance(self, note: str = "") -> None:
        """One step is done."""

    def end(self) -> None:
        """The stretch is over."""
