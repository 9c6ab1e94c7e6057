"""Prompts of a user: points, a box, a scribble, a lasso, an existing object, brush strokes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.session.brush import BrushStroke


@dataclass(frozen=True)
class ClickPrompts:
    """Prompts that together describe one object.

    Attributes
    ----------
    points : tuple of (x, y)
        In pixels of the image.
    labels : tuple of int
        For each point: 1 on the object, 0 off it.
    box : (x0, y0, x1, y1) or None
    object_id : int or None
        An object of the layer whose mask is part of the prompt.
    keep_clicked : bool
        Drop the regions of the mask that hold no positive point, where there are points alone.
    lasso : tuple of (x, y)
        Corners of a line around the object; empty for none. The model gets the box around it, and
        the mask has no pixel outside the line.
    strokes : tuple of BrushStroke
        Drawn on the mask after the model has answered; no prompt by themselves.

    Examples
    --------
    >>> prompts = ClickPrompts().with_point(10, 20).with_point(40, 20, 0)
    >>> prompts.points, prompts.labels, prompts.is_ambiguous
    (((10.0, 20.0), (40.0, 20.0)), (1, 0), False)
    """

    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: tuple[float, float, float, float] | None = None
    object_id: int | None = None
    keep_clicked: bool = True
    lasso: tuple[tuple[float, float], ...] = ()
    strokes: tuple[BrushStroke, ...] = ()

    def __post_init__(self) -> None:
        """Convert points and labels to tuples.

        Raises
        ------
        PromptError
            If there are more or fewer labels than points, or a lasso has fewer than three corners.
        """
        points = tuple((float(x), float(y)) for x, y in self.points)
        labels = tuple(int(label) for label in self.labels)
        if len(points) != len(labels):
            raise PromptError(
                f"There are {len(points)} points but {len(labels)} labels; give one per point."
            )
        lasso = tuple((float(x), float(y)) for x, y in self.lasso)
        if 0 < len(lasso) < 3:
            raise PromptError("A lasso needs at least three corners; draw it around the object.")
        object.__setattr__(self, "lasso", lasso)
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "labels", labels)

    def __bool__(self) -> bool:
        return self._is_more_than_points or bool(self.points)

    @property
    def _is_more_than_points(self) -> bool:
        return self.box is not None or self.object_id is not None or bool(self.lasso)

    @property
    def is_of_points(self) -> bool:
        """Whether there are points, and no other prompt for the model."""
        return bool(self.points) and not self._is_more_than_points

    @property
    def is_ambiguous(self) -> bool:
        """Whether the prompt is a single point, which may mean a part or the whole."""
        return len(self.points) == 1 and self.is_of_points

    @property
    def on_object(self) -> NDArray[np.float64]:
        """The points on the object, (P, 2), as (x, y)."""
        points = np.array(self.points, np.float64).reshape(-1, 2)
        return points[np.array(self.labels, np.int64) == 1]

    def with_point(self, x: float, y: float, label: int = 1) -> ClickPrompts:
        """Return a copy with one more point; label 1 is on the object, 0 off it."""
        return replace(self, points=(*self.points, (x, y)), labels=(*self.labels, label))

    def with_points(self, points: Sequence[tuple[float, float]], label: int = 1) -> ClickPrompts:
        """Return a copy with more points of one label, such as those of `points_along`."""
        labels = (*self.labels, *[label] * len(points))
        return replace(self, points=(*self.points, *points), labels=labels)

    def without_last(self) -> ClickPrompts:
        """Return a copy without the last stroke; without one, the last point, lasso or box."""
        if self.strokes:
            return replace(self, strokes=self.strokes[:-1])
        if self.points:
            return replace(self, points=self.points[:-1], labels=self.labels[:-1])
        if self.lasso:
            return replace(self, lasso=())
        return replace(self, box=None)

    def to_json(self) -> dict[str, Any]:
        """Return the prompts as JSON data for the journal."""
        return {
            "points": [list(p) for p in self.points],
            "labels": list(self.labels),
            "box": None if self.box is None else list(self.box),
            "object": self.object_id,
            "keep_clicked": self.keep_clicked,
            **({"lasso": [list(p) for p in self.lasso]} if self.lasso else {}),
            **({"strokes": [each.to_json() for each in self.strokes]} if self.strokes else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClickPrompts:
        """Read what `to_json` wrote; anymask 0.1.0 kept all regions."""
        box = data.get("box")
        return cls(
            tuple((x, y) for x, y in data["points"]),
            tuple(data["labels"]),
            None if box is None else (box[0], box[1], box[2], box[3]),
            data.get("object"),
            bool(data.get("keep_clicked", False)),
            tuple((x, y) for x, y in data.get("lasso", ())),
            tuple(BrushStroke.from_json(each) for each in data.get("strokes", ())),
        )


def points_along(path: ArrayLike, count: int = 6) -> list[tuple[float, float]]:
    """Place points along a scribble at even distances.

    Parameters
    ----------
    path : (N, 2) array_like
        The drawn line, as (x, y).
    count : int
        Maximum number of points; a short scribble gets fewer.

    Examples
    --------
    >>> points_along([(0, 0), (8, 0), (8, 4)], 3)
    [(2.0, 0.0), (6.0, 0.0), (8.0, 2.0)]
    """
    line = np.asarray(path, np.float64).reshape(-1, 2)
    if not len(line):
        raise PromptError("The scribble has no points.")
    lengths = np.hypot(*np.diff(line, axis=0).T) if len(line) > 1 else np.zeros(0)
    total = float(lengths.sum())
    wanted = max(1, min(count, int(total / 4) or 1))
    if total == 0:
        return [(float(line[0, 0]), float(line[0, 1]))]
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    places = (np.arange(wanted) + 0.5) * total / wanted
    xs, ys = (np.interp(places, along, line[:, axis]) for axis in (0, 1))
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
