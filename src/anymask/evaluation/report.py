"""The figures of an evaluation, gathered: as JSON, as tables on a terminal.

Nothing in a report depends on when or how fast it was made, so that the same model, images and
settings give the same bytes. `html` writes the same for a browser, with pictures.
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
from anymask.evaluation.metrics import BOUNDARY_TOLERANCE, Reliability
from anymask.evaluation.protocols import calibration, calibration_by_set
from anymask.evaluation.records import ObjectRecord, mean_over_sets, means_by_set
from anymask.evaluation.wording import model_facts_for_reading, printable

Figures = dict[str, dict[str, float]]

TITLES = {
    "click1_single": "1 click",
    "click1_predicted": "1 click, own best of 3",
    "click1_oracle": "1 click, true best of 3",
    "box": "Box",
    "filled_box": "Box filled",
    "ellipse": "Ellipse in the box",
    "grabcut_box": "GrabCut, box",
    "grabcut_click": "GrabCut, click",
    "flood_fill": "Flood fill",
    "random_walker": "Random walker",
    "average_recall": "AR@1000",
    "ap50": "AP .5",
    "ap75": "AP .75",
    "mean_best_overlap": "Mean best overlap",
    "f1_50": "F1 at .5",
    "masks_per_image": "Masks an image",
}
"""What the names of scores and figures are called for readers."""

MEAN = "mean over sets"
# Of files that are no example, so many are named.
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
        How many true masks of each set the figures are about.
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


@dataclass(frozen=True)
class Report:
    """All that an evaluation found.

    Attributes
    ----------
    model : dict
        What the model is: name, file, input size, dtype.
    settings : dict
        What it was asked, such that the same settings give the same figures.
    records : list of ObjectRecord
        Empty if neither clicks nor boxes were asked.
    everything : list of EverythingRecord
        Empty if whole images were not asked.
    unreadable : list of Skipped
        Images that could not be used; they are in no figure.
    unused : LeftOut
        Files of the data sets that are no example.
    """

    model: Mapping[str, Any]
    settings: Mapping[str, Any]
    records: Sequence[ObjectRecord] = field(default_factory=list)
    everything: Sequence[EverythingRecord] = field(default_factory=list)
    unreadable: Sequence[Skipped] = field(default_factory=list)
    unused: LeftOut = field(default_factory=LeftOut)

    @property
    def heading(self) -> str:
        """One line on what was measured: the model, the beginning of its hash, size, dtype."""
        facts = model_facts_for_reading(self.model)
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Images and objects of each set that were asked for by clicks or boxes."""
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
        """Return `to_dict` as text.

        Names of files that are not UTF-8 stand in it as JSON's own escapes of what Python calls
        surrogates, and are read back as Python had them.
        """
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        return printable(text)

    def tables(self) -> list[Table]:
        """Return tables for a terminal: IoU by set, means of all, calibration, what failed."""
        tables = [
            _rich_table(section)
            for section in self.sections
            if not section.title.startswith("Boundary")  # by set only where there is room
        ]
        if self.summary:
            tables.append(_rich_summary(self.summary))
        reliability = calibration_data(self.records)
        if reliability:
            tables.append(_rich_calibration(reliability))
        if self.unreadable:
            tables.append(_rich_unreadable(self.unreadable))
        return tables


def column_title(name: str) -> str:
    """What a score is called.

    Examples
    --------
    >>> column_title("click5"), column_title("box")
    ('5 clicks', 'Box')
    """
    if name.removeprefix("click").isdigit():
        return f"{name.removeprefix('click')} clicks"
    return TITLES.get(name, name)


def _for_reading(by_set: Figures) -> Figures:
    """Without even numbers of clicks, unless the last: the curve is told by 1, 3, 5."""
    names = {name for figures in by_set.values() for name in figures}
    clicks = [int(n[5:]) for n in names if n.startswith("click") and n[5:].isdigit()]
    hidden = {f"click{n}" for n in clicks if n % 2 == 0 and n < max(clicks)}
    return {s: {n: v for n, v in f.items() if n not in hidden} for s, f in by_set.items()}


def _with_means(by_set: Figures) -> dict[str, Any]:
    return {"mean_over_sets": mean_over_sets(by_set), "by_set": by_set}


def calibration_data(records: Sequence[ObjectRecord]) -> dict[str, Any]:
    """The reliability table as plain data; nothing if no answer predicts its IoU.

    The table is of all answers, every set weighing the same. The expected calibration error is
    the mean over sets of that within each: in the table too high on one set makes up for too low
    on another.
    """
    by_set = calibration_by_set(records)
    if not by_set:
        return {}
    errors = {name: table.expected_error for name, table in by_set.items()}
    return {
        **reliability_data(calibration(records)),
        "expected_calibration_error": sum(errors.values()) / len(errors),
        "error_by_set": errors,
        "bias_by_set": {name: table.bias for name, table in by_set.items()},
    }


def reliability_data(table: Reliability) -> dict[str, Any]:
    """A reliability table as plain data."""
    return {
        "expected_calibration_error": table.expected_error,
        "mean_absolute_error": table.absolute_error,
        "bias": table.bias,
        "bins": [
            {
                "from": float(table.edges[i]),
                "to": float(table.edges[i + 1]),
                "masks": int(table.count[i]),
                "predicted": float(table.predicted[i]),
                "true": float(table.true[i]),
            }
            for i in range(len(table.count))
        ],
    }


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
        # Six digits say all; the last ones of a sum may differ between machines.
        return None if math.isnan(value) else round(value, 6)
    return value


def _rich_table(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left")
    table.add_column("Set")
    table.add_column("Objects", justify="right")
    for name in section.names:
        table.add_column(column_title(name), justify="right")
    for set_name, figures in section.figures.items():
        objects = str(section.objects[set_name])
        table.add_row(Text(printable(set_name)), objects, *_cells(section.names, figures))
    table.add_section()
    table.add_row(MEAN, "", *_cells(section.names, section.means), style="bold")
    return table


def _rich_summary(summary: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title="Means over sets", title_justify="left")
    table.add_column("Prompt or method")
    for heading in ("IoU", "Dice", "Boundary F"):
        table.add_column(heading, justify="right")
    for name, figures in summary.items():
        table.add_row(column_title(name), *(format_figure(value) for value in figures.values()))
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
    table = Table(title="Left out of all figures, as it cannot be used", title_justify="left")
    table.add_column("Image", overflow="fold")
    table.add_column("Reason", overflow="fold")
    for each in unreadable:
        table.add_row(*(Text(printable(t)) for t in (f"{each.set_name}/{each.name}", each.reason)))
    return table


def calibration_sentence(data: Mapping[str, Any]) -> str:
    """One sentence on how predicted IoU compares with true IoU."""
    of_several = " (mean over sets)" if len(data.get("error_by_set", ())) > 1 else ""
    return (
        f"Predicted against true IoU: expected calibration error "
        f"{data['expected_calibration_error']:.3f}{of_several}, bias {data['bias']:+.3f}"
    )


def format_figure(value: float | None) -> str:
    """Three digits after the point for shares, one for counts above 1, a dash for none.

    Examples
    --------
    >>> format_figure(0.81349), format_figure(24.25), format_figure(None)
    ('.813', '24.2', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if abs(value) > 1:
        return f"{value:.1f}"
    return f"{value:.3f}".replace("0.", ".", 1)


def _cells(names: Sequence[str], figures: Mapping[str, float]) -> list[str]:
    return [format_figure(figures.get(name)) for name in names]
