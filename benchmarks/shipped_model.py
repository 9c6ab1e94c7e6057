"""Quality and speed of the shipped model: figures by set with baselines, and times.

Usage: python -m benchmarks.shipped_model --data FOLDER_OF_SETS [--per-set N]
       [--everything-per-set N] [--model FILE] [--threads N] [--same-baselines] [--no-times]
       python -m benchmarks.shipped_model --only-times [--threads N]

Quality is measured on the validation images listed in the repository
(`recipes/small/validation_split.json`), so the folder must contain the sets named there. Prompts
follow the interactive protocol (`anymask.evaluation.protocols`) with three objects per image; the
baselines get the same prompts. Baselines do not depend on the model: `--same-baselines` takes their
figures from the existing results, if these used the same number of images, and measures only those
of sets that are new. "Everything" runs with the model's own thresholds. Times need a quiet machine,
but the rest, half an hour of it, does not: `--no-times` leaves them out, `--only-times` measures
only them and keeps all other results. `tools/card.py` writes the results into the model card, if
they were measured with the shipped weights.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from anymask import load
from anymask.datasets.dataset import Dataset
from anymask.evaluation.baselines import available_baselines, evaluate_baselines
from anymask.evaluation.everything import evaluate_everything, everything_figures
from anymask.evaluation.model_facts import model_facts
from anymask.evaluation.protocols import quick_figures
from anymask.evaluation.records import mean_over_sets, means_by_set
from anymask.model.sam import Sam
from anymask.predict.everything.decoder_passes import prompts_per_pass
from anymask.predict.everything.generator import SamAutomaticMaskGenerator
from anymask.predict.everything.workers import workers
from benchmarks.measure import machine, print_table, replace_results, versions, write_results
from recipes.small.cache import find_sources, split
from recipes.small.run import validation_examples

RESULTS = Path(__file__).parent / "results" / "shipped_model.json"
COLUMNS = {
    "click1_single": "1 click",
    "click1_predicted": "best by score",
    "click1_oracle": "best of 3",
    "click3": "3 clicks",
    "click5": "5 clicks",
    "box": "box",
    "boundary_f_box": "boundary F",
    "iou_calibration_error": "IoU error",
    "grabcut_box": "GrabCut box",
    "ellipse": "ellipse",
    "filled_box": "filled box",
    "grabcut_click": "GrabCut click",
    "flood_fill": "flood fill",
    "random_walker": "random walker",
}
EVERYTHING_COLUMNS = {
    "average_recall": "AR@1000",
    "ap50": "AP50",
    "ap75": "AP75",
    "mean_best_overlap": "best overlap",
    "f1_50": "F1",
    "masks_per_image": "masks",
}
MEAN = "mean over sets"


def held_out(data: Path, per_set: int | None) -> Dataset:
    """Validation images of each set."""
    _, sources = split(find_sources([data]))
    return validation_examples([data], {source.name for source in sources}, per_set)


def quality(
    sam: Sam, examples: Dataset, known: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Mean figures by set, with those of the baselines, measured for sets where none are known."""
    means, by_set = quick_figures(sam, examples)
    new = (example for example in examples if example.set_name not in known)
    measured = means_by_set(evaluate_baselines(new, available_baselines()))
    baselines = {name: (known | measured)[name] for name in by_set}
    by_set = {name: {**figures, **baselines[name]} for name, figures in by_set.items()}
    by_set[MEAN] = {**means, **mean_over_sets(baselines)}
    return by_set


def baselines_in(results: dict[str, Any], per_set: int | None) -> dict[str, dict[str, float]]:
    """The baselines' figures by set from earlier results for the same images and prompts."""
    if results["images_per_set"] != per_set:
        raise SystemExit(
            f"The existing results are for {results['images_per_set']} images per set, not for "
            f"{per_set}; measure the baselines too."
        )
    return {
        set_name: {name: figures[name] for name in available_baselines()}
        for set_name, figures in results["by_set"].items()
        if set_name != MEAN
    }


def everything(sam: Sam, examples: Dataset) -> dict[str, dict[str, float]]:
    """Figures by set for all masks of whole images, found with the model's own thresholds."""
    generator = SamAutomaticMaskGenerator(sam)
    by_set = everything_figures(evaluate_everything(generator.generate_masks, examples))
    by_set[MEAN] = mean_over_sets(by_set)
    return by_set


