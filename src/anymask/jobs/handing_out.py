"""Which worker has which item, and what becomes of items whose workers die.

A worker (a process, or one of Dask) does its items one at a time and in their order, so its death
tells which item it was.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from anymask.errors import AnymaskError
from anymask.jobs.inputs import WorkItem
from anymask.jobs.report import Outcome
from anymask.jobs.work_through import Watch

MOST_DEATHS = 2
"""So many workers may end in the middle of an item; then it is left out."""

Who = TypeVar("Who", bound=Hashable)


class HandingOut(Generic[Who]):
    """Hands items out to workers.

    Parameters
    ----------
    items : sequence of WorkItem
    watch : Watch
        Told when an item is handed out.
    ahead : int
        How many items a worker has beside the one that it does, so that it need not wait for the
        next. Near the end it has none: the last items go to whoever is free.

    Attributes
    ----------
    left : int
        How many items are not finished.
    starting : set
        Workers that start the job; they have no item yet.
    busy : dict of list of int
        The indices of the items that each of the other workers has.
    idle : set
        Those that have none, because none waits.
    """

    def __init__(self, items: Sequence[WorkItem], watch: Watch, ahead: int = 0) -> None:
        self._items, self._watch, self._ahead = items, watch, ahead
        self._waiting = _Waiting(len(items))
        self._deaths: Counter[int] = Counter()
        # Items of workers that died. Each is done by a worker that has no other, so that nothing is
        # held against it that another did.
        self._suspects: set[int] = set()
        self._ended_early = 0  # workers one after another
        self.left = len(items)
        self.starting: set[Who] = set()
        self.busy: dict[Who, list[int]] = {}
        self.idle: set[Who] = set()

    @property
    def workers(self) -> set[Who]:
        """All workers."""
        return self.starting | self.idle | self.busy.keys()

    @property
    def waits(self) -> bool:
        """Whether an item waits for a worker."""
        return bool(self._waiting)

    def started(self, worker: Who) -> list[int]:
        """A worker is ready; return the indices of its first items."""
        self.starting.discard(worker)
        self._ended_early = 0
        return self.give(worker)

    def finished(self, worker: Who, index: int) -> None:
        """A worker has finished an item."""
        self.busy[worker].remove(index)
        self.left -= 1

    def give(self, worker: Who) -> list[int]:
        """Return the indices of the items that a worker gets now, often one or none."""
        has = self.busy.pop(worker, [])
        given: list[int] = []
        while self._waiting and (not has or self._may_have_another(has)):
            index = self._waiting.pop()
            has.append(index)
            given.append(index)
            self._watch.tell(index)
        if has:
            self.idle.discard(worker)
            self.busy[worker] = has
        else:
            self.idle.add(worker)
        return given

    def _may_have_another(self, has: Sequence[int]) -> bool:
        """Whether a worker with these items gets the next one too."""
        return (
            len(has) <= self._ahead
            and len(self._waiting) > len(self.busy)
            and self._suspects.isdisjoint((*has, self._waiting.first))
        )

    def ended(self, worker: Who, how: str) -> tuple[int, Outcome] | None:
        """A worker has ended; return its item's outcome if that is left out.

        Raises
        ------
        AnymaskError
            If workers end one after another before they are ready.
        """
        self.idle.discard(worker)
        if worker in self.starting:
            self.starting.discard(worker)
            self._ended_early += 1
            if self._ended_early == MOST_DEATHS:
                raise AnymaskError(
                    f"The processes end before they are ready ({how}); perhaps there is not "
                    "enough memory for so many, so give a smaller number."
                )
        had = self.busy.pop(worker, [])
        if not had:
            return None
        index, *others = had
        self._suspects.update(had)
        self._waiting.put_back(others)
        self._deaths[index] += 1
        if self._deaths[index] < MOST_DEATHS:
            self._waiting.put_back([index])
            return None
        self.left -= 1
        item = self._items[index]
        reason = (
            f"It is left out, because {MOST_DEATHS} processes ended while they worked on it "
            f"({how}); perhaps it needs more memory than there is."
        )
        return index, Outcome(str(item.name), "failed", str(item.path), reason=reason)


class _Waiting:
    """The indices of items that wait, in order; those of dead workers first.

    There may be millions, so those that no worker had are a range.
    """

    def __init__(self, count: int) -> None:
        self._back: deque[int] = deque()
        self._next, self._count = 0, count

    def __len__(self) -> int:
        return len(self._back) + self._count - self._next

    @property
    def first(self) -> int:
        return self._back[0] if self._back else self._next

    def pop(self) -> int:
        """Take the first out."""
        if self._back:
            return self._back.popleft()
        self._next += 1
        return self._next - 1

    def put_back(self, indices: Sequence[int]) -> None:
        """Put some before all others."""
        self._back.extendleft(reversed(indices))
