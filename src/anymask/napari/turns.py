"""What was clicked and what is to be done with it, in the order in which it was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from anymask.session import ClickPrompts, LayerKey, MaskFit, Prepared, Preview, Session

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.session import Region

Box = tuple[float, float, float, float]


@dataclass(eq=False)
class Turn:
    """The prompts for one object, or several boxes or points for one each, and their masks.

    Attributes
    ----------
    prompts : ClickPrompts
    boxes : list of (x0, y0, x1, y1)
        All boxes; one alone is in the prompts too.
    one_each : bool
        Whether each point on an object is for an object of its own; points off it are for all.
    cycles : list of int
        Steps to other candidates that are still to be done.
    previews : list of Preview
        The last answer; it may be older than the prompts.
    fits : list of MaskFit
        What of each preview would become an object.
    is_current : bool
        Whether the previews are for these prompts.
    ready : Prepared or None
        The encoded image to ask, once that is settled.
    met : int
        The object that the first click was on; 0 for none.
    """

    prompts: ClickPrompts = field(default_factory=ClickPrompts)
    boxes: list[Box] = field(default_factory=list)
    one_each: bool = False
    cycles: list[int] = field(default_factory=list)
    previews: list[Preview] = field(default_factory=list)
    fits: list[MaskFit] = field(default_factory=list)
    is_current: bool = False
    ready: Prepared | None = None
    met: int = 0

    def __bool__(self) -> bool:
        return bool(self.prompts) or bool(self.boxes)

    @property
    def singles(self) -> list[ClickPrompts]:
        """The prompts for one object each, if each point is for its own; else an empty list."""
        on = [place for place, label in zip(*self._points, strict=True) if label == 1]
        if not self.one_each or len(on) < 2 or self.prompts.box is not None:
            return []
        off = [place for place, label in zip(*self._points, strict=True) if label == 0]
        keep = self.prompts.keep_clicked
        labels = (1, *(0 for _ in off))
        return [ClickPrompts((place, *off), labels, keep_clicked=keep) for place in on]

    @property
    def _points(self) -> tuple[tuple[tuple[float, float], ...], tuple[int, ...]]:
        return self.prompts.points, self.prompts.labels

    @property
    def is_answered(self) -> bool:
        """Whether there is nothing more to ask the model."""
        return self.is_current and not self.cycles

    def is_within(self, region: Region) -> bool:
        """Whether a region contains all prompts."""
        if not all(region.holds(x, y) for x, y in self.prompts.lasso):
            return False
        corners = [place for x0, y0, x1, y1 in self.boxes for place in ((x0, y0), (x1, y1))]
        return all(region.holds(x, y) for x, y in (*self.prompts.points, *corners))

    def change(self, prompts: ClickPrompts, boxes: list[Box]) -> None:
        """Replace the prompts; other candidates were of the old ones."""
        self.prompts, self.boxes = prompts, boxes
        self.is_current = False
        self.cycles.clear()

    def ask(self, session: Session, ready: Prepared, overwrite: bool | None) -> TurnAnswer:
        """Ask the model; changes nothing, so that it can run in a thread."""
        clicks, boxes, cycles = session.clicks, list(self.boxes), list(self.cycles)
        if self.is_current:
            previews = list(self.previews)
        elif len(boxes) > 1:
            previews = clicks.predict_boxes(ready, boxes)
        elif self.singles:
            known = {each.prompts: each for each in self.previews if each.ready is ready}
            previews = [known.get(one) or clicks.predict(ready, one) for one in self.singles]
        else:
            previews = [clicks.predict(ready, self.prompts)]
        if len(previews) == 1:
            for by in cycles:
                previews = [clicks.cycle(previews[0], by)]
        fits = clicks.fit(previews, id=self.prompts.object_id, overwrite=overwrite)
        return TurnAnswer(ready, previews, fits, len(cycles))

    def fail(self) -> None:
        """Note that there is no answer to these prompts."""
        self.previews, self.fits, self.is_current = [], [], True
        self.cycles.clear()

    def take(self, answer: TurnAnswer) -> None:
        """Keep an answer."""
        self.ready, self.previews, self.fits = answer.ready, answer.previews, answer.fits
        self.is_current = True
        del self.cycles[: answer.cycles]


@dataclass(frozen=True, eq=False)
class TurnAnswer:
    """What the model said to a turn, and how many steps to other candidates it did."""

    ready: Prepared
    previews: list[Preview]
    fits: list[MaskFit]
    cycles: int


@dataclass(frozen=True, eq=False)
class Commit:
    """A turn that becomes an object, with all that was chosen when the key was pressed."""

    turn: Turn
    target: int | Literal["selected"] | None
    class_name: str
    overwrite: bool | None
    session: Session
    layer: LayerKey
    plane: int
    sam: Sam
    region: Region

    def ask(self) -> TurnAnswer:
        """Ask the model for the turn, and encode the image first if that is not done yet."""
        ready = self.turn.ready
        if ready is None:
            ready = self.session.clicks.prepare(self.sam, self.layer, self.plane, self.region)
        return self.turn.ask(self.session, ready, self.overwrite)
