"""How figures, names and differences are written, on the terminal and on every page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from anymask.evaluation.compare import Difference

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
    "masks_per_image": "Masks per image",
}
"""Names of scores and figures, for readers."""

# Digits of a hash that are enough to tell it from every other.
_DIGITS = 12


def column_title(name: str) -> str:
    """Return what a score is called in a table.

    Examples
    --------
    >>> column_title("click5"), column_title("box")
    ('5 clicks', 'Box')
    """
    if name.removeprefix("click").isdigit():
        return f"{name.removeprefix('click')} clicks"
    return TITLES.get(name, name)


def format_figure(value: float | None) -> str:
    """Return a share with three digits after the point, a count above 1 with one, NaN as a dash.

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


def gain_in_words(change: Difference) -> str:
    """Return a difference with its interval, where that is known.

    Examples
    --------
    >>> gain_in_words(Difference(0.5, 0.75, 0.125, 0.375, units=9))
    '+0.250, 95% interval +0.125 to +0.375'
    """
    gain, interval = gain_cells(change)
    return gain if math.isnan(change.low) else f"{gain}, 95% interval {interval}"


def gain_cells(change: Difference) -> tuple[str, str]:
    """Return a difference and its interval as two cells of a table.

    Examples
    --------
    >>> gain_cells(Difference(0.5, 0.75, 0.125, 0.375, units=9))
    ('+0.250', '+0.125 to +0.375')
    """
    interval = "–" if math.isnan(change.low) else f"{change.low:+.3f} to {change.high:+.3f}"
    return f"{change.mean:+.3f}", interval


def change_cells(change: Difference) -> list[str]:
    """Return the cells of a table: before, after, difference and interval."""
    return [format_figure(change.before), format_figure(change.after), *gain_cells(change)]


def change_in_words(change: Difference) -> str:
    """Return what became of a figure, to follow its name in a sentence.

    Examples
    --------
    >>> change_in_words(Difference(0.5, 0.75, 0.125, 0.375, units=9))
    'goes from .500 to .750 (+0.250, 95% interval +0.125 to +0.375)'
    """
    before, after = format_figure(change.before), format_figure(change.after)
    return f"goes from {before} to {after} ({gain_in_words(change)})"


def model_facts_for_reading(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a model, its hash shortened to the first digits."""
    digest = facts.get("weights_sha256")
    shown = {**facts, "weights_sha256": digest[:_DIGITS] if digest else None}
    if facts.get("known_as") == facts.get("model"):
        shown["known_as"] = None
    return {name: value for name, value in shown.items() if value is not None}


def printable(text: str) -> str:
    """Escape what no terminal and no UTF-8 file can hold: bytes of file names that are not UTF-8.

    Examples
    --------
    >>> print(printable("caf\\udce9.png"))
    caf\\udce9.png
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
