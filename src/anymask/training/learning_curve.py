"""Learning curve: the same fine-tuning with fewer images, judged on the same held-out images.

The subsets are nested: a larger one contains every smaller one. Smaller subsets are trained for
more epochs, up to `MOST_EPOCHS` times as many. Otherwise they would also get fewer updates, and the
curve would show the effect of the updates rather than of the images.
"""

from __future__ import annotations

import copy
import csv
import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from anymask.checkpoints.loading import load
from anymask.datasets.dataset import Dataset
from anymask.datasets.types import Example
from anymask.evaluation.compare import Difference, compare_objects
from anymask.evaluation.protocols import evaluate_interactive
from anymask.evaluation.records import ObjectRecord
from anymask.files import whole_file
from anymask.model.sam import Sam
from anymask.reports.verdict import PROMPTED
from anymask.reports.wording import column_title, format_figure, gain_cells, gain_in_words
from anymask.training.finetune.finetune_results import FineTuned
from anymask.training.finetune.loop import finetune
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.settings import FineTuneError, settings_of
from anymask.training.held_out import MOST_OBJECTS, deciding_prompts
from anymask.training.judging import Model, group_of

ALL = "all"
MOST_EPOCHS = 5
CSV, PNG, FOLDER = "learning_curve.csv", "learning_curve.png", "learning_curve"


@dataclass(frozen=True, eq=False)
class Point:
    """Figures for one number of training images.

    Attributes
    ----------
    images, epochs : int
        0 for the model before training.
    figures : dict of str to Difference
        "box", "click1_predicted", "click3", "click5" and "overall", the mean over the trained
        prompts; each compared with the model before training.
    records : list of ObjectRecord
    """

    images: int
    epochs: int
    figures: dict[str, Difference]
    records: Sequence[ObjectRecord]


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Figures by number of training images.

    Attributes
    ----------
    points : tuple of Point
        From no images to all images.
    last_step : Difference
        Gain from the second last point to the last.
    """

    points: tuple[Point, ...]
    last_step: Difference

    @property
    def sentence(self) -> str:
        """One sentence on whether more images are likely to help."""
        fewer, most = (point.images for point in self.points[-2:])
        step = self.last_step
        said = f"from {fewer} to {most} images the mean IoU changed by {gain_in_words(step)}"
        if step.word == "untested":
            return f"Cannot tell whether more images help: {said}, measured on one image only."
        if step.word == "better":
            return f"More images still help: {said}."
        return f"More images like these may help little: {said}."

    def rows(self) -> list[dict[str, Any]]:
        """One row per point: images, epochs, IoU by prompt, and the gain with its interval."""
        return [
            {
                "images": point.images,
                "epochs": point.epochs,
                **{name: change.after for name, change in point.figures.items()},
                "gain": point.figures["overall"].mean,
                "low": point.figures["overall"].low,
                "high": point.figures["overall"].high,
            }
            for point in self.points
        ]

    def table(self) -> Table:
        """Return the curve as a table for the terminal."""
        table = Table(title="Mean IoU by number of training images", title_justify="left")
        for heading in ("Images", "Box", "1 click", "3 clicks", "5 clicks", "Gain", "95% interval"):
            table.add_column(heading, justify="right", no_wrap=True)
        for point in self.points:
            cells = [format_figure(point.figures[name].after) for name in PROMPTED]
            rest = gain_cells(point.figures["overall"]) if point.images else ("before", "")
            table.add_row(str(point.images), *cells, *rest)
        return table

    def write(self, folder: Path) -> None:
        """Write `learning_curve.csv` and `learning_curve.png`.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        text = io.StringIO()
        rows = self.rows()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            plain = {k: v if isinstance(v, int) else f"{v:.6g}" for k, v in row.items()}
            writer.writerow({k: "" if v == "nan" else v for k, v in plain.items()})
        with whole_file(folder / CSV) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")
        _draw(self, folder / PNG)


def parse_counts(text: str) -> list[int | None]:
    """Parse numbers of images; None stands for all.

    Raises
    ------
    FineTuneError
        If an entry is neither a number above 0 nor "all".

    Examples
    --------
    >>> parse_counts("20,5,10,all")
    [5, 10, 20, None]
    """
    numbers: set[int] = set()
    for part in filter(None, (p.strip() for p in text.split(","))):
        if part != ALL and not (part.isdecimal() and int(part) > 0):
            raise FineTuneError(
                f"{part!r} is not a number of images for a learning curve; give numbers and 'all', "
                "such as 5,10,20,all."
            )
        numbers |= set() if part == ALL else {int(part)}
    return [*sorted(numbers), None]


def nested_subsets(total: int, counts: Sequence[int], seed: int) -> list[list[int]]:
    """Indices of nested subsets of the given sizes, out of `total` images.

    Examples
    --------
    >>> small, large = nested_subsets(9, [2, 5], seed=0)
    >>> len(small), len(large), set(small) <= set(large)
    (2, 5, True)
    """
    order = list(range(total))
    random.Random(seed).shuffle(order)
    return [sorted(order[:count]) for count in counts]


