"""HTML pages: what an evaluation measured, and the verdict on a fine-tuning.

A page is one file. It holds its style, charts and images, loads nothing and runs nothing. The
pages share one set of templates, in `templates/`; all text that goes into them is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from anymask.datasets.types import Example
from anymask.evaluation.class_maps import ClassMapRecord
from anymask.evaluation.compare import Difference
from anymask.evaluation.everything import EverythingRecord, extremes_of_everything
from anymask.evaluation.records import ObjectRecord
from anymask.palette import palette
from anymask.reports.calibration import calibration_sentence
from anymask.reports.evaluation_report import EvaluationReport
from anymask.reports.page_images import (
    PICTURED,
    Find,
    Pair,
    as_data_url,
    data_url,
    draw_answer,
    draw_everything,
    draw_maps,
    draw_pair,
    extremes,
    most_changed,
)
from anymask.reports.verdict import ClassVerdict, ObjectVerdict, Verdict
from anymask.reports.wording import (
    change_cells,
    column_title,
    format_figure,
    gain_cells,
    gain_in_words,
    model_facts_for_reading,
    printable,
)
from anymask.wording import counted

PICTURES = 8
"""How many of the worst and of the best answers a page on an evaluation shows of each kind."""

_PAIRS = 6  # of the worst, best and most changed answers, on the page of a verdict
_COLOURS = "Blue: the answer. Yellow: the true outline. Red: the prompt."


@dataclass(frozen=True)
class _Gallery:
    """Images under a heading; `shown` are pairs of data URL and caption."""

    heading: str
    note: str
    shown: Sequence[tuple[str, str]]
    is_wide: bool = False


def evaluation_page(
    report: EvaluationReport, find: Find | None = None, pictures: int = PICTURES
) -> str:
    """Return the page on an evaluation.

    Parameters
    ----------
    report : EvaluationReport
    find : callable, optional
        From the names of a set and of an image to the example, for the images; without it there
        are none.
    pictures : int
        How many of the worst and of the best answers are shown for each of `PICTURED`, and of
        whole images whose masks were kept.

    Returns
    -------
    str
        HTML.
    """
    data = report.to_dict()
    return _rendered(
        "evaluation.html",
        report=report,
        facts={**model_facts_for_reading(data["model"]), **data["settings"]},
        calibration=data["calibration"],
        galleries=[] if find is None else list(_galleries_of_evaluation(report, find, pictures)),
    )


def verdict_page(
    verdict: Verdict,
    find: Find | None = None,
    facts: Mapping[str, Any] | None = None,
    pictures: int = _PAIRS,
    curves: Path | None = None,
) -> str:
    """Return the page with the verdict on a fine-tuning.

    Parameters
    ----------
    verdict : ObjectVerdict or ClassVerdict
    find : callable, optional
        As to `evaluation_page`.
    facts : mapping, optional
        What is known of the model and the images.
    pictures : int
        How many of the most changed, of the worst and of the best answers are shown of each kind.
    curves : Path, optional
        A PNG file with the training's curves, shown if it exists.

    Returns
    -------
    str
        HTML.
    """
    facts, note, legend = dict(facts or {}), "", []
    galleries: Iterable[_Gallery] = []
    if isinstance(verdict, ClassVerdict):
        heading = "Classes of pixels after fine-tuning"
        facts |= {"classes": list(verdict.classes), "held_out_images": verdict.images}
        legend = [
            (name, f"#{palette()[number % 256].tobytes().hex()}")
            for number, name in enumerate(verdict.classes)
        ]
        if find is not None:
            galleries = _galleries_of_classes(verdict, find, pictures)
    else:
        assert isinstance(verdict, ObjectVerdict)
        heading = "Before and after fine-tuning"
        facts |= {"held_out_images": verdict.images, "objects_asked_for": len(verdict.after)}
        looked = len(verdict.everything[1])
        if looked:
            images = counted(verdict.images, "image")
            note = f"AP and F1 are of the masks found without prompts, in {looked} of {images}."
        if find is not None:
            galleries = _galleries_of_objects(verdict, find, pictures)
    has_curves = curves is not None and curves.is_file()
    return _rendered(
        "verdict.html",
        heading=heading,
        verdict=verdict,
        facts=facts,
        note=note,
        rows=[
            *verdict.rows(),
            [f"Decides: {verdict.deciding}", *change_cells(verdict.overall)],
        ],
        intervals=list(_tested(verdict)),
        curves=data_url(curves.read_bytes(), "png") if curves and has_curves else None,
        legend=legend,
        galleries=list(galleries),
    )


def _tested(verdict: Verdict) -> Iterable[dict[str, Difference]]:
    """Yield the groups of figures without those that have no interval."""
    for group in verdict.groups():
        known = {name: change for name, change in group.items() if change.word != "untested"}
        if known:
            yield known


def _rendered(template: str, **values: Any) -> str:
    return printable(_templates().get_template(template).render(values)) + "\n"


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("anymask.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "calibration_sentence": calibration_sentence,
        "column_title": column_title,
        "fact": _fact,
        "figure": format_figure,
        "gain": lambda change: gain_cells(change)[0],
        "gain_in_words": gain_in_words,
    }
    return environment


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "–" if value is None else str(value)


def _galleries_of_evaluation(
    report: EvaluationReport, find: Find, count: int
) -> Iterable[_Gallery]:
    for name in PICTURED:
        kept = [r for r in report.records if name in r.scores and r.mask(name) is not None]
        for which in ("Worst", "Best"):
            records = extremes(kept, name, count, worst=which == "Worst")
            shown = [_answer(record, name, find) for record in records]
            yield _Gallery(f"{which} answers by IoU: {column_title(name)}", _COLOURS, shown)
    found = [record for record in report.everything if record.masks is not None]
    for which in ("Worst", "Best"):
        whole = extremes_of_everything(found, count, worst=which == "Worst")
        shown = [_whole_image(record, find) for record in whole]
        note = "In colours: the masks found. Yellow: the true outlines."
        yield _Gallery(f"{which} whole images by mean best overlap", note, shown, is_wide=True)


def _answer(record: ObjectRecord, name: str, find: Find) -> tuple[str, str]:
    drawn = draw_answer(find(record.set_name, record.image), record, name)
    score = record.scores[name]
    caption = f"IoU {score.iou:.2f}, predicted {score.predicted_iou:.2f}"
    return as_data_url(drawn), f"{_place(record)}: {caption}"


def _whole_image(record: EverythingRecord, find: Find) -> tuple[str, str]:
    assert record.masks is not None
    drawn = draw_everything(find(record.set_name, record.image), record.masks)
    found, true = record.overlaps.iou.shape
    figures = record.figures
    caption = (
        f"mean best overlap {figures['mean_best_overlap']:.2f}, F1 {figures['f1_50']:.2f}; "
        f"masks found {found}, labelled {true}"
    )
    return as_data_url(drawn), f"{_place(record)}: {caption}"


def _galleries_of_objects(verdict: ObjectVerdict, find: Find, count: int) -> Iterable[_Gallery]:
    pairs = list(zip(verdict.before, verdict.after, strict=True))
    pair_of = {_key(after): (before, after) for before, after in pairs}
    note = f"Left: before. Right: after. {_COLOURS}"
    for name in [name for name in PICTURED if name in verdict.trained] or PICTURED:
        best, worst = (
            [
                pair_of[_key(record)]
                for record in extremes(
                    verdict.after, name, count, worst=is_worst, most_of_a_set=count
                )
            ]
            for is_worst in (False, True)
        )
        chosen = {"Most changed": most_changed(pairs, name, count), "Worst": worst, "Best": best}
        for which, some in chosen.items():
            shown = [_two_answers(pair, name, find) for pair in some]
            yield _Gallery(f"{which} answers by IoU: {column_title(name)}", note, shown, True)


def _two_answers(pair: Pair, name: str, find: Find) -> tuple[str, str]:
    after = pair[1]
    drawn = draw_pair(find(after.set_name, after.image), pair, name)
    before_iou, after_iou = (record.scores[name].iou for record in pair)
    caption = f"IoU {before_iou:.2f} → {after_iou:.2f}"
    caption += f", predicted {after.scores[name].predicted_iou:.2f}"
    return as_data_url(drawn), f"{_place(after)}: {caption}"


def _galleries_of_classes(verdict: ClassVerdict, find: Find, count: int) -> Iterable[_Gallery]:
    has_before = verdict.constant is None
    pairs = list(zip(verdict.before, verdict.after, strict=True))
    pairs.sort(key=lambda pair: (pair[1].mean_iou, pair[1].set_name, pair[1].image))
    chosen = {"Worst": pairs[:count], "Best": pairs[::-1][:count]}
    if has_before:
        moved = sorted(pairs, key=lambda pair: -abs(pair[1].mean_iou - pair[0].mean_iou))
        changed = [pair for pair in moved if pair[0].mean_iou != pair[1].mean_iou]
        chosen = {"Most changed": changed[:count], **chosen}
    answers = "before and after" if has_before else "the prediction"
    note = f"From left to right: the image, the true classes, {answers}."
    for which, some in chosen.items():
        shown = [_map(pair if has_before else pair[1:], verdict, find) for pair in some]
        yield _Gallery(f"{which} images by mean IoU", note, shown, is_wide=True)


def _map(records: Sequence[ClassMapRecord], verdict: ClassVerdict, find: Find) -> tuple[str, str]:
    after = records[-1]
    example: Example = find(after.set_name, after.image)
    drawn = draw_maps(example, records, verdict.numbers, len(verdict.classes))
    ious = " → ".join(format_figure(record.mean_iou) for record in records)
    return as_data_url(drawn), f"{_place(after)}: mean IoU {ious}"


def _key(record: ObjectRecord) -> tuple[str, str, int]:
    return record.set_name, record.image, record.index


def _place(record: ObjectRecord | EverythingRecord | ClassMapRecord) -> str:
    return f"{record.set_name} / {record.image}" if record.set_name else record.image
