"""Whether a fine-tuned model is better: both models asked for the same objects of held-out images.

By box and by clicks, and without prompts; each figure with the interval of its difference. One
figure decides: the mean IoU over the prompts that were trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from anymask.datasets.sampling import spread
from anymask.datasets.types import Example
from anymask.evaluation.compare import (
    Difference,
    GroupOf,
    Word,
    compare_everything,
    compare_objects,
)
from anymask.evaluation.everything import EverythingRecord, evaluate_everything
from anymask.evaluation.html import PICTURED
from anymask.evaluation.protocols import evaluate_interactive
from anymask.evaluation.records import ObjectRecord
from anymask.evaluation.report import calibration_data, column_title, format_figure
from anymask.model.sam import Sam
from anymask.predict.everything.generator import SamAutomaticMaskGenerator
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.settings import FineTuneError

CLICKS = ("click1_predicted", "click3", "click5")
PROMPTED = ("box", *CLICKS)
UNPROMPTED = ("ap50", "ap75", "f1_50")

MOST_OBJECTS = 5
"""Objects that are asked for in an image, evenly spread over all by area."""
MOST_IMAGES = 12
"""Images in which all objects are looked for, by both models: that takes long."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What two models did on the same images.

    Attributes
    ----------
    figures : dict of str to Difference
        "box", "click1_predicted", "click3", "click5", and unless left out "ap50", "ap75" and
        "f1_50" of the masks found without prompts.
    overall : Difference
        Mean IoU over the prompts that were trained; it decides.
    trained : tuple of str
        The names of these.
    before, after : list of ObjectRecord
        With the masks of `PICTURED`.
    everything : tuple of lists of EverythingRecord
        Before and after; of fewer images, or empty.
    tuned : bool
        The two have different thresholds of "everything".
    """

    figures: dict[str, Difference]
    overall: Difference
    trained: tuple[str, ...]
    before: Sequence[ObjectRecord]
    after: Sequence[ObjectRecord]
    everything: tuple[Sequence[EverythingRecord], Sequence[EverythingRecord]]
    tuned: bool = False

    @property
    def word(self) -> Word:
        """The verdict: "better", "no different", "worse", or "untested" with a single image."""
        return self.overall.word

    @property
    def images(self) -> int:
        """How many images had objects to ask for."""
        return len({(r.set_name, r.image) for r in self.after})

    @property
    def sentence(self) -> str:
        """The verdict for people: whether to use the model, by what figures, and what is worse."""
        change = self.overall
        images = counted(self.images, "held-out image")
        measured = (
            f"the mean IoU {asked(self.trained)} goes from {format_figure(change.before)} to "
            f"{format_figure(change.after)}"
        )
        if self.word == "untested":
            return (
                f"Not told: {measured} on {images}, and one, or one group, is too few to judge by."
            )
        measured += f" ({interval_of(change)})"
        said = {
            "better": f"Better: on {images} {measured}.",
            "no different": f"No different as far as {images} can tell: {measured}.",
            "worse": f"Worse, do not use: on {images} {measured}.",
        }[self.word]
        return " ".join([said, *self._but()])

    def _but(self) -> Iterator[str]:
        """What is worse although the whole is not."""
        if self.word == "worse":
            return
        for name in PROMPTED:
            if self.figures[name].word == "worse":
                yield f"But by {column_title(name).lower()} it is worse."
        found = self.figures.get("f1_50")
        if found is not None and found.word == "worse":
            advice = "" if self.tuned else "; 'anymask tune' fits its thresholds"
            yield (
                f"But 'everything' is worse: F1 at IoU .5 goes from {format_figure(found.before)} "
                f"to {format_figure(found.after)}{advice}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return verdict, figures and calibration as JSON-ready data."""
        return {
            "verdict": self.word,
            "sentence": self.sentence,
            "images": self.images,
            "objects": len(self.after),
            "images_of_everything": len(self.everything[1]),
            "decided_by": list(self.trained),
            "overall": plain_difference(self.overall),
            "figures": {name: plain_difference(figure) for name, figure in self.figures.items()},
            "calibration": {
                when: {k: round(v, 6) for k, v in calibration_data(records).items() if _is(k)}
                for when, records in (("before", self.before), ("after", self.after))
            },
        }

    def table(self) -> Table:
        """Return figures before and after, for a terminal."""
        table = Table(title=counted(self.images, "held-out image"), title_justify="left")
        add_rows(table, ("before", "after"), self.figures)
        return table


