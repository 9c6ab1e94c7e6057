"""The steps of a layer as references into the journal, and which ones are undone."""

from __future__ import annotations

from dataclasses import dataclass, field

RUNS = ("segment", "thresholds")
"""Kinds of steps made by the model alone; they do not count as edits."""
ADD = "add"
"""Kind of a step by which a run adds to what is there; earlier edits still count."""


@dataclass(frozen=True)
class Ref:
    """The place of a step in the journal, and its kind.

    A step that `continues` the previous one is undone and redone together with it.
    """

    number: int
    kind: str
    offset: int
    length: int
    continues: bool = False


@dataclass
class History:
    """The steps of a layer in order, and which ones are undone.

    Attributes
    ----------
    events : list of (number, reference, forward)
        All steps of the layer as they were done, undone and redone.
    done, undone : list of Ref
        The stacks for undo and redo.
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
        """Whether the layer was edited by hand since its last run."""
        for ref in reversed(self.done):
            if ref.kind == "segment":
                return False
            if ref.kind not in RUNS:
                return True
        return False

    def add(self, ref: Ref) -> None:
        """Record a new step; undone steps can no longer be redone."""
        self.events.append((ref.number, ref, True))
        self.done.append(ref)
        self.undone.clear()

    def undo(self, number: int) -> Ref:
        """Record that the last step was undone."""
        ref = self.done.pop()
        self.undone.append(ref)
        self.events.append((number, ref, False))
        return ref

    def redo(self, number: int) -> Ref:
        """Record that the last undone step was redone."""
        ref = self.undone.pop()
        self.done.append(ref)
        self.events.append((number, ref, True))
        return ref
