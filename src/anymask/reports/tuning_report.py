"""What tuning found: in a sentence, in tables for a terminal and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from rich.table import Table

from anymask.evaluation.compare import Difference
from anymask.evaluation.tuning import FEWEST_TO_TEST, Tuning
from anymask.model.config import EverythingConfig
from anymask.reports.wording import TITLES, change_in_words, format_figure
from anymask.wording import counted

_TITLES = {"score": "F1, mean over IoU .5 to .9", **TITLES}
_COLUMNS = {
    "before": "own thresholds",
    "after": "tuned",
    "left_out": "tuned on the others",
}


def verdict_sentence(tuning: Tuning) -> str:
    """Say in a sentence or two whether the tuned thresholds are better, and which are used."""
    if tuning.tuned == tuning.own:
        return "Nothing to gain: no thresholds are reliably better here than the model's own."
    images = len(tuning.images)
    if tuning.verdict == "untested":
        return (
            f"Not tested: {counted(images, 'image')} {'is' if images == 1 else 'are'} too few to "
            "leave any out, so the figures flatter the tuned thresholds; with "
            f"{FEWEST_TO_TEST} or more they are tested on images that they were not chosen on."
        )
    before, after = (tuning.mean(which)["score"] for which in ("before", "left_out"))
    change = Difference(before, after, *tuning.gain[1:], images)
    measured = (
        f"on images that the thresholds were not chosen on, the score {change_in_words(change)}, "
        f"over {counted(images, 'image')}"
    )
    return {
        "better": f"Better: {measured}.",
        "unclear": f"Probably better, but not certainly: {measured}; more images would tell.",
        "worse": f"No better: {measured}. The model's own thresholds are kept.",
    }[tuning.verdict]


def tables(tuning: Tuning) -> list[Table]:
    """Return tables for a terminal: thresholds, and figures before and after."""
    return [_thresholds(tuning.own, tuning.tuned), _figures(tuning)]


def to_dict(tuning: Tuning) -> dict[str, Any]:
    """Return a tuning as JSON-ready data, None standing for NaN."""

    def ready(values: dict[str, Any]) -> dict[str, Any]:
        return {name: _ready(value) for name, value in values.items()}

    tested = tuning.verdict != "untested"
    return {
        "verdict": tuning.verdict,
        "gain": dict(zip(("mean", "low", "high"), map(_ready, tuning.gain), strict=True))
        if tested
        else None,
        "own": asdict(tuning.own),
        "tuned": asdict(tuning.tuned),
        "chosen": asdict(tuning.chosen),
        "labels": dict(tuning.labels),
        "figures": {
            which: {
                "mean_over_sets": ready(tuning.mean(which)),
                "by_set": {name: ready(of_set) for name, of_set in by_set.items()},
            }
            for which, by_set in tuning.figures.items()
        },
        "images": [ready(asdict(image)) for image in tuning.images],
    }


def _ready(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else round(value, 6)


def _thresholds(own: EverythingConfig, tuned: EverythingConfig) -> Table:
    table = Table(title="Thresholds of everything", title_justify="left")
    table.add_column("Option")
    for heading in ("own", "tuned"):
        table.add_column(heading, justify="right")
    after = tuned.in_words()
    for name, value in own.in_words().items():
        table.add_row(name, value, after[name])
    return table


def _figures(tuning: Tuning) -> Table:
    sets = len(tuning.labels)
    sparse = "sparse" in tuning.labels.values()
    title = f"Figures, {len(tuning.images)} images" + (f", mean of {sets} sets" * (sets > 1))
    table = Table(
        title=title,
        title_justify="left",
        caption="Masks of unlabelled things do not count as mistakes." if sparse else None,
        caption_justify="left",
    )
    table.add_column("")
    for which in tuning.figures:
        table.add_column(_COLUMNS[which], justify="right")
    for name in tuning.mean("before"):
        cells = [format_figure(tuning.mean(which)[name]) for which in tuning.figures]
        table.add_row(_TITLES[name], *cells)
    return table