def times(sam: Sam) -> dict[str, float]:
    """Median CPU milliseconds of the encoder, a click, and a grid of 1,024 points.

    The grid is decoded as in `SamAutomaticMaskGenerator`, without filtering its masks.
    """
    size = sam.config.image_size
    image = sam.preprocess(torch.rand(1, 3, size, size) * 255)
    encode = torch.inference_mode()(sam.encode_image)
    embedding = encode(image)
    points = torch.rand(1024, 1, 2) * size
    per_pass = prompts_per_pass(sam.device)

    @torch.inference_mode()
    def click(start: int, count: int = per_pass) -> None:
        part = points[start : start + count]
        sam.decode(embedding, point_coords=part, point_labels=torch.ones(part.shape[:2]))

    def grid() -> None:
        with workers(len(points) // per_pass) as pool:
            list(pool.map(click, range(0, len(points), per_pass)))

    return {
        "encoder": median_ms(lambda: encode(image), 15),
        "click": median_ms(lambda: click(0, 1), 30),
        "1024 prompts": median_ms(grid, 3),
    }


def median_ms(call: Callable[[], Any], repeats: int) -> float:
    """Median time of a call, after one warm-up call."""
    call()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - start))
    return statistics.median(found)


def rows_of(
    by_set: dict[str, dict[str, float]], columns: dict[str, str]
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table; columns without any measurement are left out."""
    chosen = [name for name in columns if name in by_set[MEAN]]
    rows = [[s, *(f"{figures[n]:.2f}" for n in chosen)] for s, figures in by_set.items()]
    return ["set", *(columns[name] for name in chosen)], rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--per-set", type=int, help="images per set; default: all")
    parser.add_argument(
        "--everything-per-set", type=int, default=4, help="images per set for everything; 0: none"
    )
    parser.add_argument("--model", help="weights; default: the shipped ones")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--same-baselines", action="store_true", help="take baselines from the existing results"
    )
    parser.add_argument("--only-times", action="store_true", help="measure times, keep the rest")
    parser.add_argument("--no-times", action="store_true", help="measure everything but times")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if (options.only_times or options.same_baselines) and not options.output.is_file():
        parser.error(f"there are no earlier results in {options.output}; measure everything first")
    if options.only_times:
        results = json.loads(options.output.read_text())
        results["times"] = all_times(options.model, options.threads)
        replace_results(options.output, results)
    elif options.data is None:
        parser.error("--data is required unless --only-times is given")
    else:
        write_results(options.output, measure(options))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print everything."""
    sam = load(options.model)
    earlier = json.loads(options.output.read_text()) if options.same_baselines else None
    baselines = {} if earlier is None else baselines_in(earlier, options.per_set)
    by_set = quality(sam, held_out(options.data, options.per_set), baselines)
    print_table("Mean IoU, and boundary F of the masks by box", *rows_of(by_set, COLUMNS))
    means = by_set[MEAN]
    print(
        f"\nPredicted IoU, mean over sets: calibration error "
        f"{means['iou_calibration_error']:.3f}, bias {means['iou_bias']:+.3f}"
    )
    found: dict[str, dict[str, float]] = {}
    if options.everything_per_set:
        found = everything(sam, held_out(options.data, options.everything_per_set))
        print_table(
            f"Everything: {json.dumps(asdict(sam.config.everything))}",
            *rows_of(found, EVERYTHING_COLUMNS),
        )
    results = {
        "machine": machine(),
        "versions": versions("anymask", "torch", "numpy"),
        **model_facts(sam, options.model),  # includes "weights_sha256"
        "images_per_set": options.per_set,
        "by_set": by_set,
        "everything": {
            "images_per_set": options.everything_per_set,
            "thresholds": asdict(sam.config.everything),
            "by_set": found,
        },
    }
    if not options.no_times:
        results["times"] = all_times(options.model, options.threads)
    return results


def all_times(model: str | None, threads: int) -> dict[str, Any]:
    """Measure and print the times in both dtypes."""
    dtypes = ("float32", "bfloat16")
    took = {dtype: times(load(model, device="cpu", dtype=dtype)) for dtype in dtypes}
    names = list(took["float32"])
    print_table(
        f"Milliseconds, {threads} threads",
        ["", *names],
        [[dtype, *(f"{of[name]:.0f}" for name in names)] for dtype, of in took.items()],
    )
    return {"threads": threads, "machine": machine(), "milliseconds": took}


if __name__ == "__main__":
    main()
