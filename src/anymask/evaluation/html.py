"""A report as one HTML file: tables, a reliability diagram, the worst and the best pictures.

The file holds all it shows, pictures included, and asks nothing of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from anymask.datasets.types import Example
from anymask.evaluation.everything import EverythingRecord, extremes_of_everything
from anymask.evaluation.pictures import as_data_url, draw_answer, draw_everything, extremes
from anymask.evaluation.records import ObjectRecord
from anymask.evaluation.report import (
    MEAN,
    Report,
    Section,
    calibration_sentence,
    column_title,
    format_figure,
)
from anymask.evaluation.wording import model_facts_for_reading, printable

PICTURED = ("click1_predicted", "box")
"""Scores of which pictures are shown, if their masks were kept."""

PICTURES = 8
"""How many of the worst and of the best are shown of each kind."""

HOW_TO_READ = (
    "<p>Across: predicted IoU. Up: true IoU. On the line the model judges itself rightly, "
    "below it too kindly. The size of a dot tells the number of masks.</p>\n"
)
"""What a reliability diagram shows."""

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #8884 }
th:first-child, td:first-child { text-align: left; white-space: nowrap }
.wide tr:last-child td { font-weight: 600 }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem }
.pairs { grid-template-columns: repeat(auto-fill, minmax(26rem, 1fr)) }
figure { margin: 0 } figure img { width: 100%; image-rendering: auto }
figcaption { font-size: .85em; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem }
dt { color: #888 } dd { margin: 0 }
.beside { display: flex; flex-wrap: wrap; gap: 0 3rem } .beside h3 { max-width: 20rem }
.curves { max-width: 100% }
"""


def to_html(
    report: Report,
    find: Callable[[str, str], Example] | None = None,
    pictures: int = PICTURES,
) -> str:
    """Write a report as one self-contained HTML page.

    Parameters
    ----------
    report : Report
    find : callable, optional
        From the names of a set and of an image to the example, for the pictures; without it
        there are none.
    pictures : int
        How many of the worst and of the best answers are shown for each of `PICTURED`, and of
        whole images whose masks were kept.

    Returns
    -------
    str
    """
    data = report.to_dict()
    parts = [
        "<h1>How good the masks are</h1>",
        facts_list({**model_facts_for_reading(data["model"]), **data["settings"]}),
        *_left_out(report),
        _summary(report),
        *(_table(section) for section in report.sections),
    ]
    if data["calibration"]:
        parts.append(reliability_diagram(data["calibration"]))
    if find is not None:
        for name in PICTURED:
            kept = [r for r in report.records if name in r.scores and r.mask(name) is not None]
            for worst in (True, False):
                chosen = extremes(kept, name, pictures, worst=worst)
                if chosen:
                    which = "Worst" if worst else "Best"
                    parts.append(f"<h2>{which} by: {escape(column_title(name))}</h2>")
                    parts.append(_pictures(chosen, name, find))
        parts += _everything_pictures(report.everything, find, pictures)
    return page("anymask evaluation", parts)


def page(title: str, parts: Sequence[str]) -> str:
    """Join parts, which are HTML, to a page that holds all it shows."""
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n{printable(body)}\n</html>\n"
    )


def facts_list(facts: Mapping[str, Any]) -> str:
    """Facts by name, as a list of terms."""
    rows = (
        f"<dt>{escape(str(key).replace('_', ' '))}</dt><dd>{escape(_plain(value))}</dd>"
        for key, value in facts.items()
    )
    return f"<dl>{''.join(rows)}</dl>"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "–" if value is None else str(value)


def _left_out(report: Report) -> list[str]:
    """What is in no figure: images that cannot be used, files that are no example."""
    parts = []
    if report.unreadable:
        rows = "".join(f"<li>{escape(each.reason)}</li>" for each in report.unreadable)
        parts.append(f"<h2>Left out, as it cannot be used</h2>\n<ul>{rows}</ul>")
    sentences = report.unused.unmatched()
    if sentences:
        parts.append("".join(f"<p>{escape(sentence)}</p>" for sentence in sentences))
    return parts


def _summary(report: Report) -> str:
    if not report.summary:
        return ""
    rows = "\n".join(
        f"<tr><td>{escape(column_title(name))}</td>"
        + "".join(f"<td>{format_figure(value)}</td>" for value in figures.values())
        + "</tr>"
        for name, figures in report.summary.items()
    )
    return (
        "<h2>Means over sets</h2>\n<table><tr><th>Prompt or method</th><th>IoU</th><th>Dice</th>"
        f"<th>Boundary F</th></tr>\n{rows}\n</table>"
    )


