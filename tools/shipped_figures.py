"""Figures of the shipped weights on a few freely available images, for a regression test.

Usage: python -m tools.shipped_figures

Writes `tests/recipes/shipped_model_figures.json`, which `test_shipped_model_figures.py` compares
with the shipped weights. Run it whenever new weights are shipped. The images are scenes of
`recipes/small/synthetic.py`, similar to training images, and scikit-image's coins. The figures
therefore show whether the weights have changed, not how good they are.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data, filters, segmentation

from anymask import load
from anymask.checkpoints.registry import SMALL_SHA256
from anymask.datasets.types import Example
from anymask.evaluation.protocols import quick_figures
from recipes.small.synthetic import draw_scene

TARGET = Path(__file__).parents[1] / "tests" / "recipes" / "shipped_model_figures.json"
SCENES = (
    "fluorescence",
    "smear",
    "objects",
    "wares",
    "leaves",
    "endoscopy",
    "ultrasound",
    "grains",
)
SIDE = 256
FIGURES = (
    "click1_single",
    "click1_oracle",
    "click5",
    "box",
    "boundary_f_box",
    "iou_calibration_error",
)
OBJECTS = 4  # per image


def drawn_examples() -> list[Example]:
    """One scene per family, each with its own seed."""
    examples = []
    for seed, kind in enumerate(SCENES):
        scene = draw_scene(np.random.default_rng(seed), SIDE, kind=kind)
        ids = [i for i in np.unique(scene.labels) if i]
        masks = [mask for i in ids if (mask := scene.labels == i).sum() >= 100]
        examples.append(Example(kind, scene.image, masks, "drawn"))
    return examples


def coins_example() -> Example:
    """scikit-image's coins, with masks from a watershed.

    The gradient (Sobel) is flooded from certain background (below 30) and certain coin (above 150),
    as in scikit-image's tutorial on regions. Holes are filled; objects below 500 pixels and objects
    that touch the border are dropped.
    """
    grey: NDArray[np.uint8] = data.coins()
    markers = np.zeros(grey.shape, np.int32)
    markers[grey < 30], markers[grey > 150] = 1, 2
    flooded = segmentation.watershed(filters.sobel(grey), markers) == 2
    labels, count = ndimage.label(ndimage.binary_fill_holes(flooded))
    labels = segmentation.clear_border(labels)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    masks = [labels == i for i in range(1, count + 1) if sizes[i] >= 500]
    return Example("coins", np.repeat(grey[..., None], 3, 2), masks, "coins")


def measure() -> dict[str, dict[str, float]]:
    """Figures by set, in float32."""
    sam = load(device="cpu", dtype="float32")
    examples = [*drawn_examples(), coins_example()]
    _, by_set = quick_figures(sam, examples, max_objects=OBJECTS)
    return {name: {f: round(of_set[f], 4) for f in FIGURES} for name, of_set in by_set.items()}


def main() -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    found = {"weights": SMALL_SHA256, "figures": measure()}
    TARGET.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
