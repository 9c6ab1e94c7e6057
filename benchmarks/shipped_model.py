"""How good and how fast the shipped model is: figures by set beside baselines, and times.

Usage: python benchmarks/shipped_model.py --data FOLDER_OF_SETS [--per-set N] [--threads N]

Quality is measured on the validation images listed in the repository
(`training/pretrain/validation_split.json`), so the folder must hold the sets named there. Prompts
follow the interactive protocol (`anymask.evaluation.protocols`), three objects an image.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import machine, print_table, versions, write_results

from anymask import load
from anymask.evaluation.baselines import evaluate_baselines
from anymask.evaluation.protocols import quick_figures
from anymask.evaluation.records import mean_over_sets, means_by_set
from anymask.model.sam import Sam
from anymask.training.pretrain.cache import find_sources, split
from anymask.training.pretrain.run import validation_examples

RESULTS = Path(__file__).parent / "results" / "shipped_model.json"
BASELINES = ("filled_box", "ellipse")
COLUMNS = {
    "click1_single": "1 click",
    "click1_predicted": "best by score",
    "click1_oracle": "best of 3",
    "click3": "3 clicks",
    "click5": "5 clicks",
    "box": "box",
    "boundary_f_box": "boundary F",
    "ellipse": "ellipse",
    "filled_box": "filled box",
}


def quality(sam: Sam, data: Path, per_set: int | None) -> dict[str, dict[str, float]]:
    """Mean figures by set, the baselines' among them."""
    _, held_out = split(find_sources([data]))
    examples = validation_examples([data], {source.name for source in held_out}, per_set)
    means, by_set = quick_figures(sam, examples)
    baselines = means_by_set(evaluate_baselines(examples, BASELINES))
    by_set = {name: {**figures, **baselines[name]} for name, figures in by_set.items()}
    by_set["mean over sets"] = {**means, **mean_over_sets(baselines)}
    return by_set


@torch.inference_mode()
def times(sam: Sam) -> dict[str, float]:
    """Median milliseconds of the encoder, of a click, and of a grid of 1,024 points."""
    size = sam.config.image_size
    image = sam.preprocess(torch.rand(1, 3, size, size) * 255)
    embedding = sam.encode_image(image)
    points = torch.rand(1024, 1, 2) * size

    def click(count: int) -> None:
        for start in range(0, count, 8):
            part = points[start : min(start + 8, count)]
            sam.decode(embedding, point_coords=part, point_labels=torch.ones(part.shape[:2]))

    return {
        "encoder": median_ms(lambda: sam.encode_image(image), 15),
        "click": median_ms(lambda: click(1), 30),
        "1024 prompts": median_ms(lambda: click(1024), 3),
    }


def median_ms(call: Callable[[], Any], repeats: int) -> float:
    """Median time of a call after one that is not counted."""
    call()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - start))
    return statistics.median(found)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--per-set", type=int, help="images of each set; all if not given")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    by_set = quality(load(), options.data, options.per_set)
    rows = [
        [name, *(f"{figures[column]:.2f}" for column in COLUMNS)]
        for name, figures in by_set.items()
    ]
    print_table("Mean IoU, and boundary F of the box's masks", ["set", *COLUMNS.values()], rows)
    means = by_set["mean over sets"]
    print(
        f"\nPredicted IoU: calibration error {means['iou_calibration_error']:.3f}, "
        f"bias {means['iou_bias']:+.3f}"
    )
    took = {dtype: times(load(dtype=dtype)) for dtype in ("float32", "bfloat16")}
    names = list(took["float32"])
    print_table(
        f"Milliseconds, {options.threads} threads",
        ["", *names],
        [[dtype, *(f"{found[name]:.0f}" for name in names)] for dtype, found in took.items()],
    )
    write_results(
        RESULTS,
        {
            "machine": machine(),
            "versions": versions("anymask", "torch", "numpy"),
            "by_set": by_set,
            "milliseconds": took,
        },
    )


if __name__ == "__main__":
    main()
