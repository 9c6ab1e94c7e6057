"""The napari window: from the click to the mask on the canvas, and how long steps keep its thread.

    xvfb-run -a -s "-screen 0 1366x768x24" python -m benchmarks.window_clicks
    xvfb-run -a -s "-screen 0 1366x768x24" python -m benchmarks.window_clicks --quick

The real window opens with a photograph of scikit-image. Points are set as with the mouse, one and
then a second one on each object, and the time until the preview is in napari's layer is measured,
including the change of threads and the drawing of the layer. The models are the shipped model and a
ViT-B with random weights, whose masks are meaningless but take as long. Reported are the median,
the 90th percentile, the CPU time of all threads, which other work on the machine disturbs less, and
the time to encode the image.

Then two images of 8000×8000 pixels are opened, painted, clicked and edited, and a session of 200
images with 1,024 objects in some is opened and looked through. For each step the
longest time is reported for which the window's thread worked without a break (`ui_thread.py`), and
what napari needs for the same without anymask.

Needs `anymask[napari]` and a screen, such as Xvfb. Prints a table and writes
benchmarks/results/window_clicks.json.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import anymask
from benchmarks.measure import machine, print_table, versions, write_results
from benchmarks.random_weights import write_random_vit_b
from benchmarks.ui_thread import GOAL_MS, napari_alone, watched, watched_many

HERE = Path(__file__).parent
GOALS_MS = {"shipped": 150.0, "vit_b": 300.0}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Measure clicks in the window.")
    parser.add_argument("--quick", action="store_true", help="10 clicks, shipped model only")
    parser.add_argument("--clicks", type=int, default=40, help="clicks per model")
    parser.add_argument("--side", type=int, default=8000, help="side of large images, 1600 or more")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "window_clicks.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anymask-benchmark-") as name:
        folder = Path(name)
        alone = napari_alone(folder, options.side)
        found, blocks = measure(
            folder, 10 if options.quick else options.clicks, options.side, options.quick
        )
    rows = [
        [
            model,
            f"{row['median_ms']:.0f}",
            f"{row['of_ten_nine_ms']:.0f}",
            f"{row['median_cpu_ms']:.0f}",
            f"{GOALS_MS[model]:.0f}",
            f"{row['encode_seconds']:.1f}",
            row["dtype"],
        ]
        for model, row in found.items()
    ]
    print_table(
        "Clicks in the window",
        ["model", "median ms", "9 of 10", "CPU ms", "goal", "encode s", "precision"],
        rows,
    )
    print_table(
        f"Longest work of the window's thread, {options.side}×{options.side} pixels",
        ["step", "own ms", "clock ms", "goal"],
        [
            [step, f"{row['own_ms']:.0f}", f"{row['clock_ms']:.0f}", goal]
            for goal, rows in ((f"{GOAL_MS:.0f}", blocks), ("", by_napari(alone)))
            for step, row in rows.items()
        ],
    )
    write_results(
        options.output,
        {
            "machine": machine(),
            "versions": {"anymask": anymask.__version__, **versions("torch", "napari", "numpy")},
            "picture": "skimage.data.coffee, 400×600",
            "goals_ms": GOALS_MS,
            "clicks": found,
            "large_images": {
                "side": options.side,
                "goal_ms": GOAL_MS,
                "longest": blocks | by_napari(alone),
            },
        },
    )


def by_napari(alone: dict[str, Any]) -> dict[str, Any]:
    """Name the rows of napari alone."""
    return {f"napari alone: {step}": row for step, row in alone.items()}


def measure(
    folder: Path, clicks: int, side: int, only_shipped: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Work on large images; then click with one model after the other."""
    from skimage import data

    os.environ["ANYMASK_SESSIONS"] = str(folder / "sessions")
    from anymask.napari.model_loading import ANY, Choice
    from anymask.napari.window import open_window

    picture = folder / "coffee.png"
    Image.fromarray(data.coffee()).save(picture)
    choices = {"shipped": Choice()}
    if not only_shipped:
        write_random_vit_b(folder / "random_vit_b.pth")
        choices["vit_b"] = Choice(ANY, str(folder / "random_vit_b.pth"))
    viewer, panel = open_window()
    try:
        blocks = watched(panel, folder, side) | watched_many(panel, folder, 200)
        panel.images.add([picture])
        _wait(lambda: panel.canvas.layer is not None and panel.control.record.name == "coffee")
        found = {}
        for name, choice in choices.items():
            panel.models.load(choice)
            _wait(lambda: not panel.control.tasks.is_busy and panel.control.sam is not None)
            found[name] = _clicked(panel, clicks)
        return found, blocks
    finally:
        panel.shut()
        viewer.close()


def _clicked(panel: Any, clicks: int) -> dict[str, Any]:
    """Set points and measure the time until their mask is shown."""
    panel.clicks.start()
    _wait(lambda: panel.clicks.is_ready)
    encoding = panel.clicks.ready.seconds
    height, width = panel.control.record.size
    rng, seconds, spent = np.random.default_rng(0), [], []
    for number in range(clicks + 2):
        if number % 2 == 0:
            panel.clicks.clear()
        place = (float(rng.uniform(5, width - 5)), float(rng.uniform(5, height - 5)))
        panel.clicks.latency = None
        before = time.process_time()
        panel.clicks.add_points([place], 1)
        _wait(lambda: panel.clicks.latency is not None)
        seconds.append(panel.clicks.latency)
        spent.append(time.process_time() - before)
    ms = [1000 * value for value in seconds[2:]]  # the first two are warm-up
    dtype = str(panel.control.sam.dtype).removeprefix("torch.")
    panel.clicks.stop()
    return {
        "median_ms": statistics.median(ms),
        "of_ten_nine_ms": float(np.quantile(ms, 0.9)),
        "median_cpu_ms": 1000 * statistics.median(spent[2:]),
        "all_ms": [round(value, 1) for value in ms],
        "encode_seconds": encoding,
        "dtype": dtype,
    }


def _wait(until: Callable[[], object], seconds: float = 600) -> None:
    """Run the window's event loop until a condition holds.

    Raises
    ------
    TimeoutError
        If this takes too long.
    """
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("The window did not reach the expected state in time.")
        QApplication.processEvents()
        time.sleep(0.001)


if __name__ == "__main__":
    main()
