"""The engine's costs: import, first mask, and "everything" beside the `segment-anything` wheel.

    python benchmarks/engine.py            # some minutes to half an hour, by the machine
    python benchmarks/engine.py --quick    # an 8×8 grid of points, fewer repetitions

Measured, each in a fresh process:

- Import of `anymask` (median; the goal is under 0.3 s, without importing torch).
- From the start of Python to the first mask of a picture file with the shipped model (median).
- Time and memory of "everything" with a ViT-B of random weights in Meta's `.pth` layout, on a
  photograph of 1800×1200 pixels, in `anymask` and in the `segment-anything` wheel with the same
  settings in float32, and in `anymask` in the dtype that it chooses by itself. Memory is the
  process's peak beyond what it holds once the model is loaded.
- Whether the masks are the same.

Prints tables and writes benchmarks/results/engine.json. Runs on Linux, from the repository root,
with the development tools installed (``pip install -e .[dev]``).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measure import machine, print_table, run_fresh, versions, write_results

import anymask

HERE = Path(__file__).parent
TASKS = HERE / "engine_tasks.py"
PICTURE_SIZE = (1800, 1200)
IMPORT_GOAL_SECONDS = 0.3
# Nothing else is imported before, so that the package pays for all that it needs.
IMPORT_PROGRAM = """
import sys, time
wall, cpu = time.perf_counter(), time.process_time()
import anymask
print(time.perf_counter() - wall, time.process_time() - cpu, "torch" in sys.modules)
"""

# The random model's scores mean nothing, so the thresholds are set where some two fifths of all
# masks pass; and duplicates stay, because the boxes of most of these masks are the whole picture.
THRESHOLDS = {"pred_iou_thresh": 0.1, "stability_score_thresh": 0.8, "box_nms_thresh": 1.0}


def main() -> None:
    """Measure, print, write."""
    options = parse_options()
    results: dict[str, Any] = {
        "machine": machine(),
        "versions": {
            "anymask": anymask.__version__,
            **versions("torch", "numpy", "pillow", "segment-anything"),
        },
        "import": measure_import(options.repeats),
    }
    with tempfile.TemporaryDirectory(prefix="anymask-benchmark-") as name:
        folder = Path(name)
        inputs = {
            "picture": str(folder / "picture.png"),
            "checkpoint": str(folder / "random_vit_b.pth"),
            "picture_size": PICTURE_SIZE,
        }
        auto_dtype = run_fresh(TASKS, "write_inputs", inputs)["auto_dtype"]
        results["first_mask"] = measure_first_mask(inputs, options.model, options.repeats)
        results["everything"] = measure_everything(folder, inputs, auto_dtype, options)
    print_results(results)
    write_results(options.output, results)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure the engine.")
    parser.add_argument("--quick", action="store_true", help="8 points per side, 3 repetitions")
    parser.add_argument("--points-per-side", type=int, help="of the grid; 32, or 8 if --quick")
    parser.add_argument("--repeats", type=int, help="of the short measurements; 9, or 3 if --quick")
    parser.add_argument("--threads", type=int, default=0, help="of torch, if not its own choice")
    parser.add_argument("--model", help="weights for the first mask, if not the shipped model's")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "engine.json")
    options = parser.parse_args()
    options.points_per_side = options.points_per_side or (8 if options.quick else 32)
    options.repeats = options.repeats or (3 if options.quick else 9)
    return options


def measure_import(repeats: int) -> dict[str, Any]:
    """Median seconds of importing the package."""
    command = [sys.executable, "-c", IMPORT_PROGRAM]
    runs = [
        subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        for _ in range(repeats)
    ]
    seconds, cpu_seconds, imports_torch = zip(*(run.stdout.split() for run in runs), strict=True)
    return {
        "seconds": median(map(float, seconds)),
        "cpu_seconds": median(map(float, cpu_seconds)),
        "imports_torch": "True" in imports_torch,
        "repeats": repeats,
    }


def measure_first_mask(inputs: dict[str, Any], model: str | None, repeats: int) -> dict[str, Any]:
    """Median seconds from a cold start to the first mask, and of the steps in between."""
    runs = []
    for _ in range(repeats):
        config = {"picture": inputs["picture"], "model": model, "started": time.monotonic()}
        runs.append(run_fresh(TASKS, "first_mask", config))
    medians = {k: median(r[k] for r in runs) for k in runs[0] if k.endswith("seconds")}
    return {**runs[0], **medians, "picture_size": PICTURE_SIZE, "repeats": repeats}


def measure_everything(
    folder: Path, inputs: dict[str, Any], auto_dtype: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Time, memory and masks of both implementations, and how far the masks agree."""
    settings = {
        "points_per_side": options.points_per_side,
        "output_mode": "uncompressed_rle",
        **THRESHOLDS,
    }
    wanted = [("anymask", "float32"), ("segment-anything", "float32")]
    if auto_dtype != "float32":
        wanted.append(("anymask", auto_dtype))
    runs = []
    for implementation, dtype in wanted:
        label = f"{implementation}, {dtype}"
        masks = folder / f"{implementation}-{dtype}.npz"
        config = {
            **inputs,
            "implementation": implementation,
            "dtype": dtype,
            "settings": settings,
            "threads": options.threads,
            "masks": str(masks),
        }
        print(f"Everything: {label}", file=sys.stderr, flush=True)
        measured = run_fresh(TASKS, "everything", config, label)
        runs.append({"implementation": implementation, "dtype": dtype, **measured})
    agreement = compare_masks(
        folder / "anymask-float32.npz", folder / "segment-anything-float32.npz"
    )
    return {
        "picture_size": PICTURE_SIZE,
        "settings": settings,
        "candidates": 3 * options.points_per_side**2,
        "runs": runs,
        "agreement_float32": agreement,
    }


