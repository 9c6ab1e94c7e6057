"""The verdict on a model of classes of pixels as one HTML file, and in the model's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.datasets.types import Example
from anymask.evaluation.comparison_html import comparison_table, interval_diagram
from anymask.evaluation.html import facts_list, page, reliability_diagram
from anymask.evaluation.pictures import as_data_url
from anymask.evaluation.report import format_figure, reliability_data
from anymask.files import whole_file
from anymask.painting import overlay
from anymask.palette import palette
from anymask.training.class_maps import ClassRecord, class_numbers, class_reliability, true_masks
from anymask.training.class_verdict import ClassVerdict
from anymask.training.verdict import cells_of
from anymask.training.verdict_page import CURVES, REPORT, Find, add_to_card, curves_shown

_GAP = 6  # pixels between pictures


def write_class_verdict(
    verdict: ClassVerdict,
    folder: Path,
    find: Find | None = None,
    facts: Mapping[str, Any] | None = None,
    numbers: Mapping[int, int] | None = None,
) -> Path:
    """Write `report.html`, and the figures into `card.json` under "verdict".

    Parameters
    ----------
    verdict : ClassVerdict
    folder : Path
        Of the fine-tuning.
    find, facts, numbers : optional
        As to `class_verdict_html`.

    Raises
    ------
    OutputError
        If a file cannot be written, or the card is damaged.
    """
    with whole_file(folder / REPORT) as temporary:
        html = class_verdict_html(verdict, find, facts, numbers, curves=folder / CURVES)
        temporary.write_text(html, encoding="utf-8")
    add_to_card(folder, verdict=verdict.to_dict())
    return folder / REPORT


def class_verdict_html(
    verdict: ClassVerdict,
    find: Find | None = None,
    facts: Mapping[str, Any] | None = None,
    numbers: Mapping[int, int] | None = None,
    pictures: int = 6,
    curves: Path | None = None,
) -> str:
    """Write a verdict on classes as one self-contained HTML page.

    Parameters
    ----------
    verdict : ClassVerdict
    find : callable, optional
        From the names of a set and of an image to the example, for the pictures; without it there
        are none.
    facts : mapping, optional
        What is to be told of the model and the images.
    numbers : mapping, optional
        From the class ids of the examples to the classes of the verdict, as `class_numbers` gives
        it; by default they are the same.
    pictures : int
        How many of the worst, of the best and of the most changed maps are shown.
    curves : Path, optional
        A picture of the training's curves, shown if it is there.
    """
    constant = verdict.constant
    models = ("Before" if constant is None else f"All {constant!r}", "After")
    rows = [[name, *cells_of(change)] for name, change in verdict.figures.items()]
    rows.append(["Decides: mean IoU", *cells_of(verdict.overall)])
    parts = [
        "<h1>Classes of pixels after fine-tuning</h1>",
        f"<p><strong>{escape(verdict.sentence)}</strong></p>",
        facts_list(
            {**(facts or {}), "classes": list(verdict.classes), "held_out_images": verdict.images}
        ),
        comparison_table(models, rows),
        "<h2>Difference, with its 95% interval</h2>",
        interval_diagram(verdict.figures) or "<p>There are too few images for an interval.</p>",
        "<h2>Predicted IoU</h2>",
        reliability_diagram(reliability_data(class_reliability(verdict.after)), heading="h3"),
        *curves_shown(curves),
    ]
    if find is not None:
        numbers = numbers or class_numbers([], verdict.classes)
        parts += _all_pictures(verdict, find, numbers, pictures)
    return page("Fine-tuning: classes of pixels", parts)


def _all_pictures(
    verdict: ClassVerdict, find: Find, numbers: Mapping[int, int], count: int
) -> list[str]:
    compared = verdict.constant is None
    shown = "the image, the truth, " + ("before and after" if compared else "the answer")
    parts = [f"<p>In each picture from left to right: {shown}.</p>", _legend(verdict.classes)]
    pairs = list(zip(verdict.before, verdict.after, strict=True))
    pairs.sort(key=lambda pair: (pair[1].mean_iou, pair[1].set_name, pair[1].image))
    chosen = {"Worst": pairs[:count], "Best": pairs[::-1][:count]}
    if compared:
        moved = sorted(pairs, key=lambda pair: -abs(pair[1].mean_iou - pair[0].mean_iou))
        changed = [pair for pair in moved if pair[0].mean_iou != pair[1].mean_iou]
        chosen = {"Most changed": changed[:count], **chosen}
    for which, some in chosen.items():
        if some:
            figures = "".join(
                _figure(pair if compared else pair[1:], find, numbers, len(verdict.classes))
                for pair in some
            )
            parts.append(f'<h2>{which}</h2>\n<div class="pictures pairs">{figures}</div>')
    return parts


def _legend(classes: Sequence[str]) -> str:
    colours = palette()
    said = "".join(
        f'<span style="white-space:nowrap"><span style="color:rgb({r},{g},{b})">■</span> '
        f"{escape(name)}</span> &ensp;"
        for name, (r, g, b) in zip(classes, colours[np.arange(len(classes)) % 256], strict=True)
    )
    return f"<p>{said}</p>"


def _figure(
    records: Sequence[ClassRecord], find: Find, numbers: Mapping[int, int], classes: int
) -> str:
    after = records[-1]
    example = find(after.set_name, after.image)
    url = as_data_url(draw_maps(example, records, numbers, classes))
    place = f"{after.set_name} / {after.image}" if after.set_name else after.image
    ious = " → ".join(format_figure(record.mean_iou) for record in records)
    caption = f"{place}: mean IoU {ious}"
    return (
        f'<figure><img src="{url}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def draw_maps(
    example: Example, records: Sequence[ClassRecord], numbers: Mapping[int, int], classes: int
) -> NDArray[np.uint8]:
    """Draw an image, its true classes and answers side by side.

    Parameters
    ----------
    example : Example
    records : sequence of ClassRecord
        Answers to it.
    numbers : mapping
        From the class ids of the example to those of the answers.
    classes : int

    Returns
    -------
    (h, w, 3) uint8 array
    """
    masks = true_masks(example, numbers, classes)
    truth = np.zeros(masks.shape[1:], records[0].labels.dtype)
    for number, mask in enumerate(masks, start=1):
        truth[mask] = number
    height, width = records[0].labels.shape
    image = Image.fromarray(example.image).resize((width, height), Image.Resampling.BILINEAR)
    small = Image.fromarray(truth).resize((width, height), Image.Resampling.NEAREST)
    plain = np.asarray(image)
    gap = np.full((height, _GAP, 3), 255, np.uint8)
    row = [plain]
    for labels in (np.asarray(small), *(record.labels for record in records)):
        row += [gap, overlay(plain, labels)]
    return np.concatenate(row, 1)
