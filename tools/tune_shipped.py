"""Tune the thresholds of "everything" for the shipped model, and compare settings by set.

Usage: python -m tools.tune_shipped --data FOLDER_OF_SETS --weights RUN/weights.safetensors
       [--per-set N] [--try .45,.7,.4,50 ...] [--threads N] [--output FILE.json]

Images are the validation images listed in the repository. `--try` adds settings to compare:
predicted IoU, stability, overlap, area of specks and, optionally, whether "box" or "mask" is used
for overlap; the search keeps the model's choice for this. The tuned values go into
`VARIANTS["small"].everything` in `model/config.py`, after a visual check
(`tools/everything_sheet.py`), because these sets say little about how users judge photographs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from anymask import load
from anymask.datasets.types import Example
from anymask.evaluation.records import mean_over_sets
from anymask.evaluation.tuning import tune_everything
from anymask.model.config import EverythingConfig
from anymask.reports.tuning_report import tables, to_dict, verdict_sentence
from recipes.small.cache import find_sources, split
from recipes.small.run import validation_examples

COMPLETE = (
    "camvid",
    "digital_rock",
    "dsb2018_nuclei",
    "em_membrane",
    "kvasir_polyp",
    "magnetic_tile",
)
"""Sets in which all objects are labelled; in the other sets only some are."""

# In these sets the labelled regions of an image are parts of one object, which may be found too.
_PARTS_OF_ONE = ("car_parts", "ccp_clothing", "wbc")
# Cracks, vessels and roads are left out: the model finds none of them, so they would only favour
# fewer masks.
_THIN = ("aerial_roads", "crackforest", "drive_vessels")
Figures = Mapping[str, Mapping[str, float]]

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
    """Validation images with all labelled regions, and with the unions of parts."""
    _, held_out = split(find_sources([data]))
    names = {source.name for source in held_out if source.set_name not in _THIN}
    for example in validation_examples([data], names, per_set):
        masks = list(example.masks)
        if example.set_name in _PARTS_OF_ONE and len(masks) > 1:
            masks.append(np.logical_or.reduce(masks))
        yield replace(example, masks=masks)


def settings_of(text: str, own: EverythingConfig) -> EverythingConfig:
    """Parse ".45,.7,.4,50" or ".45,.7,.4,50,box"; missing values are the model's."""
    iou, stability, overlap, area, *by = text.split(",")
    return replace(
        own,
        pred_iou_thresh=float(iou),
        stability_score_thresh=float(stability),
        box_nms_thresh=float(overlap),
        min_mask_region_area=int(area),
        nms_by=by[0] if by else own.nms_by,
    )


def by_set_table(own: Figures, tuned: Figures) -> Table:
    """Figures of each set, with the model's own thresholds and with the tuned ones."""
    table = Table(title="By set: own, tuned", title_justify="left")
    table.add_column("set", no_wrap=True)
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for names in _kinds(own).values():
        for name in names:
            cells = [f"{_short(own[name][f])} {_short(tuned[name][f])}" for f in _COLUMNS]
            table.add_row(name, *cells, end_section=name == names[-1])
    return table


def settings_table(settings: Mapping[str, Figures]) -> Table:
    """Means over the completely and the sparsely labelled sets, one row per setting."""
    table = Table(title="Means over sets", title_justify="left")
    for heading in ("labels", "thresholds", *_COLUMNS.values()):
        table.add_column(heading, no_wrap=True)
    for kind, names in _kinds(next(iter(settings.values()))).items():
        for title, by_set in settings.items():
            means = mean_over_sets({name: by_set[name] for name in names})
            table.add_row(kind, title, *(_short(means[f]) for f in _COLUMNS))
        table.add_section()
    return table


def _kinds(by_set: Figures) -> dict[str, list[str]]:
    return {
        "complete": [name for name in by_set if name in COMPLETE],
        "sparse": [name for name in by_set if name not in COMPLETE],
    }


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 1.5 else f"{value:.3f}".replace("0.", ".", 1)


def main() -> None:
    """Tune, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", help="default: the shipped weights")
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
    console.print(by_set_table(shown["own"], shown["tuned"]))
    console.print(settings_table(shown))
    if options.output is not None:
        options.output.write_text(json.dumps({**to_dict(tuning), "compared": shown}, indent=1))


if __name__ == "__main__":
    main()
