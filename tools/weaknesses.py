"""Images of what the shipped model does badly, for its card: docs/images/weaknesses.jpg.

Usage: python -m tools.weaknesses

Shows the worst predictions for a box (upper row) and for a click (lower row) on scenes from
`recipes/small/synthetic.py`, one of each family, because the real validation images must not be
shown here. Blue is the prediction, yellow the true outline, red the prompt.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tools.everything_sheet import captioned, sheet

from anymask import load
from anymask.datasets.types import Example
from anymask.evaluation.protocols import evaluate_interactive
from anymask.reports.page_images import draw_answer, extremes
from recipes.small.synthetic import KINDS, NEEDS_PHOTOS, draw_scene

TARGET = Path(__file__).parents[1] / "docs" / "images" / "weaknesses.jpg"
ASKED = {"box": "box", "click1_predicted": "1 click"}
SIDE = 384
LEAST_AREA = 400  # pixels; smaller objects are hard to see on a sheet
SHOWN = 5


def examples() -> list[Example]:
    """One scene of each family that needs no photographs; its set is the family."""
    scenes = []
    for seed, kind in enumerate(k for k in KINDS if k not in NEEDS_PHOTOS):
        scene = draw_scene(np.random.default_rng(100 + seed), SIDE, kind=kind)
        masks = [scene.labels == i for i in np.unique(scene.labels) if i]
        kept = [mask for mask in masks if mask.sum() >= LEAST_AREA]
        scenes.append(Example(kind, scene.image, kept, kind))
    return scenes


def main() -> None:
    """Predict, choose the worst, and draw."""
    torch.set_num_threads(1)
    asked = examples()
    by_name = {example.name: example for example in asked}
    sam = load(device="cpu", dtype="float32")
    records = evaluate_interactive(
        sam, asked, clicks=1, max_objects=3, boundary=(), keep_masks=tuple(ASKED)
    )
    rows = []
    for name, title in ASKED.items():
        worst = extremes(records, name, SHOWN, worst=True, most_of_a_set=1)
        rows.append(
            [
                captioned(
                    draw_answer(by_name[record.image], record, name),
                    f"{record.image}, {title}: IoU {record.scores[name].iou:.2f}",
                )
                for record in worst
            ]
        )
    TARGET.parent.mkdir(exist_ok=True)
    sheet(rows).save(TARGET, quality=85, optimize=True)


if __name__ == "__main__":
    main()
