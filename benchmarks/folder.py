"""A day's work over a folder: everything, clean, measure with a value of pixels, one table.

    python -m benchmarks.folder                 # 200 images: 10 to 20 minutes on a quiet core
    python -m benchmarks.folder --images 8      # a quick look, a minute

Images of 1,000×750 pixels with 40 objects each are drawn to a temporary folder, and the three
commands are given as a user gives them, with the shipped model, one process and one thread. A
quarter of the images, then all of them, each in a process of its own. Measured:

- images a minute, by the clock and by processor time, which other work disturbs less;
- processor time of each part, in milliseconds an image: the network (encoder and decoder), the rest
  of "everything", cleaning, and measuring; and the share of all that is not the network;
- the highest memory of the process, which must not grow with the number of images;
- what the results take on the disk, and how long each image took, for `benchmarks.folder_cluster`.

Prints tables and writes benchmarks/results/folder.json.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import (
    machine,
    peak_mb,
    print_table,
    report,
    run_fresh,
    versions,
    write_results,
)

HERE = Path(__file__).parent
HEIGHT, WIDTH, ACROSS, DOWN = 750, 1000, 8, 5
OBJECTS = ACROSS * DOWN
VALUE = "ngrdi=(green - red) / (green + red)"
STEPS = ("everything", "clean", "measure")


def draw(folder: Path, images: int) -> None:
    """Write images of green ellipses on brown ground."""
    import numpy as np
    from PIL import Image
    from skimage.draw import ellipse

    folder.mkdir()
    for number in range(images):
        rng = np.random.default_rng(number)
        image = np.array([110, 85, 60]) + rng.normal(0, 9, (HEIGHT, WIDTH, 3))
        for index in range(OBJECTS):
            row, column = divmod(index, ACROSS)
            centre = (row + 0.5) * HEIGHT / DOWN, (column + 0.5) * WIDTH / ACROSS
            y, x = np.array(centre) + rng.integers(-9, 10, 2)
            where = ellipse(y, x, *rng.integers(20, 48, 2), (HEIGHT, WIDTH))
            image[where] += np.array([-40, 60, -20]) * rng.uniform(0.6, 1.2)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{number:04}.png")


def timed(seconds: Counter[str], cls: type, name: str) -> None:
    """Count the processor time of a method, in whichever thread it runs."""
    method: Callable[..., Any] = getattr(cls, name)

    @functools.wraps(method)
    def wrapper(*args: Any, **options: Any) -> Any:
        began = time.thread_time()
        try:
            return method(*args, **options)
        finally:
            seconds["network"] += time.thread_time() - began

    setattr(cls, name, wrapper)


def done(config: dict[str, Any]) -> dict[str, Any]:
    """Give the three commands for a folder; seconds, memory and bytes."""
    from anymask.cli.app import app
    from anymask.model.sam import Sam

    seconds: Counter[str] = Counter()
    timed(seconds, Sam, "encode_image")
    timed(seconds, Sam, "decode")
    photos = Path(config["photos"])

    def run(step: str, *words: str | Path) -> None:
        app([step, *map(str, words)], standalone_mode=False)

    def work(photos: Path, out: Path, *quickly: str) -> None:
        masks, cleaned, table = out / "masks", out / "cleaned", out / "all.csv"
        tidy = ("--fill-holes", "all", "--min-part", "50", "--smooth", "2")
        words: dict[str, tuple[str | Path, ...]] = {
            "everything": (photos, "-o", masks, *quickly),
            "clean": (masks, "--images", photos, *tidy, "-o", cleaned),
            "measure": (photos, cleaned, "-o", table, "--value", VALUE),
        }
        for step in STEPS:
            began = time.process_time()
            run(step, *words[step])
            seconds[step] += time.process_time() - began

    with tempfile.TemporaryDirectory() as folder:
        work(Path(config["warm_up"]), Path(folder), "--points-per-side", "4")  # imports
        seconds.clear()
        out, began = Path(folder) / "out", time.perf_counter()
        work(photos, out)
        wall = time.perf_counter() - began
        rows = (out / "all.csv").read_text().count("\n") - 1
        steps = map(json.loads, (out / "masks" / "job.jsonl").read_text().splitlines())
        return {
            "images": len(list(photos.iterdir())),
            "rows": rows,
            "wall_seconds": wall,
            "cpu_seconds": dict(seconds),
            "peak_mb": peak_mb(),
            "result_bytes": {
                what: sum(p.stat().st_size for p in out.rglob(f"*{what}*"))
                for what in (".overlay.", ".labels.", ".csv", ".json")
            },
            "seconds_of_images": [step["seconds"] for step in steps if "seconds" in step],
        }


def main() -> None:
    """Draw the images, give the commands, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "folder.json")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        draw(folder / "warm_up", 2)
        for images in sorted({max(2, options.images // 4), options.images}):
            photos = folder / str(images)
            draw(photos, images)
            config = {"photos": str(photos), "warm_up": str(folder / "warm_up")}
            found.append(run_fresh(Path(__file__), "done", config, f"{images} images"))
    rows, shares = [], []
    for each in found:
        cpu, count = each["cpu_seconds"], each["images"]
        whole = sum(cpu[step] for step in STEPS)
        parts = (cpu["network"], cpu["everything"] - cpu["network"], cpu["clean"], cpu["measure"])
        each["share_of_other_parts"] = 1 - cpu["network"] / whole
        each["images_a_minute"] = 60 * count / each["wall_seconds"]
        rows.append(
            [
                f"{count} images, {each['rows']:,} objects",
                f"{each['images_a_minute']:.1f}",
                f"{60 * count / whole:.1f}",
                f"{each['peak_mb']:.0f}",
                f"{sum(each['result_bytes'].values()) / count / 1000:.0f}",
            ]
        )
        shares.append(
            [
                f"{count} images",
                *(f"{1000 * part / count:.0f}" for part in parts),
                f"{100 * each['share_of_other_parts']:.1f} %",
            ]
        )
    title = f"Images of {WIDTH}×{HEIGHT} pixels with {OBJECTS} objects: {', '.join(STEPS)}"
    header = ["", "a minute", "a CPU minute", "peak MB", "kB an image"]
    print_table(title, header, rows)
    header = ["CPU ms an image", "network", "rest of everything", "clean", "measure", "not network"]
    print_table("Where the processor time goes", header, shares)
    write_results(options.output, {"machine": machine(), "versions": versions(), "runs": found})


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "done":
        report(done(json.loads(sys.argv[2])))
    else:
        main()
