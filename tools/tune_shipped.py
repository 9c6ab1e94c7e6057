"""Tune the thresholds of "everything" of the shipped model, and compare settings by set.

Usage: python -m tools.tune_shipped --data FOLDER_OF_SETS --weights RUN/weights.safetensors
       [--per-set N] [--try .45,.7,.4,50 ...] [--threads N] [--output FILE.json]

Images are the validation images listed in the repository. `--try` names further settings to
compare: least predicted IoU, least stability, overlap of boxes, area of specks. What it chooses
goes into `VARIANTS["small"].everything` in `model/config.py`, after a look at pictures
(`tools/everything_sheet.py`): these sets say little of what people think of a photograph.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from anymask import load
from anymask.evaluation.data import Example
from anymask.evaluation.records import mean_over_sets
from anymask.evaluation.tuning import tune_everything
from anymask.evaluation.tuning_report import tables, to_dict, verdict_sentence
from anymask.model.config import EverythingConfig
from anymask.training.pretrain.cache import find_sources, split
from anymask.training.pretrain.run import validation_examples

COMPLETE = (
    "camvid",
    "digital_rock",
    "dsb2018_nuclei",
    "em_membrane",
    "kvasir_polyp",
    "magnetic_tile",
)
"""Sets in which everything that is an object is labelled; in the others only some things are."""

# The labelled regions of an image of these are parts of one thing, which is found as well.
_PARTS_OF_ONE = ("car_parts", "ccp_clothing", "wbc")
# Cracks, vessels, roads: not a mask of them is found, so that they would only say "fewer".
_THIN = ("aerial_roads", "crackforest", "drive_vessels")
_COLUMNS = {
    "score": "F1 .5-.9",
    "f1_50": "F1 .5",
    "average_recall": "AR",
    "ap50": "AP50",
    "ap75": "AP75",
    "mean_best_overlap": "best",
    "masks_per_image": "masks",
}


def examples_of(data: Path, per_set: int) -> Iterator[Example]:
    """Validation images with all that is labelled in them, wholes of parts included."""
    _, held_out = split(find_sources([data]))
    names = {source.name for source in held_out if source.set_name not in _THIN}
    for example in validation_examples([data], names, per_set):
        masks = list(example.masks)
        if example.set_name in _PARTS_OF_ONE and len(masks) > 1:
            masks.append(np.logical_or.reduce(masks))
        yield replace(example, masks=masks)


def settings_of(text: str, own: EverythingConfig) -> EverythingConfig:
    """Read ".45,.7,.4,50"; the stability offset stays the model's."""
    iou, stability, overlap, area = text.split(",")
    return replace(
        own,
        pred_iou_thresh=float(iou),
        stability_score_thresh=float(stability),
        box_nms_thresh=float(overlap),
        min_mask_region_area=int(area),
    )


def by_set_table(title: str, columns: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """Figures of each set under each setting; a cell holds them in the order of the settings."""
    table = Table(title=f"{title}: {' | '.join(columns)}", title_justify="left")
    table.add_column("set")
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    kinds = {
        "complete": lambda name: name in COMPLETE,
        "sparse": lambda name: name not in COMPLETE,
    }
    every = list(next(iter(columns.values())))
    for kind, belongs in kinds.items():
        chosen = [name for name in every if belongs(name)]
        for name in chosen:
            table.add_row(name, *_cells([figures[name] for figures in columns.values()]))
        means = [mean_over_sets({n: f[n] for n in chosen}) for f in columns.values()]
        table.add_row(f"{kind}, mean", *_cells(means), style="bold", end_section=True)
    return table


def _cells(settings: Iterable[Mapping[str, float]]) -> list[str]:
    listed = list(settings)
    return [" ".join(_short(figures[name]) for figures in listed) for name in _COLUMNS]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 1.5 else f"{value:.2f}".replace("0.", ".", 1)


def main() -> None:
    """Tune, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", help="the shipped model's if not given")
    parser.add_argument("--per-set", type=int, default=6)
    parser.add_argument("--try", dest="settings", nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    console = Console(highlight=False, width=160)
    sam = load(options.weights, dtype="bfloat16")
    own = sam.config.everything
    others = [settings_of(text, own) for text in options.settings]
    examples = list(examples_of(options.data, options.per_set))
    labels = {e.set_name: "complete" if e.set_name in COMPLETE else "sparse" for e in examples}
    seen = [0]

    def watched() -> Iterator[Example]:
        with console.status("") as status:
            for example in examples:
                seen[0] += 1
                status.update(f"{seen[0]} of {len(examples)}: {example.set_name} {example.name}")
                yield example

    tuning = tune_everything(sam, watched(), labels=labels, compare=others)
    for table in tables(tuning):
        console.print(table)
    console.print(Text(verdict_sentence(tuning)))
    shown = {"own": tuning.figures["before"], "tuned": tuning.figures["after"]}
    shown.update(zip(options.settings, tuning.compared, strict=True))
    console.print(by_set_table("By set", shown))
    if options.output is not None:
        options.output.write_text(json.dumps({**to_dict(tuning), "compared": shown}, indent=1))


if __name__ == "__main__":
    main()
