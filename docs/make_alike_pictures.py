"""Make the pictures of docs/alike.md.

Usage: python docs/make_alike_pictures.py [CACHE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

import anymask
from anymask import AlikeFinder, MaskSet, overlay
from anymask.painting import draw_prompts

IMAGES = Path(__file__).parent / "images"
GAP = 8
COIN = [22, 34, 68, 76]
LEAF = 0


def main(cache: str | None) -> None:
    """Write docs/images/alike_coins.png and docs/images/alike_leaves.png."""
    coins = np.stack([skimage.data.coins()] * 3, -1)
    finder = AlikeFinder(cache=cache)
    finder.show(coins, [COIN])
    save("alike_coins.png", coins, [COIN], finder.find(coins).masks())
    cube = anymask.read(anymask.sample("leaf_cube"))
    truth = anymask.load_masks(anymask.sample("leaf_cube").with_suffix(".labels.tif"))
    leaf = truth.boxes[LEAF].tolist()
    finder = AlikeFinder(cache=cache)
    finder.show(cube, [leaf])
    found = finder.find(cube).masks()
    save("alike_leaves.png", anymask.to_rgb(cube), [leaf], found)


def save(name: str, image: np.ndarray, boxes: list[list[int]], found: MaskSet) -> None:
    """Save what is shown, and beside it what was found."""
    shown = draw_prompts(image, width=2, boxes=np.array(boxes, float))
    gap = np.full((image.shape[0], GAP, 3), 255, np.uint8)
    sheet = np.concatenate([shown, gap, overlay(image, found)], 1)
    Image.fromarray(sheet).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
