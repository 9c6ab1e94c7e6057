"""Progress of a fine-tuning; this base class ignores all reports."""

from __future__ import annotations


class Progress:
    """Receives the progress of a fine-tuning; the command line draws a bar from it."""

    def say(self, sentence: str) -> None:
        """Show a sentence."""

    def begin(self, what: str, total: int) -> None:
        """Start a stage of `total` steps."""

    def advance(self, note: str = "") -> None:
        """Report that one step is done."""

    def end(self) -> None:
        """End the stage."""
