"""Pseudo-RGB of a cube, compared with the same formulas written directly in NumPy.

Usage: python -m benchmarks.pseudo_rgb [--size N] [--bands N] [--repeats N]

Three formulas (NDVI, PRI and a red-edge ratio) of a float32 cube with 1000×1000 pixels and 200
bands, in memory in each of the three orders that files use. Both sides compute

- the three results as floats (`anymask.band_math` and NumPy's operators), and
- an 8-bit image, stretched between two percentiles (`anymask.pseudo_rgb` and NumPy).

Times are CPU milliseconds, the minimum over several repetitions. Memory is the peak of NumPy's
allocations above the cube, in bands of the cube.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.images.band_math import band_math
from anymask.images.image import Image
from anymask.images.pseudo_rgb import pseudo_rgb
from benchmarks.measure import machine, print_table, report, run_fresh, versions, write_results

RESULTS = Path(__file__).parent / "results" / "pseudo_rgb.json"
LAYOUTS = {"bip": (0, 1, 2), "bil": (0, 2, 1), "bsq": (2, 0, 1)}
"""Order of rows (0), columns (1) and bands (2) in memory."""

FORMULAS = (
    "(nm(860) - nm(680)) / (nm(860) + nm(680))",
    "(nm(531) - nm(570)) / (nm(531) + nm(570))",
    "nm(800) / nm(720) - 1",
)
PERCENTILES = (0.5, 99.5)


def directly(image: Image) -> list[NDArray[np.float32]]:
    """What a user would write who knows the band numbers."""
    nm, cube = image.wavelengths, image.array
    assert nm is not None

    def band(wavelength: float) -> NDArray[np.float32]:
        return cube[:, :, int(np.abs(nm - wavelength).argmin())]

    return [
        (band(860) - band(680)) / (band(860) + band(680)),
        (band(531) - band(570)) / (band(531) + band(570)),
        band(800) / band(720) - 1,
    ]


def picture_directly(image: Image) -> NDArray[np.uint8]:
    """The same as an 8-bit image."""
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    for sample, values in enumerate(directly(image)):
        low, high = np.percentile(values, PERCENTILES)
        rgb[..., sample] = np.rint(np.clip((values - low) / (high - low), 0, 1) * 255)
    return rgb


def cube(size: int, bands: int, layout: str) -> Image:
    """A noise cube from 400 to 1000 nm, in a memory order."""
    order = LAYOUTS[layout]
    shape = (size, size, bands)
    rng = np.random.default_rng(0)
    stored = rng.random([shape[axis] for axis in order], dtype=np.float32)
    stored += np.float32(0.01)
    array = stored.transpose(np.argsort(order))
    return Image(array, "YXC", wavelengths=np.linspace(400, 1000, bands))


def measure(layout: str, size: int, bands: int, repeats: int) -> dict[str, Any]:
    """Times, memory, and the difference between the results of both sides."""
    image = cube(size, bands, layout)
    calls: dict[str, Callable[[], Any]] = {
        "numpy_floats": lambda: directly(image),
        "anymask_floats": lambda: [band_math(image, formula) for formula in FORMULAS],
        "numpy_picture": lambda: picture_directly(image),
        "anymask_picture": lambda: pseudo_rgb(image, *FORMULAS),
    }
    band_bytes = size * size * 4
    found: dict[str, Any] = {}
    for name, call in calls.items():
        found[f"{name}_ms"] = least_ms(call, repeats)
        found[f"{name}_bands"] = peak_bytes(call) / band_bytes
    pairs = zip(directly(image), [band_math(image, formula) for formula in FORMULAS], strict=True)
    found["largest_difference"] = max(float(np.abs(a - b).max()) for a, b in pairs)
    steps = pseudo_rgb(image, *FORMULAS).rgb.astype(int) - picture_directly(image)
    found["largest_difference_of_pictures"] = int(np.abs(steps).max())
    return found


def least_ms(call: Callable[[], Any], repeats: int) -> float:
    """The minimum CPU time of a call, after one warm-up call."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times) * 1000


def peak_bytes(call: Callable[[], Any]) -> int:
    """Peak allocation during a call, including its result."""
    tracemalloc.start()
    try:
        kept = call()
        peak = tracemalloc.get_traced_memory()[1]
        del kept
    finally:
        tracemalloc.stop()
    return peak


def main() -> None:
    """Measure each memory order in its own process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", type=int, default=1000, help="rows and columns")
    parser.add_argument("--bands", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    rows = []
    for layout in LAYOUTS:
        config = {
            "layout": layout,
            "size": options.size,
            "bands": options.bands,
            "repeats": options.repeats,
        }
        found = run_fresh(Path(__file__), "measure", config, layout)
        for what in ("floats", "picture"):
            ratio = found[f"anymask_{what}_ms"] / found[f"numpy_{what}_ms"]
            found[f"{what}_time_ratio"] = ratio
            rows.append(
                (
                    f"{layout} {what}",
                    f"{found[f'numpy_{what}_ms']:.1f}",
                    f"{found[f'anymask_{what}_ms']:.1f}",
                    f"{ratio:.2f}",
                    f"{found[f'numpy_{what}_bands']:.1f}",
                    f"{found[f'anymask_{what}_bands']:.1f}",
                )
            )
        found["picture_to_bare_formula_ratio"] = (
            found["anymask_picture_ms"] / found["numpy_floats_ms"]
        )
        results[layout] = found
    header = ("", "NumPy ms", "anymask ms", "ratio", "NumPy bands", "anymask bands")
    print_table("CPU time, and memory beyond the cube", header, rows)
    write_results(
        options.output,
        {
            "machine": machine(),
            "versions": versions("anymask", "numpy"),
            "formulas": FORMULAS,
            "shape": [options.size, options.size, options.bands],
            "layouts": results,
        },
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        import json

        report(measure(**json.loads(sys.argv[2])))
    else:
        main()
