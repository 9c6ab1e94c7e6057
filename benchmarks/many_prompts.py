"""Thousands of prompts in one image.

    python -m benchmarks.many_prompts                # a minute on a quiet core
    python -m benchmarks.many_prompts --prompts 500  # a quick look

Measured with the shipped model, wall and CPU seconds:

- The masks of 5,000 boxes in an image of 1000×750 pixels by `SamPredictor.predict_many`, and the
  same boxes through the decoder alone, which is what any program needs at least. The two take turns
  in portions, so that other work on the machine disturbs both alike. Also peak memory, and how much
  of it the masks need.

Prints a table and writes benchmarks/results/many_prompts.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skimage
import torch
from numpy.typing import NDArray

import anymask
from anymask.predict.everything.decoder_passes import prompts_per_pass
from benchmarks.measure import (
    machine,
    peak_mb,
    print_table,
    reset_peak,
    resident_mb,
    versions,
    write_results,
)

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1000, 750
PORTIONS = 20


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Measure work over files.")
    parser.add_argument("--prompts", type=int, default=5000, help="boxes in one image")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "many_prompts.json")
    options = parser.parse_args()
    results: dict[str, Any] = {
        "machine": machine(),
        "versions": {"anymask": anymask.__version__, **versions("numpy", "torch")},
        "boxes": boxes_in_one_image(options.prompts),
    }
    found = results["boxes"]
    print_table(
        f"{options.prompts:,} boxes in {WIDTH}×{HEIGHT} pixels, seconds",
        ("", "wall", "CPU"),
        [
            (name, f"{found[name]['wall']:.1f}", f"{found[name]['cpu']:.1f}")
            for name in ("decoder alone", "predict_many")
        ]
        + [("ratio", f"{found['ratio']['wall']:.2f}", f"{found['ratio']['cpu']:.2f}")],
    )
    if found["more_mb"] is not None:
        print(f"\n  all in one call: {found['more_mb']:.0f} MB more than before at most")
    write_results(options.output, results)


def boxes_in_one_image(count: int) -> dict[str, Any]:
    """Seconds of the decoder and of `predict_many` for the same boxes, and memory of one call."""
    sam = anymask.load()
    predictor = anymask.SamPredictor(sam)
    predictor.set_image(photograph())
    boxes = drawn_boxes(count)
    per_pass = prompts_per_pass(sam.device)
    assert predictor.original_size is not None
    framed = predictor.transform.apply_boxes(boxes, predictor.original_size)
    asked = torch.as_tensor(framed, dtype=torch.float32)

    @torch.no_grad()
    def decode(rows: NDArray[np.int64]) -> None:
        assert predictor.image_features is not None
        for start in range(0, len(rows), per_pass):
            some = asked[rows[start : start + per_pass]]
            sam.decode(predictor.image_features, boxes=some, multimask_output=False)

    def answer(rows: NDArray[np.int64]) -> None:
        predictor.predict_many(anymask.Prompts(boxes[rows]))

    ways: dict[str, Callable[[NDArray[np.int64]], None]] = {
        "decoder alone": decode,
        "predict_many": answer,
    }
    for way in ways.values():
        way(np.arange(min(count, 2 * per_pass)))
    seconds = {name: {"wall": 0.0, "cpu": 0.0} for name in ways}
    for rows in np.array_split(np.arange(count), min(PORTIONS, count)):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way(rows)
            seconds[name]["wall"] += time.perf_counter() - wall
            seconds[name]["cpu"] += time.process_time() - cpu
    reset_peak()
    before = resident_mb()
    answer(np.arange(count))
    peak = peak_mb()
    ratio = {
        kind: seconds["predict_many"][kind] / seconds["decoder alone"][kind]
        for kind in ("wall", "cpu")
    }
    more = None if peak is None or before is None else peak - before
    return {**seconds, "ratio": ratio, "prompts": count, "peak_mb": peak, "more_mb": more}


def photograph() -> NDArray[np.uint8]:
    """A photograph of the size of the measurement."""
    coffee = skimage.transform.resize(skimage.data.coffee(), (HEIGHT, WIDTH), preserve_range=True)
    return np.ascontiguousarray(coffee.round().astype(np.uint8))


def drawn_boxes(count: int) -> NDArray[np.float64]:
    """Boxes XYXY of 15 to 60 pixels, anywhere in the image."""
    rng = np.random.default_rng(0)
    sides = rng.uniform(15, 60, (count, 2))
    corners = rng.uniform(0, np.array([WIDTH, HEIGHT]) - 61, (count, 2))
    return np.hstack([corners, corners + sides])


if __name__ == "__main__":
    main()
