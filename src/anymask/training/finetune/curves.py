"""The figures of every epoch as a table and as a plot."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anymask.files import whole_file

CURVES = "curves.png"

_LABELS = {
    "box": "training, box",
    "point": "training, click (best of 3)",
    "refined": "training, with corrections",
    "classes": "training, classes",
    "val_box_iou": "validation, box",
    "val_click_iou": "validation, click",
    "val_iou": "validation, classes",
}


def write_metrics(history: Sequence[dict[str, float]], path: Path) -> None:
    """Write one row per epoch; the first row is the model before training.

    Parameters
    ----------
    history : sequence of dict
    path : Path
        CSV.
    """
    columns = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({k: v if isinstance(v, int) else f"{v:.6g}" for k, v in row.items()})
    with whole_file(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def draw_curves(history: Sequence[dict[str, float]], best: int, path: Path) -> None:
    """Draw loss and mean IoU over epochs.

    Parameters
    ----------
    history : sequence of dict
    best : int
        The best epoch, which is marked.
    path : Path
        PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4))
    FigureCanvasAgg(figure)
    # A constrained layout draws everything twice.
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.13, top=0.92, wspace=0.14)
    left, right = figure.subplots(1, 2)
    _plot(left, history, "loss", "training loss", "C0")
    for number, (name, label) in enumerate(_LABELS.items()):
        line = "-" if name.startswith("val") else ":"
        _plot(right, history, name, label, f"C{number}", line)
    right.axvline(best, color="0.7", zorder=0)
    right.set_title(f"mean IoU; epoch {best} is kept")
    left.set_title("loss")
    for axis in (left, right):
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize="small")
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _plot(
    axis: Any,
    history: Sequence[dict[str, float]],
    name: str,
    label: str,
    colour: str,
    line: str = "-",
) -> None:
    rows = [row for row in history if name in row]
    if rows:
        values = [row[name] for row in rows]
        axis.plot([r["epoch"] for r in rows], values, f".{line}", color=colour, label=label)
