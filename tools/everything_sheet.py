"""Results of "everything" on scikit-image's images, on one sheet for visual checks.

Usage: python -m tools.everything_sheet OUT.png [--model FILE] [--try .45,.7,.4,50 ...]

There is one row per image and one column per setting: first the model's own thresholds, then each
`--try` (predicted IoU, stability, overlap, area of specks, and "box" or "mask" for the kind of
overlap). An image is segmented once, at permissive thresholds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from skimage import data
from tools.tune_shipped import settings_of

from anymask import load
from anymask.datasets.types import Example
from anymask.evaluation.candidates import find_candidates
from anymask.evaluation.threshold_grid import ThresholdGrid
from anymask.images.normalize import to_rgb
from anymask.show import overlay

PICTURES = (
    "coins",
    "coffee",
    "chelsea",
    "immunohistochemistry",
    "astronaut",
    "rocket",
    "retina",
    "hubble_deep_field",
)
WIDTH = 400


def captioned(picture: np.ndarray, text: str) -> Image.Image:
    """An image at the width of a column, with a line of text on it."""
    image = Image.fromarray(picture)
    image = image.resize((WIDTH, round(image.height * WIDTH / image.width)))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, draw.textlength(text) + 7, 14), fill="black")
    draw.text((4, 2), text, fill="white")
    return image


def sheet(rows: list[list[Image.Image]], gap: int = 4) -> Image.Image:
    """Join rows of images; the images of a row have the same size."""
    heights = [row[0].height for row in rows]
    width = max(len(row) for row in rows) * (WIDTH + gap) - gap
    joined = Image.new("RGB", (width, sum(heights) + gap * (len(rows) - 1)), "white")
    y = 0
    for row, height in zip(rows, heights, strict=True):
        for i, picture in enumerate(row):
            joined.paste(picture, (i * (WIDTH + gap), y))
        y += height + gap
    return joined


def main() -> None:
    """Segment, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--model", help="default: the shipped model")
    parser.add_argument("--try", dest="settings", nargs="*", default=[])
    parser.add_argument("--pictures", nargs="*", default=PICTURES, choices=PICTURES)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sam = load(options.model, dtype="bfloat16")
    own = sam.config.everything
    configs = [own, *(settings_of(text, own) for text in options.settings)]
    grid = ThresholdGrid.around(*configs)
    rows = []
    for name in options.pictures:
        image = np.ascontiguousarray(to_rgb(getattr(data, name)()))
        candidates = find_candidates(sam, Example(name, image, []), grid.loosest)
        row = []
        for config in configs:
            masks = candidates.kept(config)
            text = (
                f"{name}: {config.pred_iou_thresh:g}, {config.stability_score_thresh:g}, "
                f"{config.box_nms_thresh:g} {config.nms_by}, {config.min_mask_region_area}: "
                f"{len(masks)}"
            )
            row.append(captioned(overlay(image, masks), text))
        rows.append(row)
    sheet(rows).save(options.target)


if __name__ == "__main__":
    main()
