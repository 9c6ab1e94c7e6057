"""Learning curves as an image."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

_TRAINING = {
    "box": "box",
    "point_best": "1 click, best of 3",
    "point": "1 click, single",
    "refined": "with corrections",
}
_VALIDATION = {
    "box": "box",
    "click1_oracle": "1 click, best of 3",
    "click1_single": "1 click, single",
    "click5": "5 clicks",
}


def draw_curves(log: Path, picture: Path) -> None:
    """Plot mean IoU over images seen, for training and validation.

    Parameters
    ----------
    log : Path
        `log.jsonl` of a training. Incomplete lines, left when it was killed, are ignored.
    picture : Path
        PNG file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    records = _records(log)
    figure = Figure(figsize=(11, 4.5))
    # A constrained layout draws everything twice.
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.12, top=0.93, wspace=0.06)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, kind, names in zip(
        axes, ("train", "evaluation"), (_TRAINING, _VALIDATION), strict=True
    ):
        chosen = [r for r in records if r.get("kind") == kind and "images" in r]
        for name, label in names.items():
            values = [r[name] for r in chosen if name in r]
            images = [r["images"] / 1000 for r in chosen if name in r]
            axis.plot(images, values, label=label, marker="." if kind == "evaluation" else None)
        axis.set_title("training" if kind == "train" else "validation")
        axis.set_xlabel("thousand images seen")
        axis.set_ylim(0, 1)
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right")
    axes[0].set_ylabel("mean IoU")
    part = picture.with_suffix(".part.png")
    figure.savefig(part, dpi=120)
    part.replace(picture)


def _records(log: Path) -> list[dict[str, Any]]:
    found = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return [record for record in found if isinstance(record, dict)]
