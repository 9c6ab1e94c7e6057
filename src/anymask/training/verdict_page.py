"""The verdict on a fine-tuning as one HTML file, and in the model's card."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.datasets.types import Example
from anymask.errors import OutputError
from anymask.evaluation.compare import Difference
from anymask.evaluation.comparison_html import comparison_table, interval_diagram
from anymask.evaluation.html import HOW_TO_READ, PICTURED, facts_list, page, reliability_diagram
from anymask.evaluation.pictures import as_data_url, draw_answer, extremes
from anymask.evaluation.records import ObjectRecord
from anymask.evaluation.report import calibration_data, column_title
from anymask.files import whole_file
from anymask.training.verdict import PROMPTED, UNPROMPTED, Verdict, asked, cells_of, label_of

REPORT = "report.html"
CURVES = "curves.png"
_CARD = "card.json"
_GAP = 6  # pixels between a picture before and the one after

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
        temporary.write_text(
            to_html(verdict, find, facts, curves=folder / CURVES), encoding="utf-8"
        )
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
    curves: Path | None = None,
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
    curves : Path, optional
        A picture of the training's curves, shown if it is there.
    """
    parts = [
        "<h1>Before and after fine-tuning</h1>",
        f"<p><strong>{escape(verdict.sentence)}</strong></p>",
        facts_list(
            {
                **(facts or {}),
                "held_out_images": verdict.images,
                "objects_asked_for": len(verdict.after),
            }
        ),
        _table(verdict),
        "<h2>Difference, with its 95% interval</h2>",
        *_intervals(verdict.figures),
        *_calibration(verdict),
        *curves_shown(curves),
    ]
    if find is not None:
        parts += _all_pictures(verdict, find, pictures)
    return page("Fine-tuning: before and after", parts)


def _table(verdict: Verdict) -> str:
    rows = [[label_of(name), *cells_of(change)] for name, change in verdict.figures.items()]
    rows.append([f"Decides: mean IoU {asked(verdict.trained)}", *cells_of(verdict.overall)])
    looked = len(verdict.everything[1])
    note = (
        f"<p>AP and F1 are of the masks found without prompts in {looked} of the images.</p>"
        if looked
        else ""
    )
    return comparison_table(("Before", "After"), rows) + note


def _intervals(figures: Mapping[str, Difference]) -> list[str]:
    """The differences with their intervals, each kind of figure on its own scale."""
    kinds = [{n: figures[n] for n in names if n in figures} for names in (PROMPTED, UNPROMPTED)]
    drawn = [interval_diagram({column_title(n): c for n, c in of.items()}) for of in kinds]
    return [picture for picture in drawn if picture] or [
        "<p>There are too few images for an interval.</p>"
    ]


def _calibration(verdict: Verdict) -> list[str]:
    drawn = []
    for when, records in (("Before", verdict.before), ("After", verdict.after)):
        data = calibration_data(records)
        if data:
            diagram = reliability_diagram(data, heading="h3", explained=False)
            drawn.append(f"<div><p>{when}</p>{diagram}</div>")
    if not drawn:
        return []
    return [f'<h2>Predicted IoU</h2>\n{HOW_TO_READ}<div class="beside">{"".join(drawn)}</div>']


def curves_shown(path: Path | None) -> list[str]:
    """The picture of a training's curves as a part of a page; nothing where there is none."""
    if path is None or not path.is_file():
        return []
    url = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    return [f'<h2>Epoch by epoch</h2>\n<img class="curves" src="{url}" alt="curves">']


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
