"""A folder of images measured into one table: images a minute, and memory that does not grow.

    python -m benchmarks.folder                     # a minute or two

Images of 1,000×750 pixels with 40 objects each are drawn to a temporary folder, with their masks as
label images. Measured, each in a process of its own: `anymask.measure_folder` with all properties
and one value of pixels, over a quarter of the images and over all of them.

Prints a table and writes benchmarks/results/folder.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import anymask
from anymask.io.results import save_labels
from benchmarks.measure import (
    machine,
    peak_mb,
    print_table,
    report,
    resident_mb,
    run_fresh,
    versions,
    write_results,
)

HERE = Path(__file__).parent
HEIGHT, WIDTH, ACROSS, DOWN = 750, 1000, 8, 5
VALUE = {"exg": "2*green - red - blue"}


def draw(folder: Path, images: int) -> None:
    """Write images of discs, and their label images."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for number in range(images):
        labels = np.zeros((HEIGHT, WIDTH), np.uint16)
        for index in range(ACROSS * DOWN):
            row, column = divmod(index, ACROSS)
            centre = (row + 0.5) * HEIGHT / DOWN, (column + 0.5) * WIDTH / ACROSS
            inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < rng.integers(20, 60) ** 2
            labels[inside] = index + 1
        picture = rng.integers(0, 120, (HEIGHT, WIDTH, 3), np.uint8)
        picture[labels > 0, 1] += 100
        (folder / "images").mkdir(exist_ok=True)
        (folder / "masks").mkdir(exist_ok=True)
        name = f"{number:04d}"
        tifffile.imwrite(folder / "images" / f"{name}.tif", picture, photometric="rgb")
        save_labels(folder / "masks" / f"{name}.labels.tif", labels)


def measured(config: dict[str, Any]) -> dict[str, Any]:
    """Measure the first images of a folder; seconds and memory of this process."""
    folder = Path(config["folder"])
    names = sorted((folder / "images").iterdir())[: config["images"]]
    with tempfile.TemporaryDirectory() as out:
        table = Path(out) / "all.csv"
        anymask.measure_folder(names[:1], folder / "masks", table, values=VALUE)  # imports
        before, wall, cpu = resident_mb(), time.perf_counter(), time.process_time()
        done = anymask.measure_folder(names, folder / "masks", table, values=VALUE, overwrite=True)
        return {
            "images": len(done.done),
            "rows": done.rows,
            "seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
            "resident_mb_before": before,
            "peak_mb": peak_mb(),
        }


def main() -> None:
    """Draw the images, measure them, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "folder.json")
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), options.images)
        for images in (max(1, options.images // 4), options.images):
            config = {"folder": folder, "images": images}
            found.append(run_fresh(Path(__file__), "measure", config, f"{images} images"))
    rows = [
        [
            f"{row['images']} images, {row['rows']:,} objects",
            f"{60 * row['images'] / row['seconds']:.0f}",
            f"{1000 * row['cpu_seconds'] / row['images']:.0f}",
            f"{row['peak_mb']:.0f}",
        ]
        for row in found
    ]
    header = ["measure into one CSV", "images a minute", "CPU ms an image", "peak MB"]
    print_table(f"Images of {WIDTH}×{HEIGHT} pixels with {ACROSS * DOWN} objects", header, rows)
    write_results(options.output, {"machine": machine(), "versions": versions(), "measure": found})


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "measure":
        report(measured(json.loads(sys.argv[2])))
    else:
        main()