def compare_masks(ours: Path, theirs: Path) -> dict[str, Any]:
    """Count the masks that are the same at every pixel, and judge the others.

    Returns
    -------
    dict
        `identical`: masks that both have, pixel for pixel. `same_order`: whether both lists come
        from the same points in the same order. `lowest_iou`: over our other masks, the least IoU
        with the most similar of their masks from the same point; None if there are no others.
    """
    mine, peers = _read_masks(ours), _read_masks(theirs)
    waiting: dict[bytes, int] = {}
    for _, counts in peers:
        waiting[counts.tobytes()] = waiting.get(counts.tobytes(), 0) + 1
    others = []
    for point, counts in mine:
        if waiting.get(counts.tobytes(), 0):
            waiting[counts.tobytes()] -= 1
        else:
            others.append((point, counts))
    lowest = [
        max((_iou(counts, theirs) for at, theirs in peers if at == point), default=0.0)
        for point, counts in others
    ]
    return {
        "ours": len(mine),
        "theirs": len(peers),
        "identical": len(mine) - len(others),
        "same_order": [point for point, _ in mine] == [point for point, _ in peers],
        "lowest_iou": min(lowest, default=None),
    }


def _read_masks(path: Path) -> list[tuple[tuple[float, float], np.ndarray]]:
    """Each mask's prompt point and its run lengths."""
    with np.load(path) as file:
        points = [(round(x, 3), round(y, 3)) for x, y in file["points"]]
        ends = np.cumsum(file["lengths"])
        counts = np.split(file["counts"], ends[:-1]) if len(ends) else []
    return list(zip(points, counts, strict=True))


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    first, second = (np.repeat(np.arange(len(c)) % 2 == 1, c) for c in (a, b))
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 1.0


def print_results(results: dict[str, Any]) -> None:
    """Print the tables."""
    imported, first, everything = results["import"], results["first_mask"], results["everything"]
    torch = "imports torch" if imported["imports_torch"] else "torch not imported"
    print_table(
        "Start",
        ("", "seconds", "CPU seconds", ""),
        [
            (
                "import anymask",
                f"{imported['seconds']:.3f}",
                f"{imported['cpu_seconds']:.3f}",
                f"goal < {IMPORT_GOAL_SECONDS}; {torch}",
            ),
            (
                "cold start to first mask",
                f"{first['seconds']:.2f}",
                f"{first['cpu_seconds']:.2f}",
                f"import {first['import_and_read_seconds']:.2f}, load {first['load_seconds']:.2f}, "
                f"encode {first['encode_seconds']:.2f}, predict {first['predict_seconds']:.2f}",
            ),
        ],
    )
    runs = everything["runs"]
    base = next(run for run in runs if run["implementation"] == "segment-anything")
    width, height = PICTURE_SIZE
    print_table(
        f"Everything: ViT-B, {width}×{height}, {everything['candidates']} candidate masks",
        ("", "masks", "seconds", "encoder", "CPU seconds", "encoder", "speed", "peak MB", "memory"),
        [
            (
                f"{run['implementation']}, {run['dtype']}",
                str(run["masks"]),
                f"{run['seconds']:.1f}",
                f"{run['encoder_seconds']:.1f}",
                f"{run['cpu_seconds']:.1f}",
                f"{run['encoder_cpu_seconds']:.1f}",
                f"{base['cpu_seconds'] / run['cpu_seconds']:.1f}×",
                f"{run['peak_above_loaded_mb']:.0f}",
                f"1/{base['peak_above_loaded_mb'] / run['peak_above_loaded_mb']:.1f}",
            )
            for run in runs
        ],
    )
    print(
        "  Encoder: the part of it. Speed: by CPU seconds, which other work on the machine disturbs"
        " less.\n  Peak: memory beyond what the process holds once the model is loaded."
    )
    agreement = everything["agreement_float32"]
    print(
        f"  float32: {agreement['identical']} of {agreement['ours']} masks identical to the "
        f"wheel's {agreement['theirs']} at every pixel"
        + (", in the same order" if agreement["same_order"] else "")
        + (
            ""
            if agreement["lowest_iou"] is None
            else f"; lowest IoU of the others {agreement['lowest_iou']:.5f}"
        )
        + "."
    )


if __name__ == "__main__":
    main()
