"""The steps of a layer as references into the journal, and which of them are undone."""

from __future__ import annotations

from dataclasses import dataclass, field

RUNS = ("segment", "thresholds")
"""Kinds of steps that a model made and chose by itself: they are not edits."""


@dataclass(frozen=True)
class Ref:
    """Where a step of a layer is in the journal, and its kind.

    A step that `continues` the one before it is undone and redone together with it.
    """

    number: int
    kind: str
    offset: int
    length: int
    continues: bool = False


@dataclass
class History:
    """The steps of a layer in order, and which of them are undone.

    Attributes
    ----------
    events : list of (number, reference, forward)
        All that happened to the layer: steps done, undone and redone.
    done, undone : list of Ref
        What undo and redo work on.
    snapshots : list of (number, file)
        The labels after the event with that number.
    saved : int
        Number of the last event before the layer was saved.
    """

    events: list[tuple[int, Ref, bool]] = field(default_factory=list)
    done: list[Ref] = field(default_factory=list)
    undone: list[Ref] = field(default_factory=list)
    snapshots: list[tuple[int, str]] = field(default_factory=list)
    saved: int = 0

    @property
    def last(self) -> int:
        """Number of the last event."""
        return self.events[-1][0] if self.events else 0

    @property
    def is_edited(self) -> bool:
        """Whether one of the steps of the layer was made by hand."""
        for ref in reversed(self.done):
            if ref.kind == "segment":
                return False
            if ref.kind not in RUNS:
                return True
        return False

    def add(self, ref: Ref) -> None:
        """Note a new step; steps that were undone cannot be redone after it."""
        self.events.append((ref.number, ref, True))
        self.done.append(ref)
        self.undone.clear()

    def undo(self, number: int) -> Ref:
        """Note that the last step was undone."""
        ref = self.done.pop()
        self.undone.append(ref)
        self.events.append((number, ref, False))
        return ref

    def redo(self, number: int) -> Ref:
        """Note that the step undone last was redone."""
        ref = self.undone.pop()
        self.done.append(ref)
        self.events.append((number, ref, True))
        return ref
