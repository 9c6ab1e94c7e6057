"""Whether a model of classes of pixels is of use: its maps of held-out images against the truth.

What it is compared with is the model that it started from where that was trained for the same
classes. Any other has no answer to the question, and in its place stands the best answer that
needs no model: every pixel called by the class that covers most of these very images.

Each image weighs the same, however many pixels it has. IoU and Dice of a class are over all pixels
of a set's images together, and means over sets then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from anymask.datasets.types import Example
from anymask.evaluation.compare import (
    Difference,
    Figure,
    GroupOf,
    Pair,
    Word,
    difference,
    drawn_together,
    ratio,
)
from anymask.evaluation.report import format_figure, reliability_data
from anymask.model.sam import Sam
from anymask.training.class_maps import (
    ClassRecord,
    Floats,
    called,
    class_numbers,
    class_reliability,
    map_classes,
)
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.settings import FineTuneError
from anymask.training.verdict import add_rows, counted, interval_of, plain_difference


@dataclass(frozen=True, eq=False)
class ClassVerdict:
    """What a model of classes did on held-out images, beside what it is compared with.

    Attributes
    ----------
    classes : tuple of str
        All that it was trained for.
    figures : dict of str to Difference
        "IoU, leaf", "Dice, leaf" and so on for the classes that are in the images, and where these
        are several "IoU, mean" and "Dice, mean".
    overall : Difference
        Mean IoU over the classes that are in the images; it decides.
    constant : str or None
        The class that "before" calls every pixel; None where "before" is the starting model.
    before, after : sequences of ClassRecord
    """

    classes: tuple[str, ...]
    figures: dict[str, Difference]
    overall: Difference
    constant: str | None
    before: Sequence[ClassRecord]
    after: Sequence[ClassRecord]

    @property
    def word(self) -> Word:
        """The verdict: "better", "no different", "worse", or "untested" with a single image."""
        return self.overall.word

    @property
    def images(self) -> int:
        """How many images were judged by."""
        return len(self.after)

    @property
    def judged(self) -> list[str]:
        """The classes that are in the images."""
        return [name for name in self.classes if f"IoU, {name}" in self.figures]

    @property
    def sentence(self) -> str:
        """The verdict for people: whether the model is of use, and which class is found worst."""
        change, images = self.overall, counted(self.images, "held-out image")
        several = len(self.judged) > 1
        what = f"the mean IoU of {len(self.judged)} classes" if several else "the IoU"
        before, after = format_figure(change.before), format_figure(change.after)
        if self.constant is None:
            measured, than = f"{what} goes from {before} to {after}", ""
        else:
            measured = (
                f"{what} is {after}, and {before} if all is called {self.constant!r} (the starting "
                "model was not trained for these classes, so that is what it is compared with)"
            )
            than = " than without a model"
        if self.word == "untested":
            said = f"Not told: {measured} on {images}, and one, or one group, is too few"
            return f"{said} to judge by."
        measured += f", {interval_of(change)}"
        said = {
            "better": f"Better{than}: on {images} {measured}.",
            "no different": f"No different{than} as far as {images} can tell: {measured}.",
            "worse": f"Worse{than}, do not use: on {images} {measured}.",
        }[self.word]
        return " ".join([said, *self._but()])

    def _but(self) -> Iterator[str]:
        """What is poor or unknown although the whole is not."""
        if self.word == "worse":
            return
        ious = {name: self.figures[f"IoU, {name}"] for name in self.judged}
        if self.constant is None:
            for name, change in ious.items():
                if change.word == "worse":
                    yield f"But {name!r} is found worse."
        if len(ious) > 1:
            least = min(ious, key=lambda name: ious[name].after)
            yield f"Least well found is {least!r}, IoU {format_figure(ious[least].after)}."
        missing = [repr(name) for name in self.classes if name not in ious]
        if missing:
            yield f"None of the images has {', '.join(missing)}, so nothing is told of that."

    def to_dict(self) -> dict[str, Any]:
        """Return verdict, figures and calibration as JSON-ready data."""
        table = class_reliability(self.after)
        return {
            "verdict": self.word,
            "sentence": self.sentence,
            "images": self.images,
            "compared_with": "the starting model"
            if self.constant is None
            else f"every pixel called {self.constant!r}",
            "overall": plain_difference(self.overall),
            "figures": {name: plain_difference(figure) for name, figure in self.figures.items()},
            "calibration": {
                name: round(value, 6)
                for name, value in reliability_data(table).items()
                if isinstance(value, float)
            },
        }

    def table(self) -> Table:
        """Return the figures, for a terminal."""
        table = Table(title=counted(self.images, "held-out image"), title_justify="left")
        first = "before" if self.constant is None else f"all {self.constant!r}"
        add_rows(table, (first, "after"), self.figures)
        return table


def judge_class_maps(
    after: Sam,
    examples: Sequence[Example],
    classes: Sequence[str],
    *,
    before: Sam | None = None,
    group: GroupOf | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ClassVerdict:
    """Compare maps of classes of images that the model has not seen with the truth.

    Parameters
    ----------
    after : Sam
        Trained for `classes`.
    examples : sequence of Example
        Their `class_ids` are indices into the `classes` that they come with, if they do (as those
        of `open_dataset`), and else into `classes`. Objects without ids are all of the first.
    classes : sequence of str
    before : Sam, optional
        Another model trained for the same classes. Without one the comparison is with the best
        map of a single class.
    group : callable, optional
        As to `anymask.training.verdict.judge`.
    seed : int
        Of the intervals.
    progress : Progress, optional

    Raises
    ------
    AnymaskError
        If none of the images has one of the classes, or the images come with other classes.
    """
    progress = progress or Progress()
    number_of = class_numbers(examples, classes)
    second = map_classes(after, examples, number_of, len(classes), "Classes", progress)
    present = [k for k in range(len(classes)) if any(record.true[k] for record in second)]
    if not present:
        raise FineTuneError(
            f"None of the {len(examples)} held-out images has one of the classes; give others."
        )
    constant = None
    if before is None:
        sets = {record.set_name for record in second}
        shares = [np.mean([r.true for r in second if r.set_name == name], 0) for name in sets]
        most = int(np.mean(shares, 0).argmax())
        constant, first = classes[most], [called(record, most) for record in second]
    else:
        first = map_classes(before, examples, number_of, len(classes), "Classes, before", progress)

    keys = [(record.set_name, record.image) for record in second]

    def compare(wanted: Sequence[int], measure: Callable[..., Figure]) -> Difference:
        pairs = []
        for members in drawn_together(keys, group).values():
            here = [k for k in wanted if any(second[i].true[k] for unit in members for i in unit)]
            if here:
                sums = [
                    _mean([measure(_sums(r, members, k)) for k in here]) for r in (first, second)
                ]
                pairs.append(Pair(len(members), *sums))
        return difference(pairs, seed)

    figures = {}
    for name, measure in (("IoU", _iou), ("Dice", _dice)):
        if len(present) > 1:
            figures[f"{name}, mean"] = compare(present, measure)
        figures |= {f"{name}, {classes[k]}": compare([k], measure) for k in present}
    return ClassVerdict(tuple(classes), figures, compare(present, _iou), constant, first, second)


def _sums(records: Sequence[ClassRecord], members: list[list[int]], k: int) -> Floats:
    """Overlap, answer and truth of a class, (3, units)."""
    return np.array(
        [
            [sum(getattr(records[i], name)[k] for i in unit) for unit in members]
            for name in ("overlap", "answered", "true")
        ]
    )


def _iou(sums: Floats) -> Figure:
    overlap, answered, true = sums
    return ratio(overlap, answered + true - overlap)


def _dice(sums: Floats) -> Figure:
    overlap, answered, true = sums
    return ratio(2 * overlap, answered + true)


def _mean(figures: Sequence[Figure]) -> Figure:
    """The mean of several figures, of those that a draw has something of."""

    def figure(draws: NDArray[np.int64]) -> Floats:
        values = np.array([of_class(draws) for of_class in figures])
        known = ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            mean: Floats = np.where(known, values, 0).sum(0) / known.sum(0)
        return mean

    return figure