def _table(section: Section) -> str:
    names = section.names
    head = "".join(f"<th>{escape(title)}</th>" for title in ["Set", "Objects"])
    head += "".join(f"<th>{escape(column_title(name))}</th>" for name in names)
    rows = [
        _row(set_name, str(section.objects[set_name]), names, figures)
        for set_name, figures in section.figures.items()
    ]
    rows.append(_row(MEAN, "", names, section.means))
    return (
        f'<h2>{escape(section.title)}</h2>\n<div class="wide"><table><tr>{head}</tr>\n'
        + "\n".join(rows)
        + "\n</table></div>"
    )


def _row(label: str, objects: str, names: Sequence[str], figures: Mapping[str, float]) -> str:
    cells = "".join(f"<td>{format_figure(figures.get(name))}</td>" for name in names)
    return f"<tr><td>{escape(label)}</td><td>{objects}</td>{cells}</tr>"


def reliability_diagram(
    data: Mapping[str, Any], heading: str = "h2", explained: bool = True
) -> str:
    """Draw true against predicted IoU, the diagonal being perfect, from `calibration_data`."""
    side = 240
    most = max(row["masks"] for row in data["bins"])
    dots = "".join(
        f'<circle cx="{row["predicted"] * side:.1f}" cy="{(1 - row["true"]) * side:.1f}" '
        f'r="{2 + 8 * (row["masks"] / most) ** 0.5:.1f}" fill="#1e90ff" fill-opacity=".7">'
        f"<title>{row['masks']} masks: predicted {row['predicted']:.3f}, true {row['true']:.3f}"
        "</title></circle>"
        for row in data["bins"]
        if row["masks"]
    )
    return (
        f"<{heading}>{escape(calibration_sentence(data))}</{heading}>\n"
        f"{HOW_TO_READ if explained else ''}"
        f'<svg viewBox="-12 -12 {side + 24} {side + 24}" width="{side + 24}" role="img">'
        f'<rect width="{side}" height="{side}" fill="none" stroke="#888"/>'
        f'<line x1="0" y1="{side}" x2="{side}" y2="0" stroke="#888" stroke-dasharray="4"/>'
        f"{dots}</svg>"
    )


def _pictures(
    records: Sequence[ObjectRecord], name: str, find: Callable[[str, str], Example]
) -> str:
    figures = []
    for record in records:
        example = find(record.set_name, record.image)
        url = as_data_url(draw_answer(example, record, name))
        given = record.scores[name]
        caption = f"{record.set_name} / {record.image}: IoU {given.iou:.2f}"
        caption += f", predicted {given.predicted_iou:.2f}"
        figures.append(
            f'<figure><img src="{url}" alt="{escape(caption)}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    return (
        "<p>Blue: the answer. Yellow: the true outline. Red: the prompt.</p>\n"
        f'<div class="pictures">{"".join(figures)}</div>'
    )


def _everything_pictures(
    records: Sequence[EverythingRecord], find: Callable[[str, str], Example], count: int
) -> list[str]:
    """The worst and the best whole images, of those whose masks were kept."""
    kept = [record for record in records if record.masks is not None]
    parts = []
    for worst in (True, False):
        chosen = extremes_of_everything(kept, count, worst=worst)
        if chosen:
            which = "Worst" if worst else "Best"
            figures = "".join(_everything_figure(record, find) for record in chosen)
            parts.append(
                f"<h2>{which} whole images by mean best overlap</h2>\n"
                "<p>In colours: the masks found. Yellow: the true outlines.</p>\n"
                f'<div class="pictures pairs">{figures}</div>'
            )
    return parts


def _everything_figure(record: EverythingRecord, find: Callable[[str, str], Example]) -> str:
    assert record.masks is not None
    url = as_data_url(draw_everything(find(record.set_name, record.image), record.masks))
    found, true = record.overlaps.iou.shape
    caption = (
        f"{record.set_name} / {record.image}: mean best overlap "
        f"{record.figures['mean_best_overlap']:.2f}, F1 {record.figures['f1_50']:.2f}; "
        f"masks found {found}, labelled {true}"
    )
    return (
        f'<figure><img src="{url}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