def learning_curve(
    tuned: FineTuned,
    model: Model,
    counts: Sequence[int | None],
    *,
    group: str | None = None,
    resume: bool = False,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> LearningCurve:
    """Repeat a fine-tuning with fewer images, and judge each on the images it held out.

    Models are written to `learning_curve/N` in its folder, next to `learning_curve.csv` and `.png`.

    Parameters
    ----------
    tuned : FineTuned
        The fine-tuning with all images.
    model : str, path, Sam or None
        The model it started from.
    counts : sequence of int or None
        Numbers of images; None, and numbers at or above the total, stand for `tuned` itself.
    group, device, dtype, cache_dir, progress
        As for `finetune`.
    resume : bool
        Continue what is in `learning_curve/N`.
    **options
        The options of `tuned`: any attribute of `Settings`.

    Raises
    ------
    FineTuneError
        If no number is below the total, or the model was trained for classes of pixels.
    """
    settings, progress = settings_of(options), progress or Progress()
    if settings.semantic:
        raise FineTuneError("A learning curve needs a model of objects, not of classes of pixels.")
    total = len(tuned.train)
    numbers = sorted({count for count in counts if count is not None and count < total})
    if not numbers:
        raise FineTuneError(
            f"There are {total} training images, so a learning curve needs a smaller number."
        )
    before = model if isinstance(model, Sam) else load(model, device=device, dtype=dtype)
    asked = _answers(before, tuned.held_out, "Before", progress)
    trained = deciding_prompts(settings.prompts)
    of_image = group_of(tuned.held_out, group)

    def change(first: Sequence[ObjectRecord], second: Sequence[ObjectRecord]) -> Difference:
        return compare_objects(first, second, trained, group=of_image, seed=settings.seed)

    def point(images: int, epochs: int, records: Sequence[ObjectRecord]) -> Point:
        figures = {
            name: compare_objects(asked, records, [name], group=of_image, seed=settings.seed)
            for name in PROMPTED
        }
        return Point(images, epochs, {**figures, "overall": change(asked, records)}, records)

    points = [point(0, 0, asked)]
    for count, indices in zip(numbers, nested_subsets(total, numbers, settings.seed), strict=True):
        progress.say(f"Learning curve: {count} of {total} images.")
        epochs = min(MOST_EPOCHS * settings.epochs, math.ceil(settings.epochs * total / count))
        fewer = finetune(
            model,
            _subset(tuned.train, indices),
            tuned.folder / FOLDER / str(count),
            validation=tuned.held_out,
            resume=resume,
            device=device,
            dtype=dtype,
            cache_dir=cache_dir,
            progress=progress,
            **{**options, "epochs": epochs},
        )
        records = _answers(_as(fewer.sam, before), tuned.held_out, f"{count} images", progress)
        points.append(point(count, len(fewer.history) - 1, records))
    records = _answers(_as(tuned.sam, before), tuned.held_out, f"{total} images", progress)
    points.append(point(total, len(tuned.history) - 1, records))
    curve = LearningCurve(tuple(points), change(points[-2].records, records))
    curve.write(tuned.folder)
    return curve


def _answers(
    sam: Sam, examples: Sequence[Example], what: str, progress: Progress
) -> list[ObjectRecord]:
    progress.begin(f"Clicks and boxes, {what}", len(examples))
    records: list[ObjectRecord] = []
    for index in range(len(examples)):
        records += evaluate_interactive(
            sam, [examples[index]], clicks=5, max_objects=MOST_OBJECTS, boundary=()
        )
        progress.advance()
    progress.end()
    return records


def _as(sam: Sam, other: Sam) -> Sam:
    """Copy a model to the device and dtype of another."""
    return copy.deepcopy(sam).to(other.device, other.dtype)


def _subset(examples: Sequence[Example], indices: Sequence[int]) -> Sequence[Example]:
    if isinstance(examples, Dataset):
        return examples.subset(indices)
    return [examples[i] for i in indices]


def _draw(curve: LearningCurve, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    rows = curve.rows()
    images = [row["images"] for row in rows]
    for number, name in enumerate(PROMPTED):
        axis.plot(
            images, [row[name] for row in rows], ".-", color=f"C{number}", label=column_title(name)
        )
    mean = [row["overall"] for row in rows]
    known = [row for row in rows[1:] if not math.isnan(row["low"])]
    axis.plot(images, mean, color="black", linewidth=2, label="mean over trained prompts")
    if known:
        base = rows[0]["overall"]
        at = [row["overall"] for row in known]
        lower = [max(0.0, v - base - row["low"]) for v, row in zip(at, known, strict=True)]
        upper = [max(0.0, row["high"] - (v - base)) for v, row in zip(at, known, strict=True)]
        axis.errorbar(
            [row["images"] for row in known],
            at,
            yerr=[lower, upper],
            fmt="none",
            ecolor="black",
            capsize=4,
            label="95% interval of the gain",
        )
    axis.set_xlabel("training images (0: before)")
    axis.set_ylabel("mean IoU on held-out images")
    axis.set_xticks(images)
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small")
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=100)
