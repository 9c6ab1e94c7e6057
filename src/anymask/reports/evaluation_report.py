"""The figures of an evaluation: as JSON and as tables on a terminal; `pages` shows them in HTML.

Nothing in a report depends on when or how fast it was made: the same model, images and settings
give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from anymask.datasets.types import LeftOut, Skipped
from anymask.evaluation.baselines import BASELINES
from anymask.evaluation.everything import EverythingRecord, everything_figures
from anymask.evaluation.metrics import BOUNDARY_TOLERANCE
from anymask.evaluation.records import ObjectRecord, mean_over_sets, means_by_set
from anymask.reports.calibration import calibration_data, calibration_sentence
from anymask.reports.wording import (
    column_title,
    format_figure,
    model_facts_for_reading,
    printable,
)

Figures = dict[str, dict[str, float]]

MEAN = "mean over sets"
# At most this many unused files are named.
_FIRST = 10


@dataclass(frozen=True)
class Section:
    """One table: figures by set.

    Attributes
    ----------
    title : str
        One sentence.
    figures : dict
        By set, then by name.
    objects : dict
        Number of true masks by set.
    """

    title: str
    figures: Figures
    objects: Mapping[str, int]

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return list(dict.fromkeys(n for of_set in self.figures.values() for n in of_set))

    @property
    def means(self) -> dict[str, float]:
        """Mean over sets of each column."""
        return mean_over_sets(self.figures)

    def rows(self) -> list[list[str]]:
        """Return a row of cells for each set, and the row of means last."""
        rows = [
            [set_name, str(self.objects[set_name]), *_cells(self.names, figures)]
            for set_name, figures in self.figures.items()
        ]
        return [*rows, [MEAN, "", *_cells(self.names, self.means)]]


@dataclass(frozen=True)
class EvaluationReport:
    """Everything an evaluation measured.

    Attributes
    ----------
    model : dict
        What the model is: name, file, input size, dtype.
    settings : dict
        All options that the figures depend on.
    records : list of ObjectRecord
        Answers to clicks and boxes; empty if there were none.
    everything : list of EverythingRecord
        Masks found without prompts; empty if they were not looked for.
    unreadable : list of Skipped
        Images that could not be used; no figure includes them.
    unused : LeftOut
        Files of the data sets that belong to no example.
    """

    model: Mapping[str, Any]
    settings: Mapping[str, Any]
    records: Sequence[ObjectRecord] = field(default_factory=list)
    everything: Sequence[EverythingRecord] = field(default_factory=list)
    unreadable: Sequence[Skipped] = field(default_factory=list)
    unused: LeftOut = field(default_factory=LeftOut)

    @property
    def heading(self) -> str:
        """The measured model in one line: name, beginning of its hash, input size, dtype."""
        facts = model_facts_for_reading(self.model)
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Number of images and objects of each set that were prompted by clicks or boxes."""
        images: dict[str, set[str]] = {}
        objects: dict[str, int] = {}
        for record in self.records:
            images.setdefault(record.set_name, set()).add(record.image)
            objects[record.set_name] = objects.get(record.set_name, 0) + 1
        return {name: {"images": len(images[name]), "objects": objects[name]} for name in images}

    @property
    def sections(self) -> list[Section]:
        """The tables of figures by set, in the order in which they are read."""
        asked = {name: count["objects"] for name, count in self.counts.items()}
        labelled: dict[str, int] = {}
        for record in self.everything:
            count = record.overlaps.iou.shape[1]
            labelled[record.set_name] = labelled.get(record.set_name, 0) + count
        iou = _for_reading(means_by_set(self.records))
        model = {s: {n: v for n, v in f.items() if n not in BASELINES} for s, f in iou.items()}
        others = {s: {n: v for n, v in f.items() if n in BASELINES} for s, f in iou.items()}
        boundary = _for_reading(means_by_set(self.records, "boundary_f"))
        sections = [
            Section("Mean IoU of the model's masks, by prompt", model, asked),
            Section("Mean IoU on the same prompts without a network", others, asked),
            Section(
                f"Boundary F-score, tolerance {BOUNDARY_TOLERANCE:.2%} of the diagonal",
                boundary,
                asked,
            ),
            Section(
                "All masks of an image, found without prompts",
                everything_figures(self.everything),
                labelled,
            ),
        ]
        return [section for section in sections if section.names]

    @property
    def summary(self) -> dict[str, dict[str, float]]:
        """Mean over sets of "iou", "dice" and "boundary_f", by prompt or baseline."""
        means = {
            figure: mean_over_sets(_for_reading(means_by_set(self.records, figure)))
            for figure in ("iou", "dice", "boundary_f")
        }
        return {name: {f: means[f][name] for f in means} for name in means["iou"]}

    def summary_rows(self) -> list[list[str]]:
        """Return a row of cells for each prompt or baseline of the summary."""
        return [
            [column_title(name), *map(format_figure, figures.values())]
            for name, figures in self.summary.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but masks as JSON-ready data, None standing for NaN."""
        data: dict[str, Any] = {
            "model": dict(self.model),
            "settings": dict(self.settings),
            "counts": self.counts,
            "figures": {
                figure: _with_means(means_by_set(self.records, figure))
                for figure in ("iou", "dice", "boundary_f")
            },
            "everything": {
                **_with_means(everything_figures(self.everything)),
                "images": [_image_figures(record) for record in self.everything],
            },
            "calibration": calibration_data(self.records),
            "objects": [
                {
                    "set": record.set_name,
                    "image": record.image,
                    "index": record.index,
                    "size": record.size,
                    "area": record.area,
                    "box": record.box,
                    "click": record.click[:2],
                    "scores": {
                        name: {
                            "iou": given.iou,
                            "boundary_f": given.boundary_f,
                            "predicted_iou": given.predicted_iou,
                        }
                        for name, given in record.scores.items()
                    },
                }
                for record in self.records
            ],
            "unreadable": [
                {"set": u.set_name, "image": u.name, "file": str(u.image), "reason": u.reason}
                for u in self.unreadable
            ],
            "unused": {
                kind: {"count": len(paths), "first": [str(path) for path in paths[:_FIRST]]}
                for kind, paths in (
                    ("without_masks", self.unused.without_masks),
                    ("without_image", self.unused.without_image),
                )
            },
        }
        cleaned: dict[str, Any] = _json_ready(data)
        return cleaned

    def to_json(self) -> str:
        """Return `to_dict` as JSON text.

        File names that are not UTF-8 are written with JSON's escapes for surrogates, so reading
        the JSON gives the names as Python holds them.
        """
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        return printable(text)

    def tables(self) -> list[Table]:
        """Return tables for a terminal: IoU by set, means, calibration, images left out."""
        tables = [
            _rich_table(section)
            for section in self.sections
            if not section.title.startswith("Boundary")  # by set only where there is room
        ]
        if self.summary:
            tables.append(_rich_summary(self.summary_rows()))
        reliability = calibration_data(self.records)
        if reliability:
            tables.append(_rich_calibration(reliability))
        if self.unreadable:
            tables.append(_rich_unreadable(self.unreadable))
        return tables


def _for_reading(by_set: Figures) -> Figures:
    """Leave out even numbers of clicks but the last: 1, 3 and 5 show the curve well enough."""
    names = {name for figures in by_set.values() for name in figures}
    clicks = [int(n[5:]) for n in names if n.startswith("click") and n[5:].isdigit()]
    hidden = {f"click{n}" for n in clicks if n % 2 == 0 and n < max(clicks)}
    return {s: {n: v for n, v in f.items() if n not in hidden} for s, f in by_set.items()}


def _with_means(by_set: Figures) -> dict[str, Any]:
    return {"mean_over_sets": mean_over_sets(by_set), "by_set": by_set}


def _image_figures(record: EverythingRecord) -> dict[str, Any]:
    figures = dict(record.figures)
    masks, objects = record.overlaps.iou.shape
    del figures["masks_per_image"]
    return {
        "set": record.set_name,
        "image": record.image,
        "masks": masks,
        "objects": objects,
        **figures,
    }


def _json_ready(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(item) for item in value]
    if isinstance(value, float):
        # Six digits are enough; the last digits of a sum may differ between machines.
        return None if math.isnan(value) else round(value, 6)
    return value


def _rich_table(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left")
    table.add_column("Set")
    for heading in ("Objects", *map(column_title, section.names)):
        table.add_column(heading, justify="right")
    *rows, means = section.rows()
    for set_name, *cells in rows:
        table.add_row(Text(printable(set_name)), *cells)
    table.add_section()
    table.add_row(*means, style="bold")
    return table


def _rich_summary(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title="Means over sets", title_justify="left")
    table.add_column("Prompt or method")
    for heading in ("IoU", "Dice", "Boundary F"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _rich_calibration(data: Mapping[str, Any]) -> Table:
    table = Table(title=calibration_sentence(data), title_justify="left")
    for heading in ("Predicted IoU", "Masks", "Mean predicted", "Mean true"):
        table.add_column(heading, justify="right")
    for row in data["bins"]:
        if row["masks"]:
            table.add_row(
                f"{row['from']:.1f} – {row['to']:.1f}",
                str(row["masks"]),
                format_figure(row["predicted"]),
                format_figure(row["true"]),
            )
    return table


def _rich_unreadable(unreadable: Sequence[Skipped]) -> Table:
    table = Table(title="Left out of all figures, because it cannot be used", title_justify="left")
    table.add_column("Image", overflow="fold")
    table.add_column("Reason", overflow="fold")
    for each in unreadable:
        table.add_row(*(Text(printable(t)) for t in (f"{each.set_name}/{each.name}", each.reason)))
    return table


def _cells(names: Sequence[str], figures: Mapping[str, float]) -> list[str]:
    return [format_figure(figures.get(name)) for name in names]
