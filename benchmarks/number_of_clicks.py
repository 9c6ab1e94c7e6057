"""Number of clicks to a good mask, of one or several models on the same objects.

Usage: python -m benchmarks.number_of_clicks --data FOLDER_OF_SETS [--sets NAME,NAME] [--per-set N]
       [--model NAME_OR_FILE ...]

A simulated user clicks on one object per validation image, at most twenty times
(`anymask.evaluation.number_of_clicks`). NoC@85 is the mean number of clicks to an IoU of .85; an
object that never gets there counts as twenty, and "not reached" is their share. Regions without a
click are kept or dropped as each model's configuration says.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from anymask import load
from anymask.evaluation.number_of_clicks import ClickedObject, click_objects
from benchmarks.measure import print_table
from benchmarks.shipped_model import MEAN, held_out

_PHOTOGRAPHS = "voc2012_sbd,voc2012_all,duts_tr,coco128"
_MOST = 20


def main() -> None:
    """Measure the models and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--sets", default=_PHOTOGRAPHS, help=f"names of sets [{_PHOTOGRAPHS}]")
    parser.add_argument("--per-set", type=int, default=30, help="images of each set")
    parser.add_argument("--model", action="append", help="as in anymask.load; may be repeated")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    given = parser.parse_args()

    import torch

    torch.set_num_threads(given.threads)
    wanted = given.sets.split(",")
    for model in given.model or ["small"]:
        sam = load(model, device="cpu", dtype="float32")
        by_set: dict[str, list[ClickedObject]] = defaultdict(list)
        for name in wanted:
            examples = held_out(given.data / name, given.per_set)
            by_set[name] = click_objects(sam, examples, until=0.9, most=_MOST)
        rows = {name: _figures(objects) for name, objects in by_set.items() if objects}
        if not rows:
            raise SystemExit(f"None of {given.sets} has validation images in {given.data}.")
        columns = next(iter(rows.values()))
        rows[MEAN] = {c: float(np.mean([row[c] for row in rows.values()])) for c in columns}
        title = f"{model}: {', '.join(f'{len(o)} of {n}' for n, o in by_set.items())}"
        cells = [[name, *(f"{row[c]:.2f}" for c in columns)] for name, row in rows.items()]
        print_table(title, ["set", *columns], cells)


def _figures(objects: list[ClickedObject]) -> dict[str, float]:
    figures = {}
    for percent in (85, 90):
        clicks = [each.clicks_to(percent / 100, _MOST) for each in objects]
        never = [max(each.ious) < percent / 100 for each in objects]
        figures[f"NoC@{percent}"] = float(np.mean(clicks))
        figures[f"not reached @{percent}"] = float(np.mean(never))
    figures["IoU after 1"] = float(np.mean([each.ious[0] for each in objects]))
    return figures


if __name__ == "__main__":
    main()