def judge(
    before: Sam,
    after: Sam,
    examples: Sequence[Example],
    *,
    prompts: Sequence[str] = ("box", "point"),
    everything: int = MOST_IMAGES,
    max_objects: int | None = MOST_OBJECTS,
    group: GroupOf | None = None,
    seed: int = 0,
    points_per_side: int = 32,
    progress: Progress | None = None,
) -> Verdict:
    """Compare two models on images that neither has seen.

    Parameters
    ----------
    before, after : Sam
    examples : sequence of Example
    prompts : sequence of str
        What was trained and therefore decides: "box", "point" or both.
    everything : int
        At most so many images, evenly spread, in which all objects are looked for without
        prompts; 0 for none.
    max_objects : int or None
        At most so many objects an image are asked for, evenly spread by area.
    group : callable, optional
        From the names of set and image to what belongs together, such as the patient; by default
        each image is on its own.
    seed : int
        Of the intervals.
    points_per_side : int
        Of the grid, where all objects are looked for.
    progress : Progress, optional

    Raises
    ------
    FineTuneError
        If no image has an object.
    """
    progress = progress or Progress()
    answers = []
    for sam, which in ((before, "before"), (after, "after")):
        seen = watched(examples, f"Clicks and boxes, {which}", progress)
        records = evaluate_interactive(
            sam, seen, clicks=5, max_objects=max_objects, boundary=(), keep_masks=PICTURED
        )
        answers.append(records)
    if not answers[0]:
        raise FineTuneError(
            f"None of the {len(examples)} held-out images has an object to ask for."
        )
    found = _find_all(before, after, examples, everything, points_per_side, progress)
    first, second = answers
    figures = {n: compare_objects(first, second, [n], group=group, seed=seed) for n in PROMPTED}
    if found[0]:
        for name in UNPROMPTED:
            figures[name] = compare_everything(*found, name, group=group, seed=seed)
    trained = (("box",) if "box" in prompts else ()) + (CLICKS if "point" in prompts else ())
    overall = compare_objects(first, second, trained, group=group, seed=seed)
    tuned = before.config.everything != after.config.everything
    return Verdict(figures, overall, trained, first, second, found, tuned)


def _find_all(
    before: Sam,
    after: Sam,
    examples: Sequence[Example],
    most: int,
    points_per_side: int,
    progress: Progress,
) -> tuple[list[EverythingRecord], list[EverythingRecord]]:
    if not most:
        return [], []
    chosen = [examples[i] for i in spread(len(examples), most)]
    found = []
    for sam, which in ((before, "before"), (after, "after")):
        seen = watched(chosen, f"Everything, {which}", progress)
        generator = SamAutomaticMaskGenerator(sam, points_per_side=points_per_side)
        found.append(evaluate_everything(generator.generate_masks, seen))
    return found[0], found[1]


def watched(examples: Sequence[Example], what: str, progress: Progress) -> Iterator[Example]:
    """The examples one by one, with progress told."""
    progress.begin(what, len(examples))
    for index in range(len(examples)):
        yield examples[index]
        progress.advance()
    progress.end()


def add_rows(table: Table, models: Sequence[str], figures: Mapping[str, Difference]) -> None:
    """Fill a table for a terminal: a line a figure, for two models and their difference."""
    for heading in ("", *models, "difference", "95% interval"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, change in figures.items():
        if name == UNPROMPTED[0]:
            table.add_section()
        table.add_row(label_of(name), *cells_of(change))


def label_of(name: str) -> str:
    """What a figure is called in a table."""
    return f"IoU, {column_title(name).lower()}" if name in PROMPTED else column_title(name)


def cells_of(change: Difference) -> list[str]:
    """A figure's cells: before, after, difference and interval."""
    interval = "–" if math.isnan(change.low) else f"{change.low:+.3f} to {change.high:+.3f}"
    values = [format_figure(change.before), format_figure(change.after)]
    return [*values, f"{change.mean:+.3f}", interval]


def interval_of(change: Difference) -> str:
    """A difference with its interval, in words."""
    return f"{change.mean:+.3f}, 95% interval {change.low:+.3f} to {change.high:+.3f}"


def asked(trained: Sequence[str]) -> str:
    """What was trained, in words."""
    if trained == PROMPTED:
        return "by box and clicks"
    return "by box" if trained == ("box",) else "by clicks"


def counted(number: int, what: str) -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "image"), counted(3, "image")
    ('1 image', '3 images')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def plain_difference(change: Difference) -> dict[str, float | None]:
    """A difference as JSON-ready data, None standing for NaN."""
    values = {
        "before": change.before,
        "after": change.after,
        "difference": change.mean,
        "low": change.low,
        "high": change.high,
    }
    return {name: None if math.isnan(v) else round(v, 6) for name, v in values.items()}


def _is(name: str) -> bool:
    return name in ("expected_calibration_error", "mean_absolute_error", "bias")
