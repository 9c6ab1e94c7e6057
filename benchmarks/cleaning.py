"""Cleaning masks: CPU time for 5,000 objects, and how well touching nuclei are split.

    python -m benchmarks.cleaning                        # some minutes
    python -m benchmarks.cleaning --nuclei FOLDER        # also splits annotated nuclei

Measured, in CPU seconds (minimum over repetitions):

- Each operation on 5,000 ragged ellipses of about 50×50 pixels in an image of 4000×4000 pixels, as
  a label image and as a `MaskSet`; and overlap removal for the same masks grown by five pixels.
- With --nuclei, a folder of label images (PNG): how many nuclei are recovered (IoU above one half)
  after all are merged into one mask, by connected components, by `split_touching`, and by the usual
  method of scikit-image, `peak_local_max` of the distance and `watershed`.

Prints tables and writes benchmarks/results/cleaning.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

import anymask
from anymask.masks import choose, clean, flatten, nesting, overlap, restrict, split
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import map_objects
from benchmarks.measure import machine, peak_mb, print_table, versions, write_results

HERE = Path(__file__).parent
SIDE, CELL, OBJECTS = 4000, 56, 5000
PICTURES = 60

OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "fill_holes": clean.fill_holes,
    "remove_small_objects": lambda masks: clean.remove_small_objects(masks, 500),
    "keep_largest_component": clean.keep_largest_component,
    "smooth, radius 2": lambda masks: clean.smooth(masks, 2),
    "smooth, radius 5": lambda masks: clean.smooth(masks, 5),
    "clear_border": clean.clear_border,
    "restrict": lambda masks: restrict.restrict(masks, (500, 500, 3000, 3300)),
    "split_touching": split.split_touching,
    "nesting": nesting.nesting,
    "keep by condition": lambda masks: choose.keep(masks, "area > 500 and circularity > .5"),
    "keep by ids": lambda masks: choose.keep(masks, "1-2000,3000-4000"),
}
OVERLAPPING: dict[str, Callable[[Any], Any]] = {
    "overlaps": overlap.overlaps,
    "merge_overlapping": lambda masks: overlap.merge_overlapping(masks, 0.3),
    "to_label_image, smallest": flatten.to_label_image,
    "to_label_image, split": lambda masks: flatten.to_label_image(masks, "split"),
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Measure the cleaning of masks.")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--nuclei", type=Path, help="folder of label images as PNG")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "cleaning.json")
    options = parser.parse_args()
    results: dict[str, Any] = {
        "machine": machine(),
        "versions": {
            "anymask": anymask.__version__,
            **versions("numpy", "scipy", "scikit-image"),
        },
        "seconds": measure(options.repeats),
        "peak_mb": round(peak_mb()),
    }
    rows = [
        (name, *(f"{seconds[form]:.2f}" if form in seconds else "" for form in ("labels", "set")))
        for name, seconds in results["seconds"].items()
    ]
    print_table(
        f"{OBJECTS:,} objects in {SIDE}×{SIDE} pixels, CPU seconds",
        ("operation", "label image", "MaskSet"),
        rows,
    )
    if options.nuclei is not None:
        results["nuclei"] = split_nuclei(options.nuclei)
        print_table(
            f"Touching nuclei of {results['nuclei']['pictures']} images",
            ("how", "nuclei", "found", "matched", "F1"),
            [
                (name, *(str(v) for v in row.values()))
                for name, row in results["nuclei"]["ways"].items()
            ],
        )
    write_results(options.output, results)


def ragged_ellipses() -> NDArray[np.uint16]:
    """Label image of ellipses with ragged edges on a jittered grid."""
    rng = np.random.default_rng(0)
    labels = np.zeros((SIDE, SIDE), np.uint16)
    per_row = SIDE // CELL
    for number in range(OBJECTS):
        y, x = (CELL // 2 + CELL * n + rng.integers(-4, 5) for n in divmod(number, per_row))
        a, b = rng.uniform(14, 27, 2)
        angle = rng.uniform(0, np.pi)
        window = tuple(slice(max(0, c - 30), min(SIDE, c + 31)) for c in (y, x))
        dy, dx = np.mgrid[window] - np.array([y, x])[:, None, None]
        u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        rim = 1 + 0.15 * rng.standard_normal(u.shape)
        labels[window][(u / a) ** 2 + (v / b) ** 2 < rim] = number + 1
    return labels


def measure(repeats: int) -> dict[str, dict[str, float]]:
    """CPU seconds of each operation on a label image and on a `MaskSet`."""
    labels = ragged_ellipses()
    masks = MaskSet.from_labels(labels)
    grown = map_objects(masks, lambda p: ndimage.binary_dilation(p, iterations=5), margin=6)
    seconds: dict[str, dict[str, float]] = {}
    for name, operation in OPERATIONS.items():
        seconds[name] = {
            "labels": least(operation, lambda: labels, repeats),
            "set": least(operation, lambda: fresh(masks), repeats),
        }
    for name, operation in OVERLAPPING.items():
        seconds[name] = {"set": least(operation, lambda: fresh(grown), repeats)}
    return seconds


def fresh(masks: MaskSet) -> MaskSet:
    """The same `MaskSet` without its cached values."""
    return masks.with_ids(masks.ids)


def least(operation: Callable[[Any], Any], masks: Callable[[], Any], repeats: int) -> float:
    """Minimum CPU seconds over some runs."""
    times = []
    for _ in range(repeats):
        given = masks()
        start = time.process_time()
        operation(given)
        times.append(time.process_time() - start)
    return round(min(times), 3)


def split_nuclei(folder: Path) -> dict[str, Any]:
    """Merge all nuclei of an image into one mask, split it, and compare."""
    files = sorted(folder.glob("*.png"))
    chosen = np.random.default_rng(1).permutation(len(files))[:PICTURES]
    pictures = [np.asarray(Image.open(files[i])) for i in chosen]
    ways: dict[str, Callable[[NDArray[np.bool_]], NDArray[Any]]] = {
        "connected components": lambda mask: ndimage.label(mask, np.ones((3, 3)))[0],
        "split_touching": split.split_touching,
        "split_touching, depth 1.5": lambda mask: split.split_touching(mask, min_depth=1.5),
        **{f"peak_local_max, {d}": lambda mask, d=d: usual_recipe(mask, d) for d in (3, 5, 8, 12)},
    }
    found: dict[str, Any] = {}
    for name, way in ways.items():
        nuclei, parts, matched = np.sum([compare(p, way(p > 0)) for p in pictures], 0).tolist()
        f1 = round(2 * matched / (nuclei + parts), 3)
        found[name] = {"nuclei": nuclei, "found": parts, "matched": matched, "f1": f1}
    return {"pictures": len(pictures), "ways": found}


def usual_recipe(mask: NDArray[np.bool_], min_distance: int) -> NDArray[Any]:
    """Watershed of the distance from its local maxima, as in tutorials."""
    distance = ndimage.distance_transform_edt(mask)
    peaks = peak_local_max(distance, min_distance=min_distance, labels=ndimage.label(mask)[0])
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, markers, mask=mask)


def compare(truth: NDArray[Any], parts: NDArray[Any]) -> tuple[int, int, int]:
    """Numbers of nuclei, of parts, and of nuclei matched by a part with an IoU above one half."""
    _, nuclei = np.unique(np.append(truth, 0), return_inverse=True)
    _, found = np.unique(np.append(parts, 0), return_inverse=True)
    shape = (nuclei.max() + 1, found.max() + 1)
    shared = np.bincount(np.ravel_multi_index((nuclei, found), shape), minlength=np.prod(shape))
    shared = shared.reshape(shape)
    union = shared.sum(1)[1:, None] + shared.sum(0)[None, 1:] - shared[1:, 1:]
    matched = (shared[1:, 1:] > union / 2).any(1) if shape[1] > 1 else np.zeros(0, bool)
    return shape[0] - 1, shape[1] - 1, int(np.count_nonzero(matched))


if __name__ == "__main__":
    main()
