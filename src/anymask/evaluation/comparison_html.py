"""Two models beside each other on a page: the table of figures, and intervals drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from anymask.evaluation.compare import Difference

_COLOURS = {"better": "#2a9d4a", "worse": "#d63a2f"}
_LONGEST = 28  # letters of a name beside its interval


def comparison_table(models: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write figures of two models as an HTML table, the last row being what decides.

    Parameters
    ----------
    models : sequence of str
        What the two are called.
    rows : sequences of str
        Name of a figure, the figure of each model, difference and interval.
    """
    heads = ("", *models, "Difference", "95% interval")
    head = "".join(f"<th>{escape(heading)}</th>" for heading in heads)
    cells = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<h2>Figures</h2>\n<div class="wide"><table><tr>{head}</tr>\n{cells}\n</table></div>'


def interval_diagram(figures: Mapping[str, Difference]) -> str:
    """Draw differences and their intervals around nothing gained; "" if none has an interval.

    Parameters
    ----------
    figures : dict of str to Difference
        By what they are called.
    """
    known = {name: change for name, change in figures.items() if not math.isnan(change.low)}
    if not known:
        return ""
    width, left, line = 520, 190, 24
    reach = max(0.02, *(abs(v) for c in known.values() for v in (c.low, c.high)))

    def x(value: float) -> float:
        return left + (value / reach + 1) / 2 * width

    marks = []
    for number, (name, change) in enumerate(known.items()):
        y, colour = line * (number + 0.5), _COLOURS.get(change.word, "#888")
        shown = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
        marks.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end" fill="currentColor" '
            f'font-size="13">{escape(shown)}</text>'
            f'<line x1="{x(change.low):.1f}" x2="{x(change.high):.1f}" y1="{y}" y2="{y}" '
            f'stroke="{colour}" stroke-width="3"/>'
            f'<circle cx="{x(change.mean):.1f}" cy="{y}" r="5" fill="{colour}">'
            f"<title>{change.mean:+.3f} ({change.low:+.3f} to {change.high:+.3f})</title></circle>"
        )
    height = line * len(known)
    scale = "".join(
        f'<text x="{x(value):.1f}" y="{height + 16}" text-anchor="middle" fill="currentColor" '
        f'font-size="12">{f"{value:+.2f}" if value else "0"}</text>'
        for value in (-reach, 0, reach)
    )
    return (
        f'<p><svg viewBox="0 0 {left + width + 30} {height + 22}" width="{left + width + 30}" '
        f'role="img"><line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{height}" stroke="#888" '
        f'stroke-dasharray="4"/>{"".join(marks)}{scale}</svg></p>'
    )
