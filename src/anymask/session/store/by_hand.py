"""Which objects of a layer a person has changed since the model made them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anymask.errors import AnymaskError
from anymask.session.store.history import ADD, RUNS, History, Ref
from anymask.session.store.layer import Step

# What other objects lose to a click is no edit of them, and what a run adds is not made by hand.
_NOT_BY_HAND = ("click", ADD)


class ByHand:
    """Reads it from the journal, and remembers what each step changed.

    Parameters
    ----------
    read : callable
        Returns the step of a reference.
    """

    def __init__(self, read: Callable[[Ref], Step]) -> None:
        self._read = read
        self._touched: dict[int, frozenset[int]] = {}

    def ids(self, history: History) -> set[int]:
        """Return the ids that were painted, merged, cleaned, classified, … since the last run."""
        found: set[int] = set()
        for ref in reversed(history.done):
            if ref.kind in RUNS:
                break
            if ref.kind not in _NOT_BY_HAND:
                if ref.number not in self._touched:
                    self._touched[ref.number] = self._touched_by(ref)
                found |= self._touched[ref.number]
        return found

    def _touched_by(self, ref: Ref) -> frozenset[int]:
        try:
            step = self._read(ref)
        except AnymaskError:  # damaged, and skipped when the layer is read too
            return frozenset()
        ids = set(step.objects)
        if step.delta is not None:
            changed = step.delta.changed
            for pixels in (step.delta.before, step.delta.after):
                ids |= set(np.unique(pixels[changed]).tolist())
        return frozenset(ids)
