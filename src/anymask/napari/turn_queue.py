"""Does what was asked for in its order, though answers of the model take time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anymask.napari.tasks import Latest
from anymask.napari.turns import Commit, Turn, TurnAnswer

if TYPE_CHECKING:
    from anymask.napari.controller import Controller

SELECT_ONE = "Select the object to replace first, in the table on the Objects page."


class TurnQueue:
    """Commits, each with its turn, and what was pressed after them.

    Parameters
    ----------
    control : Controller
    answered : callable
        Called with a turn when the model has answered, or has failed to.
    committed : callable
        Called with a commit and the ids of the objects that it made or replaced.
    given_back : callable
        Called with a commit that made no object.
    """

    def __init__(
        self,
        control: Controller,
        answered: Callable[[Turn], None],
        committed: Callable[[Commit, tuple[int, ...]], None],
        given_back: Callable[[Commit], None],
    ) -> None:
        self._control, self._answered, self._given_back = control, answered, given_back
        self._committed = committed
        self._asking = Latest(control.main, "answers")
        self._asked: Turn | None = None
        self._waiting: deque[Commit | Callable[[], Any]] = deque()

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits to be done."""
        return bool(self._waiting)

    def add(self, what: Commit | Callable[[], Any]) -> None:
        """Add a commit, or something else to do, to the end."""
        self._waiting.append(what)

    def advance(self) -> bool:
        """Do what there are answers for; return whether nothing waits any more."""
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, Commit) and not first.turn.is_answered:
                self.ask(first.turn, first.ask)
                return False
            self._do(self._waiting.popleft())
        return True

    def ask(self, turn: Turn, work: Callable[[], TurnAnswer]) -> None:
        """Ask the model for a turn in a thread, unless that is being done."""
        if self._asked is turn:
            return
        self._asked = turn

        def done(answer: TurnAnswer) -> None:
            self._asked = None
            turn.take(answer)
            self._answered(turn)

        def failed(error: Exception) -> None:
            self._asked = None
            turn.fail()
            self._control.fail(error)
            if self._waiting:  # a commit comes to nothing
                self._drop_first()
            self._answered(turn)

        self._asking.ask(work, done, failed)

    def is_asked(self, turn: Turn) -> bool:
        """Whether the model is being asked for a turn."""
        return self._asked is turn

    def forget(self, turn: Turn) -> None:
        """Drop the answer to a turn, if it is being asked."""
        if self._asked is turn:
            self._asking.forget()
            self._asked = None

    def finish(self) -> None:
        """Do all that waits now; the session is about to be closed."""
        if not self._waiting:
            return
        self._asking.forget()
        self._asked = None
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, Commit) and not first.turn.is_answered:
                answer = self._control.guarded(first.ask)
                if answer is None:
                    self._waiting.popleft()
                    continue
                first.turn.take(answer)
            self._do(self._waiting.popleft())

    def close(self) -> None:
        """End the thread."""
        self._asking.close()

    def _do(self, what: Commit | Callable[[], Any]) -> None:
        if not isinstance(what, Commit):
            what()
        elif not self._commit(what):
            self._given_back(what)

    def _drop_first(self) -> None:
        first = self._waiting.popleft()
        if isinstance(first, Commit):
            self._given_back(first)

    def _commit(self, commit: Commit) -> bool:
        """Make the object of a commit; return whether there is one."""
        control, clicks, target = self._control, commit.session.clicks, commit.target
        control.leave()
        if target == "selected":
            if len(control.selected) != 1 or control.current != commit.layer:
                control.say(SELECT_ONE)
                return False
            (target,) = control.selected
        label, previews = target, commit.turn.previews
        how: Any = {"class_name": commit.class_name, "overwrite": commit.overwrite}
        if len(previews) > 1:
            change = control.guarded(lambda: clicks.commit_many(previews, **how))
        else:
            change = control.guarded(lambda: clicks.commit(previews[0], id=label, **how))
        if change is None:
            return False
        if control.current == commit.layer:
            control.select(change.ids[-1:] if label is None else [label])
        made = tuple(i for i in change.ids if i in commit.session.layers.ids(commit.layer))
        own = made[-len(previews) :] if label is None else (label,)
        self._committed(commit, own)
        if change.note:
            control.say(change.note, "info", ("Undo", control.undo))
        return True
