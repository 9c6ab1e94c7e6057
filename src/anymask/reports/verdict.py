"""Whether a fine-tuned model is better: the figures, their intervals, and a sentence.

There are two kinds of verdict: on objects, found by prompts and without, and on classes of pixels.
In both, one figure decides, and the model is better or worse if the whole 95% interval of that
figure's difference lies on one side of zero. `training.held_out` makes verdicts; `pages` shows them
in HTML.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from anymask.evaluation.class_maps import ClassMapRecord, class_reliability
from anymask.evaluation.compare import Difference, Word
from anymask.evaluation.everything import EverythingRecord
from anymask.evaluation.records import ObjectRecord
from anymask.reports.calibration import calibration_data, calibration_summary, reliability_data
from anymask.reports.wording import (
    change_cells,
    change_in_words,
    column_title,
    format_figure,
    gain_in_words,
)
from anymask.wording import counted

CLICKS = ("click1_predicted", "click3", "click5")
PROMPTED = ("box", *CLICKS)
"""Figures of a verdict on objects that are IoUs of answers to prompts."""
UNPROMPTED = ("ap50", "ap75", "f1_50")
"""Figures of a verdict on objects that were found without prompts."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Verdict(ABC):
    """Two models, or a model and a trivial answer, compared on the same images.

    Attributes
    ----------
    figures : dict of str to Difference
    overall : Difference
        The figure that decides.
    """

    figures: dict[str, Difference]
    overall: Difference

    @property
    def word(self) -> Word:
        """The verdict: "better", "no different", "worse", or "untested" with a single image."""
        return self.overall.word

    @property
    def sentence(self) -> str:
        """The verdict in words: whether to use the model, by which figures, and what is worse."""
        images = counted(self.images, "held-out image")
        measured, than = self._measured(), self._than
        said = {
            "better": f"Better{than}: on {images} {measured}.",
            "no different": f"No different{than} as far as {images} can tell: {measured}.",
            "worse": f"Worse{than}, do not use: on {images} {measured}.",
            "untested": f"Cannot tell: {measured} on {images}, and one image, or one group of "
            "images, is too few to judge by.",
        }[self.word]
        return " ".join([said, *self._remarks()])

    @property
    @abstractmethod
    def images(self) -> int:
        """Number of images that the verdict rests on."""

    @property
    @abstractmethod
    def deciding(self) -> str:
        """Name of the figure that decides, within a sentence."""

    @property
    def models(self) -> tuple[str, str]:
        """What the compared models are called in a table."""
        return "before", "after"

    @abstractmethod
    def label(self, name: str) -> str:
        """Return what a figure is called in a table."""

    @abstractmethod
    def groups(self) -> list[dict[str, Difference]]:
        """Return the figures by their labels, in groups that share a scale."""

    @abstractmethod
    def calibration(self) -> dict[str, dict[str, Any]]:
        """Return predicted against true IoU, by what the compared models are called."""

    def rows(self) -> list[list[str]]:
        """Return a row of cells for each figure: label, before, after, difference, interval."""
        return [[self.label(name), *change_cells(c)] for name, c in self.figures.items()]

    def table(self) -> Table:
        """Return the figures as a table for a terminal."""
        table = Table(title=counted(self.images, "held-out image"), title_justify="left")
        for heading in ("", *self.models, "difference", "95% interval"):
            table.add_column(heading, justify="right" if heading else "left")
        ends = {list(group)[-1] for group in self.groups()}
        for row, name in zip(self.rows(), self.figures, strict=True):
            table.add_row(*row, end_section=self.label(name) in ends)
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return verdict, figures and calibration as JSON-ready data."""
        return {
            "verdict": self.word,
            "sentence": self.sentence,
            "images": self.images,
            "overall": self.overall.to_dict(),
            "figures": {name: figure.to_dict() for name, figure in self.figures.items()},
        }

    @property
    def _than(self) -> str:
        """What the model is better than, if that is no model."""
        return ""

    @abstractmethod
    def _measured(self) -> str:
        """Return what became of the deciding figure, in words."""

    @abstractmethod
    def _remarks(self) -> Iterator[str]:
        """Yield sentences on what the deciding figure does not show."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ObjectVerdict(Verdict):
    """Whether a model finds objects better.

    The figures are `PROMPTED` and, unless left out, `UNPROMPTED`.

    Attributes
    ----------
    figures, overall
        As in `Verdict`; the mean IoU over the prompts that were trained decides.
    trained : tuple of str
        Names of these prompts' figures.
    before, after : list of ObjectRecord
        With the masks that pages show.
    everything : tuple of lists of EverythingRecord
        Before and after; of fewer images, or empty.
    tuned : bool
        The two models have different thresholds of "everything".
    """

    trained: tuple[str, ...]
    before: Sequence[ObjectRecord]
    after: Sequence[ObjectRecord]
    everything: tuple[Sequence[EverythingRecord], Sequence[EverythingRecord]] = ((), ())
    tuned: bool = False

    @property
    def images(self) -> int:
        return len({(record.set_name, record.image) for record in self.after})

    @property
    def deciding(self) -> str:
        asked = {PROMPTED: "by box and clicks", ("box",): "by box"}
        return f"mean IoU {asked.get(self.trained, 'by clicks')}"

    def label(self, name: str) -> str:
        title = column_title(name)
        return f"IoU, {title.lower()}" if name in PROMPTED else title

    def groups(self) -> list[dict[str, Difference]]:
        groups = [
            {self.label(name): self.figures[name] for name in names if name in self.figures}
            for names in (PROMPTED, UNPROMPTED)
        ]
        return [group for group in groups if group]

    def calibration(self) -> dict[str, dict[str, Any]]:
        tables = zip(self.models, map(calibration_data, (self.before, self.after)), strict=True)
        return {name: data for name, data in tables if data}

    def to_dict(self) -> dict[str, Any]:
        data = self.calibration()
        return {
            **super().to_dict(),
            "objects": len(self.after),
            "images_of_everything": len(self.everything[1]),
            "decided_by": list(self.trained),
            "calibration": {name: calibration_summary(data.get(name, {})) for name in self.models},
        }

    def _measured(self) -> str:
        return f"the {self.deciding} {change_in_words(self.overall)}"

    def _remarks(self) -> Iterator[str]:
        if self.word in ("worse", "untested"):
            return
        for name in PROMPTED:
            if self.figures[name].word == "worse":
                yield f"But by {column_title(name).lower()} it is worse."
        found = self.figures.get("f1_50")
        if found is not None and found.word == "worse":
            advice = "" if self.tuned else "; 'anymask tune' fits its thresholds"
            yield f"But 'everything' is worse: F1 at IoU .5 {change_in_words(found)}{advice}."


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassVerdict(Verdict):
    """Whether a model maps classes of pixels better.

    The figures are "IoU, leaf", "Dice, leaf" and so on for the classes that are in the images, and
    if these are several "IoU, mean" and "Dice, mean".

    Attributes
    ----------
    figures, overall
        As in `Verdict`; the mean IoU over the classes that are in the images decides.
    classes : tuple of str
        All classes that the model was trained for.
    constant : str or None
        The class that "before" gives to every pixel; None if "before" is the starting model.
    before, after : sequences of ClassMapRecord
    numbers : mapping
        From the class ids of the images to indices into `classes`; see `class_numbers`.
    """

    classes: tuple[str, ...]
    constant: str | None
    before: Sequence[ClassMapRecord]
    after: Sequence[ClassMapRecord]
    numbers: Mapping[int, int] = field(default_factory=dict)

    @property
    def images(self) -> int:
        return len(self.after)

    @property
    def judged(self) -> list[str]:
        """The classes that are in the images."""
        return [name for name in self.classes if f"IoU, {name}" in self.figures]

    @property
    def deciding(self) -> str:
        several = len(self.judged) > 1
        return f"mean IoU of {len(self.judged)} classes" if several else f"IoU of {self.judged[0]}"

    @property
    def models(self) -> tuple[str, str]:
        return "before" if self.constant is None else f"all {self.constant!r}", "after"

    def label(self, name: str) -> str:
        return name

    def groups(self) -> list[dict[str, Difference]]:
        return [self.figures]

    def calibration(self) -> dict[str, dict[str, Any]]:
        return {"after": reliability_data(class_reliability(self.after))}

    def to_dict(self) -> dict[str, Any]:
        constant = self.constant
        return {
            **super().to_dict(),
            "compared_with": "the starting model"
            if constant is None
            else f"every pixel called {constant!r}",
            "calibration": calibration_summary(self.calibration()["after"]),
        }

    @property
    def _than(self) -> str:
        return "" if self.constant is None else " than without a model"

    def _measured(self) -> str:
        if self.constant is None:
            return f"the {self.deciding} {change_in_words(self.overall)}"
        before, after = format_figure(self.overall.before), format_figure(self.overall.after)
        return (
            f"the {self.deciding} is {after}, against {before} if every pixel is called "
            f"{self.constant!r} ({gain_in_words(self.overall)})"
        )

    def _remarks(self) -> Iterator[str]:
        if self.constant is not None:
            yield "The starting model was not trained for these classes, so it has no figures."
        if self.word in ("worse", "untested"):
            return
        ious = {name: self.figures[f"IoU, {name}"] for name in self.judged}
        if self.constant is None:
            for name, change in ious.items():
                if change.word == "worse":
                    yield f"But {name!r} is found worse."
        if len(ious) > 1:
            least = min(ious, key=lambda name: ious[name].after)
            yield f"The lowest IoU is that of {least!r}, {format_figure(ious[least].after)}."
        missing = [repr(name) for name in self.classes if name not in ious]
        if missing:
            yield f"None of the images has {', '.join(missing)}, so that is not judged."
