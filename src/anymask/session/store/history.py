"""The steps of a layer as references into the journal, and which of them are undone."""

from __future__ import annotations

from dataclasses import dataclass, field

RUNS = ("segment", "thresholds")
"""Kinds of steps that a model made and chose by itself: they are not edits."""


@dataclass(frozen=True)
class Ref:
    """Where a step of a layer stands in the journal, and of what kind it is.

    One that `continues` the step before it is undone and done again together with that.
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
        All that happened to the layer: steps done, undone and done again.
    done, undone : list of Ref
        The two ends of undo and redo.
    snapshots : list of (number, file)
        What the labels were after the event of that number.
    saved : int
        Number of the last event that a saved file has.
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
        """Whether a step made by hand is part of what the layer is now."""
        for ref in reversed(self.done):
            if ref.kind == "segment":
                return False
            if ref.kind not in RUNS:
                return True
        return False

    def add(self, ref: Ref) -> None:
        """Note a new step; what was undone is gone for good."""
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
        """Note that the step undone last was done again."""
        ref = self.undone.pop()
        self.done.append(ref)
        self.events.append((number, ref, True))
        return ref
