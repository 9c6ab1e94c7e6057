"""Cost of fine-tuning: a step compared with the usual notebook loop, and a whole run.

    python -m benchmarks.finetune            # ten minutes on two cores, most of it for the loop
    python -m benchmarks.finetune --quick    # 3 steps and 2 epochs

Measured, each in a fresh process:

- Seconds per step of the usual notebook loop: `transformers.SamModel` with frozen image and prompt
  encoders, a batch of images with one box each through the whole model, Dice loss, Adam at 1e-5.
- Seconds per step of `anymask.finetune` in steady state, with the same model size and random
  weights: the same number of images per step, one box each, Dice loss, Adam; embeddings are already
  on disk. Measured in the dtype that anymask chooses here, and in float32 as the loop. The time to
  encode all images once is listed separately.
- The peak memory of both, above that of the process before it loads the model.
- Wall-clock seconds of a whole run with the shipped model: 100 synthetic images and 20 epochs, from
  reading files to writing the model.

The images are synthetic: bright blobs on speckle. Their content does not change the time.

Prints tables and writes benchmarks/results/finetune.json. Runs on Linux, from the repository root,
with the development tools installed (``pip install -e .[dev]``).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import anymask
from benchmarks.measure import machine, print_table, run_fresh, versions, write_results

HERE = Path(__file__).parent
TASKS = HERE / "finetune_tasks.py"
STEP_GOAL, RUN_GOAL_SECONDS = 30.0, 180.0
IMAGES, EPOCHS = 100, 20


def main() -> None:
    """Measure, print and write."""
    options = parse_options()
    results: dict[str, Any] = {
        "machine": machine(),
        "versions": {
            "anymask": anymask.__version__,
            **versions("torch", "numpy", "transformers", "accelerate"),
        },
    }
    with tempfile.TemporaryDirectory(prefix="anymask-benchmark-") as name:
        inputs = {
            "folder": name,
            "images": 12 if options.quick else IMAGES,
            "steps": options.steps,
            "batch_size": options.batch_size,
            "threads": options.threads,
            "epochs": 2 if options.quick else EPOCHS,
        }
        run_fresh(TASKS, "write_inputs", inputs)
        results["inputs"] = {k: v for k, v in inputs.items() if k != "folder"}
        results["step"] = measure_steps(inputs)
        results["run"] = run_fresh(TASKS, "whole_run", inputs, "whole run, shipped model")
    print_results(results)
    write_results(options.output, results)


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Measure fine-tuning.")
    parser.add_argument("--quick", action="store_true", help="3 steps, 2 epochs of 12 images")
    parser.add_argument("--steps", type=int, help="steps of each loop; 20, or 3 with --quick")
    parser.add_argument("--batch-size", type=int, default=2, help="images per step")
    parser.add_argument("--threads", type=int, default=0, help="threads; torch decides by default")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "finetune.json")
    options = parser.parse_args()
    options.steps = options.steps or (3 if options.quick else 20)
    return options


def measure_steps(inputs: dict[str, Any]) -> list[dict[str, Any]]:
    """Run both loops, ours in both dtypes."""
    runs = [run_fresh(TASKS, "notebook_steps", inputs, "notebook loop, transformers")]
    for dtype in ("float32", "auto"):
        config = {**inputs, "dtype": dtype}
        runs.append(run_fresh(TASKS, "anymask_steps", config, f"anymask, {dtype}"))
    return runs


def print_results(results: dict[str, Any]) -> None:
    """Print the tables."""
    base, *ours = results["step"]
    print_table(
        f"One step: ViT-B, {base['batch_size']} images, one box each",
        ("", "seconds", "CPU seconds", "speed", "by CPU", "peak MB", "encoding once, per image"),
        [
            (
                f"{run['implementation']}, {run['dtype']}",
                f"{run['seconds']:.2f}",
                f"{run['cpu_seconds']:.2f}",
                f"{base['seconds'] / run['seconds']:.0f}×",
                f"{base['cpu_seconds'] / run['cpu_seconds']:.0f}×",
                f"{run['peak_mb']:.0f}",
                f"{run['encode_seconds']:.1f} s" if "encode_seconds" in run else "",
            )
            for run in (base, *ours)
        ],
    )
    print(f"  Goal: {STEP_GOAL:.0f}×. Medians over the steps after the first.")
    run = results["run"]
    print_table(
        f"A whole run: shipped model, {run['images']} images, {run['epochs']} epochs",
        ("", "seconds", "CPU seconds", "goal"),
        [("", f"{run['seconds']:.0f}", f"{run['cpu_seconds']:.0f}", f"{RUN_GOAL_SECONDS:.0f} s")],
    )


if __name__ == "__main__":
    main()
