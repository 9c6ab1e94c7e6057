"""The verdict on a fine-tuning as one HTML file, and in the model's card."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import OutputError
from anymask.evaluation.compare import Difference
from anymask.evaluation.data import Example
from anymask.evaluation.html import PICTURED, facts_list, page, reliability_diagram
from anymask.evaluation.pictures import as_data_url, draw_answer, extremes
from anymask.evaluation.records import ObjectRecord
from anymask.evaluation.report import calibration_data, column_title
from anymask.files import whole_file
from anymask.training.verdict import PROMPTED, UNPROMPTED, Verdict, asked, row_of

REPORT = "report.html"
_CARD = "card.json"
_GAP = 6  # pixels between a picture before and the one after
_COLOURS = {"better": "#2a9d4a", "worse": "#d63a2f"}

Find = Callable[[str, str], Example]
Pair = tuple[ObjectRecord, ObjectRecord]


def write_verdict(
    verdict: Verdict, folder: Path, find: Find | None = None, facts: Mapping[str, Any] | None = None
) -> Path:
    """Write `report.html`, and the figures into `card.json` under "verdict".

    Parameters
    ----------
    verdict : Verdict
    folder : Path
        Of the fine-tuning.
    find, facts : optional
        As to `to_html`.

    Raises
    ------
    OutputError
        If a file cannot be written, or the card is damaged.
    """
    with whole_file(folder / REPORT) as temporary:
        temporary.write_text(to_html(verdict, find, facts), encoding="utf-8")
    add_to_card(folder, verdict=verdict.to_dict())
    return folder / REPORT


def add_to_card(folder: Path, **entries: Any) -> None:
    """Add entries to a fine-tuning's card, which is made where there is none.

    Raises
    ------
    OutputError
        If it is damaged, or cannot be written.
    """
    path = folder / _CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        card.update(entries)
    except (OSError, ValueError, AttributeError) as error:
        raise OutputError(
            f"{path} is no card of a model that could be added to; move it away."
        ) from error
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")


def to_html(
    verdict: Verdict,
    find: Find | None = None,
    facts: Mapping[str, Any] | None = None,
    pictures: int = 6,
) -> str:
    """Write a verdict as one self-contained HTML page.

    Parameters
    ----------
    verdict : Verdict
    find : callable, optional
        From the names of a set and of an image to the example, for the pictures; without it there
        are none.
    facts : mapping, optional
        What is to be told of the model and the images.
    pictures : int
        How many of the best, of the worst and of the most changed answers are shown by each kind
        of prompt.
    """
    parts = [
        "<h1>Before and after fine-tuning</h1>",
        f"<p><strong>{escape(verdict.sentence)}</strong></p>",
        facts_list({**(facts or {}), "images": verdict.images, "objects": len(verdict.after)}),
        _table(verdict),
        "<h2>Difference, with its 95% interval</h2>",
        *_intervals(verdict.figures),
        *_calibration(verdict),
    ]
    if find is not None:
        parts += _all_pictures(verdict, find, pictures)
    return page("Fine-tuning: before and after", parts)


def _table(verdict: Verdict) -> str:
    heads = ("", "Before", "After", "Difference", "95% interval")
    head = "".join(f"<th>{heading}</th>" for heading in heads)
    rows = [row_of(name, change) for name, change in verdict.figures.items()]
    decisive = row_of("", verdict.overall)
    decisive[0] = f"Decides: mean IoU {asked(verdict.trained)}"
    cells = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in [*rows, decisive]
    )
    looked = len(verdict.everything[1])
    note = (
        f"<p>AP and F1 are of the masks found without prompts in {looked} of the images.</p>"
        if looked
        else ""
    )
    return (
        f'<h2>Figures</h2>\n<div class="wide"><table><tr>{head}</tr>\n{cells}\n</table></div>{note}'
    )


def _intervals(figures: Mapping[str, Difference]) -> list[str]:
    """The differences with their intervals, each kind of figure on its own scale."""
    drawn = []
    for names in (PROMPTED, UNPROMPTED):
        known = {n: figures[n] for n in names if n in figures and not math.isnan(figures[n].low)}
        drawn += [_diagram(known)] if known else []
    return drawn or ["<p>There are too few images for an interval.</p>"]


def _diagram(known: Mapping[str, Difference]) -> str:
    """Draw differences and intervals around nothing gained."""
    width, left, line = 520, 170, 24
    reach = max(0.02, *(abs(v) for c in known.values() for v in (c.low, c.high)))

    def x(value: float) -> float:
        return left + (value / reach + 1) / 2 * width

    marks = []
    for number, (name, change) in enumerate(known.items()):
        y, colour = line * (number + 0.5), _COLOURS.get(change.word, "#888")
        marks.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end" fill="currentColor" '
            f'font-size="13">{escape(column_title(name))}</text>'
            f'<line x1="{x(change.low):.1f}" x2="{x(change.high):.1f}" y1="{y}" y2="{y}" '
            f'stroke="{colour}" stroke-width="3"/>'
            f'<circle cx="{x(change.mean):.1f}" cy="{y}" r="5" fill="{colour}">'
            f"<title>{change.mean:+.3f} ({change.low:+.3f} to {change.high:+.3f})</title></circle>"
        )
    height = line * len(known)
    scale = "".join(
        f'<text x="{x(value):.1f}" y="{height + 16}" text-anchor="middle" fill="currentColor" '
        f'font-size="12">{value:+.2f}</text>'
        for value in (-reach, 0, reach)
    )
    return (
        f'<p><svg viewBox="0 0 {left + width + 30} {height + 22}" width="{left + width + 30}" '
        f'role="img"><line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{height}" stroke="#888" '
        f'stroke-dasharray="4"/>{"".join(marks)}{scale}</svg></p>'
    )


def _calibration(verdict: Verdict) -> list[str]:
    parts = []
    for when, records in (("Before", verdict.before), ("After", verdict.after)):
        data = calibration_data(records)
        if data:
            parts.append(f"<h2>Predicted IoU, {when.lower()}</h2>")
            parts.append(reliability_diagram(data, heading="h3"))
    return parts


def _all_pictures(verdict: Verdict, find: Find, count: int) -> list[str]:
    pairs = {
        (after.set_name, after.image, after.index): (before, after)
        for before, after in zip(verdict.before, verdict.after, strict=True)
    }
    parts = [
        "<p>In each picture before is on the left and after on the right. Blue: the answer. "
        "Yellow: the true outline. Red: the prompt.</p>"
    ]
    names = [name for name in PICTURED if name in verdict.trained] or list(PICTURED)
    for name in names:
        best, worst = (
            extremes(verdict.after, name, count, worst=worst, most_of_a_set=count)
            for worst in (False, True)
        )
        chosen = {
            "Most changed": most_changed(list(pairs.values()), name, count),
            "Worst": [pairs[r.set_name, r.image, r.index] for r in worst],
            "Best": [pairs[r.set_name, r.image, r.index] for r in best],
        }
        for which, shown in chosen.items():
            if shown:
                parts.append(f"<h2>{which} by: {escape(column_title(name))}</h2>")
                figures = "".join(_figure(pair, name, find) for pair in shown)
                parts.append(f'<div class="pictures pairs">{figures}</div>')
    return parts


def most_changed(pairs: Sequence[Pair], name: str, count: int) -> list[Pair]:
    """Choose the objects whose IoU changed most, for better or worse."""
    changed = [p for p in pairs if p[0].scores[name].iou != p[1].scores[name].iou]
    changed.sort(
        key=lambda p: (
            -abs(p[1].scores[name].iou - p[0].scores[name].iou),
            (p[1].set_name, p[1].image, p[1].index),
        )
    )
    return changed[:count]


def _figure(pair: Pair, name: str, find: Find) -> str:
    after = pair[1]
    url = as_data_url(draw_pair(find(after.set_name, after.image), pair, name))
    place = f"{after.set_name} / {after.image}" if after.set_name else after.image
    ious = [record.scores[name].iou for record in pair]
    caption = f"{place}: IoU {ious[0]:.2f} → {ious[1]:.2f}"
    caption += f", predicted {after.scores[name].predicted_iou:.2f}"
    return (
        f'<figure><img src="{url}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def draw_pair(example: Example, pair: Pair, name: str) -> NDArray[np.uint8]:
    """Draw the answers before and after to one prompt side by side, (h, 2·w + gap, 3) uint8."""
    left, right = (draw_answer(example, record, name) for record in pair)
    gap = np.full((len(left), _GAP, 3), 255, np.uint8)
    return np.concatenate([left, gap, right], 1)
